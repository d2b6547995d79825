"""What is settled for the winner is learned from its own out-of-fold predictions, and told in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from assay import catalog
from assay.spec import Experiment
from assay.vocabulary import Shelf
from assay.workflows.settle import Judged, Settled, settle, words


def settled(metric: str, **settings: Any) -> Settled:
    draw = np.random.default_rng(0)
    score_N = 2 * draw.normal(size=3_000) - 3
    y_N = (draw.random(3_000) < expit(score_N)).astype(int)
    odds = {"sure": 3 * score_N, "member": score_N}
    said = {name: np.column_stack([expit(-odds_N), expit(odds_N)]) for name, odds_N in odds.items()}
    spec = {"experiment": "a", "data": {"train": "a.csv", "label": "y"}, **settings}
    judged = Judged(y_N, np.arange(3_000) % 5, said)
    part = catalog.make(Shelf.METRICS, metric)
    return settle("sure", ("member",), judged, Experiment.model_validate(spec), part)


def test_a_metric_of_probabilities_needs_no_decision() -> None:
    found = settled("roc_auc")
    assert found.calibration is not None
    assert (found.decision, found.told["decision"]) == (None, None)


def test_the_log_loss_of_the_best_member_is_told_beside_that_of_the_winner() -> None:
    told = settled("roc_auc").told["calibration"]
    assert told["log_loss_before"] > told["log_loss_of_best_member"]
    assert told["log_loss_after"] < told["log_loss_of_best_member"] + 0.002


def test_a_threshold_of_ones_own_is_kept_and_judged() -> None:
    found = settled("f1", threshold=0.25)
    assert found.decision is not None
    assert found.decision.threshold == 0.25
    assert found.told["decision"]["score_after"] > found.told["decision"]["score_before"]


def test_both_are_told_in_words_with_the_score_before_and_after() -> None:
    found = settled("f1")
    (how, answers) = words(found.told, "f1")
    assert how.startswith("probabilities calibrated by temperature: log loss out of fold")
    assert answers.startswith("answers: positive above a probability of 0.")
    assert "f1 out of fold" in answers


def test_numbers_are_left_alone() -> None:
    judged = Judged(np.zeros(9), np.arange(9) % 3, {"tree": np.zeros((9, 1))})
    spec = Experiment.model_validate({"experiment": "a", "data": {"train": "a.csv", "label": "y"}})
    assert settle("tree", (), judged, spec, catalog.make(Shelf.METRICS, "rmse")) == Settled()
