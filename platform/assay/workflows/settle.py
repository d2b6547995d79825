"""What is settled once the winner is known: how far its probabilities are trusted, and which class it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.decision import Calibration, Decision
from assay.errors import SpecFault
from assay.evaluation.calibration import calibrated, losses
from assay.evaluation.deciding import Decided, decided
from assay.parts import Json, Metric
from assay.profile import LabelProfile
from assay.seeds import child
from assay.spec import Experiment
from assay.vocabulary import Task


@dataclass(frozen=True)
class Judged:
    """The out-of-fold predictions behind the leaderboard, by the name of the row."""

    y_N: np.ndarray
    fold_N: np.ndarray
    prediction_NK: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Settled:
    """What a model does with what its members say, and what it gains out of fold."""

    calibration: Calibration | None = None
    decision: Decision | None = None
    told: Json = field(default_factory=lambda: {"calibration": None, "decision": None})


def settle(name: str, members: tuple[str, ...], judged: Judged, experiment: Experiment, metric: Metric) -> Settled:
    """Calibrate the row `name` of the leaderboard, and learn which class to answer with; nothing for numbers."""
    prediction_NK = judged.prediction_NK[name]
    if prediction_NK.shape[1] == 1:
        return Settled()
    found = calibrated(experiment.calibration, prediction_NK, judged.y_N, judged.fold_N, metric)
    of_members = [
        losses(judged.prediction_NK[member], judged.y_N).mean() for member in members if member in judged.prediction_NK
    ]
    answer = _answer(found.prediction_NK, judged, experiment, metric)
    calibration = {
        "method": found.method,
        "log_loss_before": found.log_loss_before,
        "log_loss_after": found.log_loss_after,
        "log_loss_of_best_member": float(min(of_members)) if of_members else None,
    }
    return Settled(found.calibration, answer.decision, {"calibration": calibration, "decision": _told(answer)})


def _answer(probability_NK: np.ndarray, judged: Judged, experiment: Experiment, metric: Metric) -> Decided:
    if experiment.threshold == "auto":
        if not metric.of_decisions:
            return Decided(None, float("nan"), float("nan"))
        return decided(metric, probability_NK, judged.y_N, judged.fold_N, child(experiment.seed, "decision"))
    decision = Decision.at_threshold(experiment.threshold)
    if not metric.of_decisions:
        return Decided(decision, float("nan"), float("nan"))
    scores = [float(metric.score(judged.y_N, some)) for some in (probability_NK, decision.weighed(probability_NK))]
    return Decided(decision, *scores)


def _told(answer: Decided) -> Json | None:
    if answer.decision is None:
        return None
    known = answer.score_before == answer.score_before
    return {
        "threshold": answer.decision.threshold,
        "weights": list(answer.decision.weights),
        "score_before": answer.score_before if known else None,
        "score_after": answer.score_after if known else None,
    }


def check_answers(experiment: Experiment, label: LabelProfile) -> None:
    """Check what the file says of probabilities and answers, once the classes are known.

    Raises:
        SpecFault: a calibration for numbers, or a threshold for other than two classes.
    """
    if label.task is Task.REGRESSION and experiment.calibration not in ("auto", "none"):
        raise SpecFault.at("calibration", f"'{experiment.calibration}' is for classes, the task is {label.task}")
    if label.task is not Task.BINARY and experiment.threshold != "auto":
        found = f"{len(label.classes)} classes" if label.classes else "numbers"
        raise SpecFault.at("threshold", f"is for two classes, the label has {found}", "remove the line")


def words(told: Mapping[str, Any], metric: str) -> list[str]:
    """Return what was settled, a line each, for people.

    Example:
        >>> told = {"method": "temperature", "log_loss_before": 0.5, "log_loss_after": 0.4}
        >>> words({"calibration": told, "decision": None}, "roc_auc")
        ['probabilities calibrated by temperature: log loss out of fold 0.50000 before, 0.40000 after']
    """
    lines, calibration, decision = [], told.get("calibration"), told.get("decision")
    if calibration and calibration["method"] != "none":
        before, after = calibration["log_loss_before"], calibration["log_loss_after"]
        how = f"probabilities calibrated by {calibration['method']}"
        lines.append(f"{how}: log loss out of fold {before:.5f} before, {after:.5f} after")
    if decision:
        cut = decision["threshold"]
        how = "classes weighed by how rare they are" if cut is None else f"positive above a probability of {cut:.3g}"
        before, after = decision["score_before"], decision["score_after"]
        gain = "" if before is None else f": {metric} out of fold {before:.5f} before, {after:.5f} after"
        lines.append(f"answers: {how}{gain}")
    return lines
