"""What is tried first is what wins on rows of the kind at hand."""

from __future__ import annotations

import pytest

from assay.profile import ColumnProfile, LabelProfile, Profile
from assay.searches.auto import portfolio
from assay.spec import Experiment
from assay.vocabulary import ColumnKind, Task
from assay.workflows import choices

SHAPE = {"image": (ColumnKind.IMAGE, (8, 8, 1)), "series": (ColumnKind.SERIES, (20, 2)), "text": (ColumnKind.TEXT, ())}
MADE_FOR = {
    "image": {"cnn"},
    "series": {"random_convolutions", "rnn"},
    "text": {"rnn", "text_linear", "text_naive_bayes"},
}


@pytest.mark.parametrize("kind", sorted(SHAPE))
def test_algorithms_made_for_the_kind_of_rows_are_tried_before_those_of_tables(kind: str) -> None:
    column_kind, shape = SHAPE[kind]
    profile = Profile(
        num_rows=1_000,
        columns=(ColumnProfile(name="x", kind=column_kind, shape=shape),),
        label=LabelProfile(name="y", task=Task.BINARY, classes=("a", "b"), class_counts=(500, 500)),
    )
    experiment = Experiment(experiment="e", data={"train": "x.npz", "label": "y"}, kind=kind)
    listed = choices.algorithms_for(experiment, Task.BINARY, 1_000)
    first = portfolio(choices.candidates_for(listed, profile, kind=kind))[: len(MADE_FOR[kind])]
    assert {proposal.algorithm for proposal in first} == MADE_FOR[kind]
