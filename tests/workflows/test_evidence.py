"""Which trials join ensembles, which ensembles are refused, and a model whose ensemble reads the original columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.evaluation.diversity import Diversity
from assay.evaluation.leaderboard import Entry
from assay.model import Combination, Member, Model
from assay.parts import Evidence, Fit, Learned
from assay.recipe import Recipe, StepState
from assay.vocabulary import EntryKind, Shelf, Task
from assay.workflows.combine import Board, doubted
from assay.workflows.evidence import chosen_members
from assay.workflows.finalize import winner
from assay.workflows.settle import Judged

NUM_ROWS = 300
RMSE = catalog.make(Shelf.METRICS, "rmse")


def evidence(*noise: float) -> Evidence:
    """Return what members of so much noise said of numbers."""
    draw = np.random.default_rng(0)
    y_N = draw.normal(size=NUM_ROWS)
    said_MNK = np.array([y_N + level * draw.normal(size=NUM_ROWS) for level in noise], np.float32)[:, :, None]
    names = tuple(f"m-{place}" for place in range(len(noise)))
    return Evidence(names, said_MNK, y_N, np.arange(NUM_ROWS) % 3, Task.REGRESSION, RMSE)


def test_a_member_that_errs_as_a_better_one_does_is_left_out() -> None:
    known = evidence(0.1, 0.1, 0.2)
    copied = known.prediction_MNK.copy()
    copied[1] = copied[0] + 0.001
    family_of = {"m-0": "a", "m-1": "b", "m-2": "c"}
    assert chosen_members(replace(known, prediction_MNK=copied), family_of, floor=-1.0) == [0, 2]


def test_two_members_are_left_however_alike_they_are() -> None:
    known = evidence(0.1, 0.1, 0.1)
    same = replace(known, prediction_MNK=known.prediction_MNK[[0, 0, 0]])
    assert chosen_members(same, dict.fromkeys(known.names, "a"), floor=-1.0) == [0, 1]


def test_a_member_that_hardly_beats_the_baseline_is_left_out() -> None:
    family_of = dict.fromkeys(("m-0", "m-1", "m-2"), "a") | {"m-2": "b"}
    assert chosen_members(evidence(0.1, 0.3, 0.9), family_of, floor=-1.0) == [0, 1]


def test_the_best_of_each_family_comes_before_more_of_the_best() -> None:
    known = evidence(*np.linspace(0.1, 0.5, 20))
    family_of = dict.fromkeys(known.names, "trees") | {"m-19": "lines"}
    chosen = chosen_members(known, family_of, floor=-1.0)
    assert chosen == [*range(15), 19]


@pytest.mark.parametrize(("score", "refused"), [(0.5, False), (0.51, True), (0.49, False)])
def test_a_doubted_ensemble_is_refused_when_it_is_worse_than_the_best_member(score: float, refused: bool) -> None:
    best = Entry("m-0", EntryKind.TRIAL, 0.5, 0.4, 0.6)
    found = doubted(Entry("stack", EntryKind.ENSEMBLE, score, 0.4, 0.6), best, RMSE)
    assert found.refused == refused
    assert found.note == ("refused: worse out of fold than m-0" if refused else "")


def test_a_refused_ensemble_never_becomes_the_model() -> None:
    rows = (
        Entry("stack", EntryKind.ENSEMBLE, 0.3, 0.2, 0.4, refused=True, members=("m-0", "m-1")),
        Entry("m-0", EntryKind.TRIAL, 0.4, 0.3, 0.5),
        Entry("dummy", EntryKind.BASELINE, 1.0, 0.9, 1.1),
    )
    nothing = Judged(np.zeros(0), np.zeros(0), {})
    board = Board(rows, {}, {}, (), nothing, Diversity((), np.zeros((0, 0))))
    assert winner(board, RMSE).name == "m-0"


def test_a_model_whose_ensemble_reads_columns_predicts_the_same_when_it_is_read_again() -> None:
    draw = np.random.default_rng(1)
    x_ND = draw.normal(size=(NUM_ROWS, 2))
    table = pa.table({"a": x_ND[:, 0], "b": x_ND[:, 1], "y": x_ND[:, 0] + x_ND[:, 1] ** 2})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(table, np.arange(NUM_ROWS), 0), "y", Task.REGRESSION, {}, None)
    recipe = Recipe((StepState("ordinal", {}, {}),))
    batch = recipe.apply(kind.to_batch(table, profile))
    members = tuple(
        Member(key, key, {}, "codes", catalog.make(Shelf.ALGORITHMS, key).fit(batch, 0))
        for key in ("decision_tree", "lightgbm")
    )
    said_MNK = np.stack([member.fitted.predict(batch) for member in members]).astype(np.float32)
    params = {"skip": True, "learner": "decision_tree"}
    part = catalog.make(Shelf.ENSEMBLES, "stack", params)
    known = Evidence(
        ("t", "l"), said_MNK, batch.label_N, np.arange(NUM_ROWS) % 3, Task.REGRESSION, RMSE, columns={part.reads: batch}
    )
    (job,) = next(part.rounds(known, 0))
    learned = job.function(known, **job.arguments)
    model = Model("tabular", profile, {"codes": recipe}, members, Combination("stack", params, learned, "codes"))
    again = Model.from_files(model.files())
    np.testing.assert_array_equal(again.predict(table), model.predict(table))
    assert np.isfinite(again.predict(table)).all()
    assert isinstance(learned, Learned)
    assert isinstance(learned.models["last"][0], Fit)
