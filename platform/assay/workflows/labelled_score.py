"""The score of a model on rows whose labels came later, held against the score that it was registered with."""

from __future__ import annotations

import math

import numpy as np

from assay.batch import Batch
from assay.evaluation.bootstrap import Interval
from assay.evaluation.two_samples import MIN_ROWS
from assay.model import Model
from assay.parts import Json, Metric
from assay.store.registry import ResolvedModel
from assay.store.runs import Storage
from assay.workflows import models
from assay.workflows.choices import METRIC_OF, metric_part
from assay.workflows.finalize import scores


def known_rows(batch: Batch, classes: tuple[str, ...]) -> np.ndarray | None:
    """Return known_N, which rows have a label; None where fewer than MIN_ROWS have."""
    known_N = labelled_rows(batch, classes)
    return known_N if known_N.sum() >= MIN_ROWS else None


def labelled_rows(batch: Batch, classes: tuple[str, ...]) -> np.ndarray:
    """Return labelled_N, which rows have a label that training knew."""
    if batch.y_N is None:
        return np.zeros(len(batch), bool)
    labelled_N: np.ndarray = batch.y_N >= 0 if classes else ~np.isnan(batch.y_N)
    return labelled_N


def labelled_score(
    model: Model, label_n: np.ndarray, prediction_nK: np.ndarray, before: Interval | None
) -> Json | None:
    """Return the score on n labelled rows beside that `before`; None where the metric has no value on them."""
    key = metric_key(model)
    found = scores(model, label_n, prediction_nK, key, seed=0).get(key)
    if found is None:
        return None
    now = Interval(found["score"], *(math.nan if found[end] is None else found[end] for end in ("low", "high")))
    worse = before is not None and is_worse(metric_part(key), now, before)
    return {"metric": key, "rows": len(label_n), "now": found, "registered": _told(before), "worse": worse}


def metric_key(model: Model) -> str:
    """Return the metric that a model was chosen by."""
    return str(model.card.get("metric") or METRIC_OF[model.task])


def registered_score(found: ResolvedModel, model: Model, storage: Storage, uri: str | None) -> Interval | None:
    """Return the test score that a version was registered with; that of its card, out of fold, for a mere folder."""
    if found.version is None:
        card: Json = model.card.get("out_of_fold") or {}
        ends = [card.get(end) for end in ("score", "low", "high")]
        return None if None in ends else Interval(*(float(str(end)) for end in ends))
    tags = models.registry(storage, uri).version(found.name, str(found.version)).tags
    if tags.get("assay.metric") != metric_key(model) or "assay.score" not in tags:
        return None
    low, high = (float(tags.get(f"assay.score_{end}", "nan")) for end in ("low", "high"))
    return Interval(float(tags["assay.score"]), low, high)


def is_worse(metric: Metric, now: Interval, before: Interval) -> bool:
    """Whether a score on other rows is worse and its 95 % interval lies apart from that before.

    Standard errors would be easier to have by chance: that of a lucky score near the end of its scale is too small. An
    end that is not known counts as the score.
    """
    if metric.gain(now.score) >= metric.gain(before.score):
        return False
    (low, high), (low_before, high_before) = (_ends(one) for one in (now, before))
    return high < low_before or high_before < low


def _ends(found: Interval) -> tuple[float, float]:
    low, high = (end if math.isfinite(end) else found.score for end in (found.low, found.high))
    return low, high


def _told(before: Interval | None) -> Json | None:
    if before is None:
        return None
    ends = {"score": before.score, "low": before.low, "high": before.high}
    return {name: value if math.isfinite(value) else None for name, value in ends.items()}
