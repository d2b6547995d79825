"""Intervals: they cover the truth as often as they say, and differences are paired."""

from __future__ import annotations

import math

import numpy as np

from assay import catalog
from assay.evaluation.bootstrap import gain_interval, interval, row_counts, score_interval
from assay.parts import Metric
from assay.vocabulary import Shelf


def metric(key: str) -> Metric:
    return catalog.make(Shelf.METRICS, key)


def guesses(right_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and certain predictions that are right where `right_N` is."""
    y_N = np.arange(len(right_N)) % 2
    return y_N, np.eye(2)[np.where(right_N, y_N, 1 - y_N)]


def test_every_resample_draws_as_many_rows_as_there_are() -> None:
    weight_BN = row_counts(500, 50, seed=1)
    assert weight_BN.shape == (50, 500)
    assert (weight_BN.sum(axis=1) == 500).all()
    assert np.abs((weight_BN == 0).mean() - math.exp(-1)) < 0.01


def test_the_same_seed_draws_the_same_rows() -> None:
    np.testing.assert_array_equal(row_counts(40, 9, seed=3), row_counts(40, 9, seed=3))
    assert (row_counts(40, 9, seed=3) != row_counts(40, 9, seed=4)).any()


def test_the_interval_of_a_score_covers_the_truth_about_as_often_as_it_says() -> None:
    draw, covered = np.random.default_rng(0), 0
    weight_BN = row_counts(300, 200, seed=0)
    for _ in range(100):
        y_N, prediction_NK = guesses(draw.random(300) < 0.8)
        found = score_interval(metric("accuracy"), y_N, prediction_NK, weight_BN)
        covered += found.low <= 0.8 <= found.high
    assert 88 <= covered <= 100


def test_more_rows_give_a_narrower_interval() -> None:
    draw, widths = np.random.default_rng(1), []
    for num_rows in (100, 1_600):
        y_N, prediction_NK = guesses(draw.random(num_rows) < 0.8)
        found = score_interval(metric("accuracy"), y_N, prediction_NK, row_counts(num_rows, 200, seed=0))
        widths.append(found.high - found.low)
    assert 3 < widths[0] / widths[1] < 5.5


def test_a_pair_is_told_apart_where_its_intervals_overlap() -> None:
    draw = np.random.default_rng(2)
    worse_N = draw.random(400) < 0.7
    better_N = worse_N | (draw.random(400) < 0.1)  # right wherever the other is, and a little more
    weight_BN = row_counts(400, 300, seed=0)
    y_N = np.arange(400) % 2
    better, worse = (
        metric("accuracy").resampled(y_N, guesses(right_N)[1], weight_BN) for right_N in (better_N, worse_N)
    )
    assert interval(0, better).low < interval(0, worse).high
    assert gain_interval(metric("accuracy"), better, worse)[0] > 0


def test_a_gain_is_positive_for_the_better_of_two_errors_too() -> None:
    low, high = gain_interval(metric("rmse"), np.full(50, 1.0), np.full(50, 3.0))
    assert low == high == 2.0


def test_resamples_without_a_score_are_left_out() -> None:
    found = interval(0.5, np.array([0.4, np.nan, 0.6]))
    assert 0.4 <= found.low <= found.high <= 0.6
    nothing = interval(0.5, np.array([np.nan]))
    assert math.isnan(nothing.low)
    assert math.isnan(nothing.high)
