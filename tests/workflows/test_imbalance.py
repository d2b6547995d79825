"""Class weights: what a row of each class counts, and what the file may ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.batch import from_matrix
from assay.errors import SpecFault
from assay.profile import LabelProfile
from assay.spec import Experiment
from assay.vocabulary import Task
from assay.workflows.choices import algorithms_for
from assay.workflows.imbalance import check_weights, weighted
from assay.workflows.settle import check_answers

LABEL = LabelProfile("y", Task.BINARY, ("no", "yes"), (30, 10))
NUMBERS = LabelProfile("y", Task.REGRESSION)
Y_N = np.repeat([0, 1], [30, 10])


def asked(**settings: Any) -> Experiment:
    return Experiment.model_validate({"experiment": "a", "data": {"train": "a.csv", "label": "y"}, **settings})


def weights(class_weight: Any) -> np.ndarray | None:
    return weighted(from_matrix(np.zeros((40, 1)), Y_N, 2), asked(class_weight=class_weight), LABEL).weight_N


def test_balanced_classes_weigh_the_same_in_all_and_rows_one_on_average() -> None:
    weight_N = weights("balanced")
    assert weight_N is not None
    assert weight_N[Y_N == 0].sum() == pytest.approx(weight_N[Y_N == 1].sum())
    assert weight_N.mean() == pytest.approx(1)


def test_a_class_that_is_not_named_counts_one() -> None:
    weight_N = weights({"yes": 5})
    assert weight_N is not None
    assert weight_N[-1] / weight_N[0] == pytest.approx(5)


def test_rows_have_no_weights_unless_asked_for() -> None:
    assert weights("none") is None


def test_a_class_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(SpecFault, match=r"class_weight.yse: .*did you mean 'yes'"):
        check_weights(asked(class_weight={"yse": 2}), LABEL)


@pytest.mark.parametrize(
    ("settings", "check"),
    [
        ({"class_weight": "balanced"}, check_weights),
        ({"calibration": "isotonic"}, check_answers),
        ({"threshold": 0.3}, check_answers),
    ],
    ids=["class_weight", "calibration", "threshold"],
)
def test_numbers_have_no_classes_to_weigh_calibrate_or_decide(settings: dict[str, Any], check: Any) -> None:
    with pytest.raises(SpecFault, match=next(iter(settings))):
        check(asked(**settings), NUMBERS)


def test_auto_leaves_out_algorithms_that_cannot_be_weighted() -> None:
    plain, heavy = ({s.name for s in algorithms_for(asked(class_weight=w), Task.BINARY)} for w in ("none", "balanced"))
    assert plain - heavy == {"k_nearest_neighbours"}
