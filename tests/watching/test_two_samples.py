"""Columns are compared as scipy and evidently compare them, and judged only on rows enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from assay.evaluation.drift import FEW_ROWS, compare
from assay.evaluation.observed import Observed, Pair
from assay.evaluation.two_samples import chi_square, jensen_shannon, of_numbers
from measuring.drift_cases import cases

EVIDENTLY = json.loads((Path(__file__).parent / "evidently.json").read_text())
NUMBERS = [name for name in EVIDENTLY if "numbers" in name]
LEVELS = [name for name in EVIDENTLY if "levels" in name]


def counts(level_n: np.ndarray) -> np.ndarray:
    return np.array([(level_n == level).sum() for level in "abc"], np.float64)


def numbers(before_n: np.ndarray, now_n: np.ndarray, training_rows: int | None = None) -> Pair:
    before = Observed(training_rows or len(before_n), 0, before_n)
    return Pair("x", "numeric", before, Observed(len(now_n), 0, now_n))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_compared_as_evidently_compares_them(name: str) -> None:
    found = of_numbers(*cases()[name])
    assert found.p == pytest.approx(EVIDENTLY[name]["p"], rel=1e-9)
    assert found.distance == pytest.approx(EVIDENTLY[name]["distance"], rel=1e-9)


@pytest.mark.parametrize("name", LEVELS)
def test_levels_lie_as_far_apart_as_evidently_says(name: str) -> None:
    before_K, now_K = map(counts, cases()[name])
    assert jensen_shannon(before_K, now_K) == pytest.approx(EVIDENTLY[name]["distance"], rel=1e-9)


@pytest.mark.parametrize("name", LEVELS)
def test_levels_are_tested_as_two_samples_where_evidently_takes_training_for_exact(name: str) -> None:
    before_K, now_K = map(counts, cases()[name])
    exact = stats.chisquare(now_K, before_K * now_K.sum() / before_K.sum()).pvalue
    assert exact == pytest.approx(EVIDENTLY[name]["p"], rel=1e-6)
    p = chi_square(before_K, now_K)
    assert p == pytest.approx(stats.chi2_contingency([before_K, now_K], correction=False).pvalue)
    assert p > exact


def test_rare_levels_are_tested_together() -> None:
    before_K, now_K = np.array([90.0, 8, 2, 0]), np.array([80.0, 10, 6, 4])
    together = stats.chi2_contingency([[90, 8, 2], [80, 10, 10]], correction=False).pvalue
    assert chi_square(before_K, now_K) == pytest.approx(together)


def test_counts_without_a_second_level_are_not_tested() -> None:
    assert chi_square(np.array([50.0, 0]), np.array([70.0, 0])) is None


def test_p_values_are_adjusted_together() -> None:
    draw = np.random.default_rng(0)
    pairs = [numbers(draw.normal(size=300), draw.normal(shift, size=200)) for shift in (0, 0.1, 0.2, 0.4)]
    found = [column.findings[0] for column in compare(pairs).columns]
    expected = stats.false_discovery_control([finding.p for finding in found])
    assert [finding.adjusted_p for finding in found] == pytest.approx(list(expected))


def test_a_small_but_certain_shift_counts_only_against_few_training_rows() -> None:
    draw = np.random.default_rng(1)
    before_n, now_n = draw.normal(size=2_000), draw.normal(0.08, size=90_000)
    assert compare([numbers(before_n, now_n, FEW_ROWS)]).drifted
    assert not compare([numbers(before_n, now_n, FEW_ROWS + 1)]).drifted


def test_small_windows_that_lie_apart_by_chance_do_not_count() -> None:
    draw = np.random.default_rng(2)
    drifts = [compare([numbers(draw.normal(size=2_000), draw.normal(size=100), 50_000)]) for _ in range(100)]
    assert sum(drift.columns[0].findings[0].distance >= 0.1 for drift in drifts) >= 50
    assert sum(drift.drifted for drift in drifts) <= 10


def test_too_few_rows_are_told_and_not_judged() -> None:
    drift = compare([numbers(np.zeros(500), np.full(29, 9.0))])
    assert not drift.compared
    assert drift.columns[0].note == "too few rows to tell"


def test_missing_values_drift_though_the_values_do_not() -> None:
    draw = np.random.default_rng(3)
    pair = Pair("x", "numeric", Observed(500, 5, draw.normal(size=495)), Observed(200, 80, draw.normal(size=120)))
    found = {finding.what: finding for finding in compare([pair]).columns[0].findings}
    assert found["missing"].drifted
    assert found["missing"].distance == pytest.approx(0.39)
    assert not found["wasserstein"].drifted


def test_levels_that_training_never_saw_drift() -> None:
    before, now = Observed(500, counts={"a": 300, "b": 200}), Observed(100, counts={"a": 50, "b": 30}, num_other=20)
    found = {finding.what: finding for finding in compare([Pair("x", "category", before, now)]).columns[0].findings}
    assert found["unseen"].drifted
    assert found["unseen"].distance == pytest.approx(0.2)


def test_new_levels_among_many_rare_ones_are_no_drift() -> None:
    before = Observed(500, counts={f"level {place}": 1 for place in range(500)}, num_alone=500)
    assert not compare([Pair("x", "category", before, Observed(100, counts={}, num_other=100))]).drifted


def test_the_data_set_drifts_from_three_columns_in_ten() -> None:
    draw = np.random.default_rng(4)
    pairs = [numbers(draw.normal(size=500), draw.normal(2.0 * (place < 3), size=300)) for place in range(10)]
    assert compare(pairs).drifted
    assert not compare(pairs[1:]).drifted
