"""Drift of a model's rows: those that its server answered, or files, held against what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.engines import cluster, loading
from assay.errors import DataFault, SpecFault
from assay.evaluation.drift import ColumnDrift, Drift, compare
from assay.evaluation.drift_picture import svg
from assay.evaluation.observed import Pair, column_pair, label_pair, prediction_pair
from assay.evaluation.two_samples import MIN_ROWS
from assay.forecasting.requests import framing_of
from assay.model import Model
from assay.parts import Json
from assay.profile import ColumnProfile
from assay.store import artifact, files, prediction_log, reference
from assay.store.registry import ResolvedModel
from assay.store.runs import Storage
from assay.vocabulary import ColumnKind
from assay.workflows import models
from assay.workflows.labelled_score import known_rows, labelled_rows, labelled_score, registered_score
from assay.workflows.long_series import as_trained
from assay.workflows.new_labels import readable_labels
from assay.workflows.unreadable import readable_places
from assay.workflows.windows import Window

LOG = "the prediction log"


@dataclass(frozen=True)
class Watched:
    """A model, the rows to judge, and where they came from."""

    found: ResolvedModel
    model: Model
    table: pa.Table
    source: str
    said_NK: np.ndarray | None = None  # what the server answered; None where the model is to be asked again


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
        DataFault: there are no rows, or they do not fit the model.
    """
    seen = watched(name, data, storage, window, address, declared, tracking_uri)
    model = seen.model
    labels = readable_labels(seen.table, model.profile.label)
    seen = replace(seen, table=labels.table)
    places, notes = readable_places(_as_logged(seen), seen.table)
    if notes:
        said_NK = None if seen.said_NK is None else seen.said_NK[places]
        seen = replace(seen, table=seen.table.take(pa.array(places)), said_NK=said_NK)
    batch, notes = _as_logged(seen).batch(seen.table), [*notes, *labels.notes]
    prediction_NK = model.predict_batch(batch) if seen.said_NK is None else seen.said_NK
    known_N = known_rows(batch, model.profile.label.classes)
    columns = [column_pair(column, _values(seen, batch, column.name)) for column in _compared(seen)]
    judged = compare(columns, _beside(seen, batch, prediction_NK, labels.num_unseen))
    score = None
    if known_N is not None:
        before = registered_score(seen.found, model, storage, tracking_uri)
        score = labelled_score(model, batch.label_N[known_N], prediction_NK[known_N], before)
    left_out = {column.name for column in model.profile.used} - {column.pair.name for column in judged.columns}
    notes += [f"column '{name}' is not compared: the log needs this name itself" for name in sorted(left_out)]
    return _told(seen, len(batch), judged, score, notes), judged


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
    newest = None if window is None else Window.parse(window)  # before anything is read
    found = models.resolve(name, storage, tracking_uri)
    model = artifact.load(found.folder)
    if framing_of(model.card) is not None:
        raise SpecFault.at(
            f"model '{models.title(found)}'",
            "forecasts: its rows are windows of series, which no test of drift is made for",
            f"score it on newer values: `assay evaluate {name} DATA`",
        )
    if data is None:
        log = prediction_log.read(storage, found.name, found.version or 1)
        table, source = prediction_log.labelled(log, storage, found.name, model.profile.label.name), LOG
    elif isinstance(data, pa.Table):
        table, source = data, "memory"
    else:
        loading.peek(data, declared, 1)  # paths that lead nowhere start no Ray
        cluster.connect(address)
        table, source = loading.load(list(data), declared), ", ".join(data)
    if newest is not None:
        table = newest.of(table, prediction_log.TIME)
    if not table.num_rows:
        raise DataFault.at(source, "holds no rows", "give the rows that the model met lately")
    said_NK = prediction_log.said(table, model.classes) if source == LOG else None
    if said_NK is not None:
        return Watched(found, model, table, source, said_NK)
    return Watched(found, model, as_trained(model, table), source)


def _compared(seen: Watched) -> list[ColumnProfile]:
    """Return the columns to compare: of a log all but those whose name the log needs itself."""
    ours = prediction_log.OURS if seen.said_NK is not None else frozenset()
    return [column for column in seen.model.profile.used if column.name not in ours]


def _values(seen: Watched, batch: Batch, name: str) -> np.ndarray:
    """Return the values of a column; of an image in the log its brightness, of a series there nothing."""
    if name in batch.columns:
        return batch.columns[name]
    return np.asarray(seen.table.column(name)) if name in seen.table.column_names else np.zeros(0)


def _as_logged(seen: Watched) -> Model:
    """Return a model that reads what the log keeps: no images and no series, whose answers it keeps instead."""
    if seen.said_NK is None:
        return seen.model
    read = [column for column in _compared(seen) if column.kind not in (ColumnKind.IMAGE, ColumnKind.SERIES)]
    kind = seen.model.kind if len(read) == len(seen.model.profile.used) else "tabular"
    return replace(seen.model, kind=kind, profile=replace(seen.model.profile, columns=tuple(read)))


def _beside(seen: Watched, batch: Batch, prediction_NK: np.ndarray, num_unseen: int) -> dict[str, Pair]:
    """Return the predictions, and the labels where they are known, then and now.

    `num_unseen` rows have a class that training rows lack; they count among the labels.
    """
    kept = reference.read(seen.found.folder) or {}
    profile = seen.model.profile
    pairs = {"prediction": prediction_pair(profile, kept.get("prediction"), prediction_NK)}
    known_N = labelled_rows(batch, profile.label.classes)
    if known_N.sum() + num_unseen >= MIN_ROWS:
        pairs["label"] = label_pair(profile.label, kept.get("label"), batch.label_N[known_N], num_unseen)
    return pairs


def _told(seen: Watched, num_rows: int, judged: Drift, score: Json | None, notes: list[str]) -> Json:
    alarms = ["columns"] if judged.drifted else []
    alarms += [key for key, column in judged.beside.items() if column.drifted]
    alarms += ["score"] if score is not None and score["worse"] else []
    return {
        "model": models.title(seen.found),
        "source": seen.source,
        "rows": num_rows,
        "training_rows": seen.model.profile.num_rows,
        "verdict": "drift" if alarms else "no drift" if judged.compared else "too few rows to tell",
        "alarms": alarms,
        "drifted": judged.drifted,
        "share": judged.share,
        "columns": [_column(column) for column in judged.columns],
        "prediction": None,
        "label": None,
        **{key: _column(column) for key, column in judged.beside.items()},
        "score": score,
        "notes": notes,
    }


def _column(column: ColumnDrift) -> Json:
    pair = column.pair
    return {
        "name": pair.name,
        "kind": pair.kind,
        "drifted": column.drifted,
        "missing": _share(pair.now.num_missing, pair.now.num_rows),
        "missing_in_training": _share(pair.before.num_missing, pair.before.num_rows),
        "unseen": _share(pair.now.num_other, pair.now.num_present),
        "findings": [asdict(finding) for finding in column.findings],
        "note": column.note,
    }


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


def draw(judged: Drift, told: Json, file: Path) -> None:
    """Write the picture of a comparison."""
    title = (
        f"{told['model']}: {told['rows']:,} rows from {told['source']}; alarms: {', '.join(told['alarms']) or 'none'}"
    )
    files.write_file(file.absolute(), svg(judged, title))
