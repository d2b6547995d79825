"""The answer is chosen for the metric: on rows never seen it scores better than the most probable class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from assay import catalog
from assay.decision import Decision
from assay.evaluation.deciding import Decided, decided
from assay.parts import Metric
from assay.vocabulary import Shelf


def metric(key: str) -> Metric:
    return catalog.make(Shelf.METRICS, key)


def rare(num_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return right probabilities and labels, of which one in twenty is positive."""
    draw = np.random.default_rng(seed)
    true_N = expit(2 * draw.normal(size=num_rows) - 4.5)
    return np.column_stack([1 - true_N, true_N]), (draw.random(num_rows) < true_N).astype(int)


def uneven(num_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return right probabilities and labels of four classes, each rarer than the one before."""
    draw = np.random.default_rng(seed)
    score_NK = draw.normal(size=(num_rows, 4)) - 1.5 * np.arange(4)
    return softmax(score_NK, axis=1), (score_NK + draw.gumbel(size=score_NK.shape)).argmax(axis=1)


def learned(key: str, probability_NK: np.ndarray, y_N: np.ndarray) -> Decided:
    return decided(metric(key), probability_NK, y_N, np.arange(len(y_N)) % 5, seed=3)


@pytest.mark.parametrize(
    ("key", "rows"), [("f1", rare), ("balanced_accuracy", rare), ("balanced_accuracy", uneven), ("f1", uneven)]
)
def test_rare_classes_are_found_on_fresh_rows_as_well_as_it_says(key: str, rows: object) -> None:
    found = learned(key, *rows(6_000))  # type: ignore[operator]
    fresh_NK, fresh_N = rows(40_000, seed=1)  # type: ignore[operator]
    assert found.decision is not None
    before, after = (metric(key).score(fresh_N, some) for some in (fresh_NK, found.decision.weighed(fresh_NK)))
    assert after > before + 0.01
    assert found.score_after == pytest.approx(after, abs=0.03)


def test_a_threshold_comes_near_the_best_there_is() -> None:
    found, (fresh_NK, fresh_N) = learned("f1", *rare(4_000)), rare(100_000, seed=1)
    assert found.decision is not None
    ideal = max(
        metric("f1").score(fresh_N, Decision.at_threshold(cut).weighed(fresh_NK)) for cut in np.linspace(0.05, 0.6, 56)
    )
    assert metric("f1").score(fresh_N, found.decision.weighed(fresh_NK)) > ideal - 0.015


@pytest.mark.parametrize("rows", [rare, uneven])
def test_the_most_probable_class_stays_the_answer_where_nothing_is_better(rows: object) -> None:
    assert learned("accuracy", *rows(4_000)).decision is None  # type: ignore[operator]


def test_classes_that_are_told_apart_easily_keep_their_middle() -> None:
    y_N = np.arange(500) % 2
    said_N = np.where(y_N == 1, 0.9, 0.01)
    assert learned("f1", np.column_stack([1 - said_N, said_N]), y_N).decision is None


def test_the_same_seed_decides_the_same() -> None:
    assert learned("f1", *rare(2_000)) == learned("f1", *rare(2_000))


def test_a_threshold_is_the_probability_above_which_the_answer_is_positive() -> None:
    decision = Decision.at_threshold(0.2)
    positive_N = decision.weighed(np.array([[0.81, 0.19], [0.79, 0.21]])).argmax(axis=1)
    assert positive_N.tolist() == [0, 1]
    assert decision.threshold == pytest.approx(0.2)
