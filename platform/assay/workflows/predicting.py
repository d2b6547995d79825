"""What a registered model predicts for files, and how good its predictions are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.answering import answers, bad_rows_of
from assay.bad_rows import MAX_NAMED, BadRow, good_places
from assay.engines import batch_predict, cluster, loading
from assay.engines.reading import Reading
from assay.errors import DataFault, SpecFault, did_you_mean
from assay.forecasting.framing import Framed
from assay.forecasting.requests import framing_of
from assay.model import Model
from assay.parts import Json
from assay.sources.images import SKIP
from assay.store import artifact, tables
from assay.store.runs import Storage
from assay.vocabulary import OnError, Shelf
from assay.workflows import bad_series, long_series
from assay.workflows.choices import METRIC_OF
from assay.workflows.finalize import scores
from assay.workflows.models import resolve, title
from assay.workflows.unseen_levels import HEAD_ROWS, unseen_levels


@contextmanager
def _for_new_rows() -> Iterator[None]:
    """Name the option of rows to predict where a fault names the key of an experiment file."""
    try:
        yield
    except DataFault as error:
        faults = [
            replace(one, fix=one.fix.replace(SKIP, "go on without it: `--on-error skip`")) for one in error.faults
        ]
        raise DataFault(*faults) from None


@dataclass(frozen=True)
class Source:
    """Files to read, and how."""

    paths: Sequence[str]
    address: str | None = None  # Ray cluster to join
    declared: str | None = None  # format of the files
    on_error: OnError = OnError.FAIL

    @property
    def reading(self) -> Reading:
        """How the files are read: broken images fail, or are reported by row."""
        return Reading.new_files(self.declared).with_broken("error" if self.on_error is OnError.FAIL else "report")


@_for_new_rows()
def predict(
    reference: str,
    source: Source,
    out: Path,
    storage: Storage,
    tracking_uri: str | None = None,
    *,
    force: bool = False,
) -> Json:
    """Predict every row of files and write `row`, `prediction` and `probability_CLASS` to one file.

    A model that forecasts reads the history of each series, and writes `prediction` for each series and time to come.
    With `on_error` rows that cannot be read are left out, or have nulls; the result names the first of them.

    Raises:
        SpecFault: no such model, the ending of `out` tells no format, or it is there already and not to be replaced.
        DataFault: the data cannot be read or does not fit the model.
    """
    tables.check_ending(out)
    tables.check_target(out, loading.files_of(source.paths, source.declared), force=force)
    found = resolve(reference, storage, tracking_uri)
    model = artifact.load(found.folder)
    head = check_columns(model, source)
    warnings = unseen_levels(model, head)
    num_cpus = cluster.connect(source.address)
    bad: list[BadRow]
    if framing_of(model.card) is None and long_series.spec_of(model) is None:
        columns = [column.name for column in model.profile.used]
        folder, actors = found.folder.absolute(), max(1, num_cpus - 1)
        parts = batch_predict.Predictions(folder, source.paths, source.reading, actors, columns, source.on_error)
        num_rows = tables.write(out, parts)
        bad = parts.bad
    else:
        blocks, bad = predicted(model, loading.load(source.paths, source.reading), source.on_error)
        num_rows = tables.write(out, blocks)
    return {"model": title(found), "rows": num_rows, "out": str(out), **reported(bad), "warnings": warnings}


def on_error_of(text: str) -> OnError:
    """Return what to do with bad rows.

    Raises:
        SpecFault: it is none of `fail`, `skip` and `null`.
    """
    if text not in list(OnError):
        raise SpecFault.at("on_error", f"'{text}' is not known", f"use one of: {', '.join(OnError)}")
    return OnError(text)


@_for_new_rows()
def read(source: Source) -> pa.Table:
    """Return all rows of files.

    Raises:
        DataFault: they cannot be read.
    """
    cluster.connect(source.address)
    return loading.load(source.paths, source.reading)


def predicted(model: Model, table: pa.Table, on_error: OnError) -> tuple[Iterable[pa.Table], list[BadRow]]:
    """Return tables of predictions for rows in memory, and the rows that could not be read.

    Raises:
        DataFault: the rows do not fit the model, or some cannot be read and are to fail.
    """
    framing = framing_of(model.card)
    if framing is not None:
        return bad_series.forecasts(model, framing, table, on_error)
    if long_series.spec_of(model) is not None:
        return bad_series.answers(model, table, on_error)
    found = answers(model, table, on_error)
    return [found.table], list(found.bad)


def check_columns(model: Model, source: Source) -> pa.Table:
    """Check before Ray starts that the files hold the columns that the model reads; return about the first rows.

    Raises:
        DataFault: naming each that is missing, or a path that leads nowhere.
    """
    head = loading.peek(source.paths, source.reading, HEAD_ROWS)
    names = head.column_names
    framing = framing_of(model.card)
    if framing is not None or long_series.spec_of(model) is not None:
        return head  # their own readers name what is missing, after times and ids were read
    missing = [column for column in model.profile.used if column.name not in names]
    if missing:
        raise DataFault(
            *(
                fault
                for column in missing
                for fault in DataFault.at(
                    f"column '{column.name}'",
                    f"is missing from {', '.join(source.paths)}, expected {column.kind.value} values",
                    did_you_mean(column.name, names),
                ).faults
            )
        )
    return head


def reported(bad: Sequence[BadRow]) -> Json:
    """Return what results say of rows that could not be read: how many, and the first of them."""
    if not bad:
        return {"bad_rows": 0, "errors": []}
    return {"bad_rows": len(bad), "errors": [one.to_json() for one in bad[:MAX_NAMED]]}


@_for_new_rows()
def evaluate(
    reference: str, source: Source, storage: Storage, metric: str | None = None, tracking_uri: str | None = None
) -> Json:
    """Score a model on labelled rows: every metric of the task, each with its 95 % interval.

    A model that forecasts is scored on rolling windows after the first rows of each series, which are its history.

    Raises:
        SpecFault: no such model or metric.
        DataFault: the data has no label column, or does not fit the model.
    """
    found = resolve(reference, storage, tracking_uri)
    model = artifact.load(found.folder)
    first = metric or model.card.get("metric") or METRIC_OF[model.task]
    if model.task not in catalog.find(Shelf.METRICS, first).tasks:
        raise SpecFault.at("--metric", f"'{first}' is not for the task {model.task}", "see `assay parts metrics`")
    check_columns(model, source)
    cluster.connect(source.address)
    table = loading.load(source.paths, source.reading)
    table = long_series.as_trained(model, table)
    framing, framed = framing_of(model.card), None
    if framing is not None:
        framed = framing.judged(table)
        table = framed.table
    table, bad = readable(model, table, source.on_error)
    told = _scores(model, table, first, framed)
    seen = was_trained_on(model, source.paths, storage)
    result = {"model": title(found), "rows": table.num_rows, "metric": first, "scores": told, **reported(bad)}
    result["warnings"] = unseen_levels(model, table)
    return {**result, "data": ", ".join(source.paths), "seen_in_training": seen}


def was_trained_on(model: Model, paths: Sequence[str], storage: Storage) -> bool:
    """Whether some of these files are among those that the model's run learned from; False where its run is gone."""
    from assay.workflows.run import read_spec

    run_id = model.card.get("run")
    if run_id not in storage.runs():
        return False
    listed = read_spec(storage.open_run(str(run_id))).data.train
    known = {listed} if isinstance(listed, str) else set(listed)
    return any(str(Path(path).expanduser().absolute()) in known for path in paths)


def readable(model: Model, table: pa.Table, on_error: OnError) -> tuple[pa.Table, list[BadRow]]:
    """Return the rows that can be read, and the others; all of them where bad rows are to fail."""
    if on_error is OnError.FAIL:
        return table, []
    bad = bad_rows_of(model, table)
    return (table.take(pa.array(good_places(table.num_rows, bad))) if bad else table), bad


def _scores(model: Model, table: pa.Table, first: str, framed: Framed | None) -> Json:
    batch = model.batch(table)
    if batch.y_N is None:
        raise DataFault.at(
            f"label '{model.profile.label.name}'",
            "no column has this name",
            "evaluate needs the true labels; `assay predict` does not",
        )
    missing = batch.y_N != batch.y_N if not model.classes else batch.y_N < 0
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise DataFault.at(
            f"label '{model.profile.label.name}'",
            f"{int(missing.sum()):,} of {len(missing):,} rows are missing (first: row {row:,})",
            "drop these rows",
        )
    return scores(model, batch.y_N, model.predict_batch(batch), first, seed=0, framed=framed)
