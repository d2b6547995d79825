"""Drift of a model's rows: those that its server answered, or files, held against what it was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.engines import cluster, loading
from assay.errors import DataFault, SpecFault
from assay.evaluation.bootstrap import Interval
from assay.evaluation.drift import MIN_ROWS, ColumnDrift, Drift, compare
from assay.evaluation.drift_picture import svg
from assay.evaluation.observed import column_pair, label_pair, prediction_pair
from assay.forecasting.requests import framing_of
from assay.model import Model
from assay.parts import Json, Metric
from assay.store import artifact, files, reference
from assay.store.registry import ResolvedModel
from assay.store.runs import Storage
from assay.workflows import models
from assay.workflows.choices import METRIC_OF, metric_part
from assay.workflows.finalize import scores
from assay.workflows.long_series import as_trained
from assay.workflows.windows import Window

MAX_ROWS = 100_000  # of a log, the newest: no test needs more
LOGGED_AT = "time_utc"  # column of the log
STALE = 1.96  # standard errors that a score lies below the registered one


@dataclass(frozen=True)
class Watched:
    """A model, the rows to judge, and where they came from."""

    found: ResolvedModel
    model: Model
    table: pa.Table
    source: str


def drift(
    name: str,
    data: Sequence[str] | pa.Table | None,
    storage: Storage,
    *,
    window: str | None = None,
    address: str | None = None,
    declared: str | None = None,
    tracking_uri: str | None = None,
) -> tuple[Json, Drift]:
    """Hold new rows against the training rows of a model; returns what `assay drift --json` prints, and the pairs.

    Without `data` the rows are those of the server's prediction log. With labels among the rows, the score is held
    against the registered one.

    Raises:
        SpecFault: no such model, or it forecasts.
        DataFault: there are no rows, too few of them, or they do not fit the model.
    """
    seen = watched(name, data, storage, window, address, declared, tracking_uri)
    batch, told = _batch(seen)
    prediction_NK = seen.model.predict_batch(batch)
    kept = reference.read(seen.found.folder)
    profile = seen.model.profile
    pairs = [column_pair(column, batch.columns[column.name]) for column in profile.used]
    beside = {"prediction": prediction_pair(profile, None if kept is None else kept["prediction"], prediction_NK)}
    known_N = _known(batch, profile.label.classes)
    if known_N is not None and known_N.sum() >= MIN_ROWS:
        label_n = batch.label_N[known_N]
        beside["label"] = label_pair(profile.label, None if kept is None else kept["label"], label_n)
    judged = compare(pairs, {key: pair for key, pair in beside.items() if pair is not None})
    score = _score(seen, batch, prediction_NK, known_N, storage, tracking_uri)
    alarms = _alarms(judged, score)
    return {
        "model": models.title(seen.found),
        "source": seen.source,
        "rows": len(batch),
        "training_rows": profile.num_rows,
        "drifted": judged.drifted,
        "share": judged.share,
        "columns": [_told(column) for column in judged.columns],
        **{key: _told(column) for key, column in judged.beside.items()},
        "score": score,
        "alarms": alarms,
        "notes": told,
    }, judged


def watched(
    name: str,
    data: Sequence[str] | pa.Table | None,
    storage: Storage,
    window: str | None,
    address: str | None,
    declared: str | None,
    tracking_uri: str | None,
) -> Watched:
    """Return the model and its rows."""
    found = models.resolve(name, storage, tracking_uri)
    model = artifact.load(found.folder)
    if framing_of(model.card) is not None:
        raise SpecFault.at(
            f"model '{models.title(found)}'",
            "forecasts: its rows are windows of series, which no test of drift is made for",
            f"score it on newer values: `assay evaluate {name} DATA`",
        )
    if data is None:
        table, source = logged(found, storage), "the prediction log"
    elif isinstance(data, pa.Table):
        table, source = data, "memory"
    else:
        cluster.connect(address)
        table, source = loading.load(list(data), declared), ", ".join(data)
    if window is not None:
        table = Window.parse(window).of(table, LOGGED_AT if LOGGED_AT in table.column_names else None)
    if table.num_rows < MIN_ROWS:
        raise DataFault.at(
            source, f"holds {table.num_rows} rows", f"give at least {MIN_ROWS}: fewer tell nothing apart"
        )
    return Watched(found, model, as_trained(model, table), source)


def logged(found: ResolvedModel, storage: Storage) -> pa.Table:
    """Return the newest rows of the log that the server keeps of a version.

    Raises:
        DataFault: it keeps none.
    """
    import pyarrow.parquet as pq

    home = storage.root / "serving" / "log" / found.name / str(found.version or 1)
    tables: list[pa.Table] = []
    for file in sorted(home.glob("date=*/*.parquet"), key=_age, reverse=True):
        try:
            tables.append(pq.read_table(file, partitioning=None))
        except (pa.ArrowInvalid, OSError):  # being written, or cut off by a crash: the others still tell
            continue
        if sum(table.num_rows for table in tables) >= MAX_ROWS:
            break
    tables = [table for table in reversed(tables) if table.num_rows]
    if not tables:
        raise DataFault.at(
            f"prediction log {home}",
            "holds no rows",
            f"serve the model with its log on (docs/serving.md), or give rows: `assay drift {found.name} --data FILE`",
        )
    whole = pa.concat_tables(tables, promote_options="permissive")
    return whole.slice(max(0, whole.num_rows - MAX_ROWS))


def _age(file: Path) -> tuple[str, float]:
    return file.parent.name, file.stat().st_mtime


def _batch(seen: Watched) -> tuple[Batch, list[str]]:
    """Return the rows as canonical columns; labels that cannot be read are left out, and told."""
    model, label = seen.model, seen.model.profile.label.name
    try:
        return model.batch(seen.table), []
    except DataFault as error:
        of_label = [fault for fault in error.faults if fault.place == f"label '{label}'"]
        if len(of_label) < len(error.faults):
            raise
        without = replace(model.profile, label=replace(model.profile.label, name=""))
        told = [f"{fault.place} {fault.found}; compared without labels" for fault in of_label]
        return replace(model, profile=without).batch(seen.table.drop_columns([label])), told


def _known(batch: Batch, classes: tuple[str, ...]) -> np.ndarray | None:
    """Return which rows have a label; None where none has."""
    if batch.y_N is None:
        return None
    known_N = batch.y_N >= 0 if classes else ~np.isnan(batch.y_N)
    return known_N if known_N.any() else None


def _score(
    seen: Watched,
    batch: Batch,
    prediction_NK: np.ndarray,
    known_N: np.ndarray | None,
    storage: Storage,
    uri: str | None,
) -> Json | None:
    """Return the score on the rows that have a label, beside the registered one; None without labels."""
    if known_N is None or known_N.sum() < MIN_ROWS:
        return None
    model = seen.model
    key = str(model.card.get("metric") or METRIC_OF[model.task])
    found = scores(model, batch.label_N[known_N], prediction_NK[known_N], key, seed=0).get(key)
    if found is None:
        return None
    now = Interval(found["score"], *(math.nan if found[end] is None else found[end] for end in ("low", "high")))
    before = registered_score(seen, key, storage, uri)
    worse = before is not None and is_worse(metric_part(key), now, before)
    told = None if before is None else {end: _plain(getattr(before, end)) for end in ("score", "low", "high")}
    return {"metric": key, "rows": int(known_N.sum()), "now": found, "registered": told, "worse": worse}


def registered_score(seen: Watched, key: str, storage: Storage, uri: str | None) -> Interval | None:
    """Return the test score that a version was registered with; that of its card, out of fold, for a mere folder."""
    if seen.found.version is None:
        card: Json = seen.model.card.get("out_of_fold") or {}
        ends = [card.get(end) for end in ("score", "low", "high")]
        return None if None in ends else Interval(*(float(str(end)) for end in ends))
    tags = models.registry(storage, uri).version(seen.found.name, str(seen.found.version)).tags
    if tags.get("assay.metric") != key or "assay.score" not in tags:
        return None
    low, high = (float(tags.get(f"assay.score_{end}", "nan")) for end in ("low", "high"))
    return Interval(float(tags["assay.score"]), low, high)


def is_worse(metric: Metric, now: Interval, before: Interval) -> bool:
    """Whether a score on other rows is worse by more than chance: by STALE standard errors of the difference.

    The standard errors are told from the 95 % intervals; one that is not known counts as none.
    """
    errors = [(one.high - one.low) / (2 * 1.96) for one in (now, before)]
    noise = math.sqrt(sum(error**2 for error in errors if math.isfinite(error)))
    return bool(metric.gain(now.score) - metric.gain(before.score) < -STALE * noise)


def _alarms(judged: Drift, score: Json | None) -> list[str]:
    found = ["columns"] if judged.drifted else []
    found += [key for key, column in judged.beside.items() if column.drifted]
    return [*found, "score"] if score is not None and score["worse"] else found


def _told(column: ColumnDrift) -> Json:
    pair = column.pair
    return {
        "name": pair.name,
        "kind": pair.kind,
        "drifted": column.drifted,
        "missing": _share(pair.now.num_missing, pair.now.num_rows),
        "missing_in_training": _share(pair.before.num_missing, pair.before.num_rows),
        "unseen": _share(pair.now.num_unseen, pair.now.num_present),
        "findings": [
            {
                "what": finding.what,
                "distance": finding.distance,
                "test": finding.test,
                "p": finding.p,
                "adjusted_p": finding.adjusted_p,
                "drifted": finding.drifted,
            }
            for finding in column.findings
        ],
        "note": pair.note,
    }


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


def _plain(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def draw(judged: Drift, told: Json, file: Path) -> None:
    """Write the picture of a comparison."""
    alarms = ", ".join(told["alarms"]) or "no alarm"
    files.write_file(
        file.absolute(), svg(judged, f"{told['model']}: {told['rows']:,} rows from {told['source']}; {alarms}")
    )
