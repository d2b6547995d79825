"""What ensembles say when a member does not answer: the rule of each, on numbers that one can check by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.ensembles.average import quantiles
from assay.model import Combination
from assay.parts import Evidence, Learned
from assay.vocabulary import Shelf, Task


def joined(key: str, params: dict[str, Any], values: dict[str, Any], said: list[Any], *missing: int) -> np.ndarray:
    """Return prediction_NK of an ensemble without some members."""
    present_m = [place for place in range(len(said)) if place not in missing]
    prediction_mNK = np.array([said[place] for place in present_m], float)
    return Combination(key, params, Learned(values)).join(prediction_mNK, present_m, len(said), None)


def evidence(said_MNK: np.ndarray, y_N: np.ndarray) -> Evidence:
    """Return what three members said of numbers, on two folds."""
    metric = catalog.make(Shelf.METRICS, "rmse")
    return Evidence(("a", "b", "c"), said_MNK, y_N, np.arange(len(y_N)) % 2, Task.REGRESSION, metric)


NUMBERS = [[[1.0]], [[2.0]], [[9.0]]]
CHANCES = [[[0.9, 0.1]], [[0.6, 0.4]], [[0.2, 0.8]]]
WEIGHTS = {"weights": [0.5, 0.0, 0.3, 0.2]}  # a member without weight is no member of the model


@pytest.mark.parametrize(("key", "said"), [("average", NUMBERS), ("greedy", NUMBERS), ("vote", CHANCES)])
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_weighted_mean_is_that_of_those_who_answer(key: str, said: list[Any], missing: int) -> None:
    weight_m = np.delete([0.5, 0.3, 0.2], missing)
    expected_NK = np.tensordot(weight_m / weight_m.sum(), np.delete(np.array(said), missing, axis=0), axes=1)
    np.testing.assert_allclose(joined(key, {}, WEIGHTS, said, missing), expected_NK, rtol=1e-12)


@pytest.mark.parametrize("key", ["average", "bag", "subspace"])
def test_a_plain_mean_is_that_of_those_who_answer(key: str) -> None:
    assert joined(key, {}, {}, NUMBERS, 2).tolist() == [[1.5]]


def test_a_median_still_shrugs_off_a_member_that_is_far_off() -> None:
    said = [[[1.0]], [[2.0]], [[100.0]], [[2.0]], [[2.0]]]
    assert joined("average", {"by": "median"}, {}, said, 3, 4).tolist() == [[2.0]]


def test_a_hard_vote_counts_only_those_who_vote() -> None:
    said = [[[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 1.0]]]
    (chances_K,) = joined("vote", {"voting": "hard"}, {}, said, 3, 4)
    assert chances_K.argmax() == 0  # two against one, though the one is sure


def test_an_average_of_ranks_keeps_its_scale_without_a_member() -> None:
    draw = np.random.default_rng(0)
    truth_N = draw.normal(size=400)
    said_MNK = np.stack([scale * truth_N[:, None] for scale in (1.0, 1.0, 100.0)])
    values = {"quantiles": quantiles(evidence(said_MNK, truth_N), 3)}
    whole_NK, partial_NK = (joined("average", {"by": "rank"}, values, list(said_MNK), *gone) for gone in ((), (2,)))
    np.testing.assert_allclose(partial_NK, whole_NK, rtol=1e-6, atol=1e-6)


def test_boosted_votes_and_medians_are_those_of_the_members_that_answer() -> None:
    votes = {"by": "votes", "weights": [3.0, 1.0, 1.0]}
    assert joined("boost", {}, votes, CHANCES)[0].argmax() == 0
    assert joined("boost", {}, votes, CHANCES, 0)[0].tolist() == [0.5, 0.5]
    assert joined("boost", {}, {"by": "median", "weights": [1.0, 1.0, 3.0]}, NUMBERS, 2).tolist() == [[1.0]]


def test_a_boosted_sum_lets_the_member_before_take_over() -> None:
    params, values = {"by": "residual", "learning_rate": 0.5}, {"by": "sum", "start": 10.0, "weights": [0.5] * 3}
    # The second is taken to say half of what the first says, since the first took half of it away.
    assert joined("boost", params, values, NUMBERS, 1).tolist() == [[10 + 0.5 * 1.0 + 0.5 * 0.5 + 0.5 * 9.0]]


def test_a_stack_reads_the_mean_of_the_others_for_a_member_that_is_missing() -> None:
    draw = np.random.default_rng(1)
    y_N = draw.normal(size=200)
    said_MNK = np.stack([y_N[:, None] + 0.3 * draw.normal(size=(200, 1)) for _ in range(3)])
    part = catalog.make(Shelf.ENSEMBLES, "stack")
    known = evidence(said_MNK, y_N)
    rounds = part.rounds(known, 0)
    (call,) = next(rounds)
    learned = call.function(known, **call.arguments)
    filled_MNK = np.stack([*said_MNK[:2], said_MNK[:2].mean(axis=0)])
    partial_NK = Combination("stack", {}, learned).join(said_MNK[:2], [0, 1], 3, None)
    np.testing.assert_array_equal(partial_NK, part.combine(learned, filled_MNK))
