"""The rule of promotion: a real gain and no failing guard, each by itself enough to refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from assay import catalog
from assay.evaluation.promotion import Side, Verdict, judge
from assay.evaluation.slices import Slice
from assay.spec.retraining import RetrainSpec
from assay.vocabulary import Shelf

NUM_ROWS = 600
COLUMNS = (("age", "numeric"), ("town", "category"))
DRAW = np.random.default_rng(0)
TRUTH_N = DRAW.normal(size=NUM_ROWS)
Y_N = (DRAW.random(NUM_ROWS) < 1 / (1 + np.exp(-2 * TRUTH_N))).astype(np.int64)


def side(noise: float, *, seed: int = 1, sharpness: float = 2.0) -> Side:
    """Return a model that sees the truth through noise, and is as sure as it should be where there is little."""
    seen_N = TRUTH_N + noise * np.random.default_rng(seed).normal(size=NUM_ROWS)
    share_N = 1 / (1 + np.exp(-sharpness * seen_N))
    said_NK = np.stack([1 - share_N, share_N], axis=1)
    return Side(said_NK, said_NK, COLUMNS, ("no", "yes"), latency_ms=6.0)


CHAMPION, BETTER = side(1.0), side(0.1)


def judged(challenger: Side, champion: Side = CHAMPION, slices: tuple[Slice, ...] = (), **rule: float) -> Verdict:
    """Judge by the area under the curve."""
    metric = catalog.make(Shelf.METRICS, "roc_auc")
    return judge(champion, challenger, Y_N, metric, slices, RetrainSpec(**rule), seed=0)  # type: ignore[arg-type]


def failed(verdict: Verdict) -> list[str]:
    """Return the conditions that were not met."""
    return [check.name for check in verdict.checks if not check.passed]


def test_a_better_challenger_takes_over() -> None:
    verdict = judged(BETTER)
    assert verdict.promote
    assert verdict.reasons == []


def test_a_gain_that_may_be_chance_is_none() -> None:
    verdict = judged(side(0.95, seed=2))
    assert failed(verdict) == ["gain"]
    assert "which may be chance" in verdict.reasons[0]


def test_a_gain_must_be_large_enough_to_be_worth_a_change() -> None:
    gain = next(check for check in judged(BETTER).checks if check.name == "gain").numbers
    share = gain["gain"] / (1 - gain["champion"])
    assert judged(BETTER, min_gain=0.99 * share).promote
    assert failed(judged(BETTER, min_gain=1.01 * share)) == ["gain"]


def test_the_same_answers_are_no_gain() -> None:
    assert failed(judged(CHAMPION)) == ["gain"]


def test_a_challenger_that_ranks_better_and_is_too_sure_is_refused() -> None:
    boasting = side(0.3, sharpness=12.0)
    assert failed(judged(boasting)) == ["calibration"]


def test_a_slice_that_got_worse_refuses_what_is_better_on_the_whole() -> None:
    hurt_n = np.arange(60)
    said_NK = BETTER.prediction_NK.copy()
    said_NK[hurt_n] = 0.75 - 0.5 * np.eye(2)[Y_N[hurt_n]]
    hurt = replace(BETTER, prediction_NK=said_NK, weighed_NK=said_NK)
    slices = (Slice("town = 'Oslo'", hurt_n), Slice("town = 'Rome'", np.arange(60, NUM_ROWS)))
    verdict = judged(hurt, slices=slices)
    assert failed(verdict) == ["slices"]
    assert "town = 'Oslo'" in verdict.reasons[0]
    assert judged(hurt, slices=slices[1:]).promote


@pytest.mark.parametrize(("latency_ms", "passes"), [(11.9, True), (12.1, False)])
def test_a_challenger_may_take_twice_the_time_of_the_champion(latency_ms: float, passes: bool) -> None:
    assert judged(replace(BETTER, latency_ms=latency_ms)).promote is passes


def test_no_answer_within_five_milliseconds_is_slow() -> None:
    assert judged(replace(BETTER, latency_ms=4.9), replace(CHAMPION, latency_ms=0.5)).promote


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ((*COLUMNS, ("plan", "category")), "reads 'plan', which the champion does not"),
        (COLUMNS[:1], "does not read 'town', which the champion does"),
        ((COLUMNS[0], ("town", "text")), "reads 'town' as text, not category"),
    ],
)
def test_other_columns_are_another_contract(columns: tuple[tuple[str, str], ...], told: str) -> None:
    verdict = judged(replace(BETTER, columns=columns))
    assert failed(verdict) == ["schema"]
    assert told in verdict.reasons[0]


def test_other_classes_are_another_contract() -> None:
    assert failed(judged(replace(BETTER, classes=("no", "yes", "maybe")))) == ["schema"]


def test_with_too_few_rows_nothing_is_judged_or_promoted() -> None:
    verdict = judged(BETTER, min_rows=NUM_ROWS + 1)
    assert failed(verdict) == ["rows"]
    assert "600 labelled rows that neither model saw, at least 601 are needed" in verdict.reasons[0]


def test_a_verdict_on_one_class_alone_is_none() -> None:
    metric = catalog.make(Shelf.METRICS, "roc_auc")
    verdict = judge(CHAMPION, BETTER, np.zeros_like(Y_N), metric, (), RetrainSpec(), seed=0)
    assert "the metric has no value on these 600 rows" in verdict.reasons[0]
    assert '"gain": null' in json.dumps(verdict.to_json(), allow_nan=False)


@pytest.mark.parametrize("bias", [0.0, 3.0])
def test_of_numbers_a_new_bias_is_what_calibration_is_of_classes(bias: float) -> None:
    draw = np.random.default_rng(5)
    y_N = 10 * draw.normal(size=NUM_ROWS)
    sides = [
        Side(said_NK, said_NK, COLUMNS, (), 1.0)
        for said_NK in (
            (y_N + 8 * draw.normal(size=NUM_ROWS))[:, None],
            (y_N + draw.normal(size=NUM_ROWS) + bias)[:, None],
        )
    ]
    verdict = judge(*sides, y_N, catalog.make(Shelf.METRICS, "rmse"), (), RetrainSpec(), seed=0)
    assert failed(verdict) == (["calibration"] if bias else [])


def test_the_same_seed_gives_the_same_verdict() -> None:
    assert judged(BETTER).to_json() == judged(BETTER).to_json()
