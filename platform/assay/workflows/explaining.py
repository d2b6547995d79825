"""Explanations of the rows of files: contributions that add up to each answer, as JSON and as one long table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.engines import cluster, loading
from assay.errors import SpecFault
from assay.explaining.explanation import EVALUATIONS, FEWEST_EVALUATIONS, MOST_EVALUATIONS, Explainer
from assay.explaining.rows import Row
from assay.forecasting.framing import taken
from assay.model import Model
from assay.parts import Json
from assay.store import artifact, tables
from assay.store.runs import Storage
from assay.workflows import long_series, models


def explain(
    reference: str | Model,
    data: Sequence[str] | pa.Table,
    storage: Storage,
    *,
    num_rows: int,
    of: str | None = None,
    evaluations: int | None = None,
    out: Path | None = None,
    address: str | None = None,
    declared: str | None = None,
    tracking_uri: str | None = None,
) -> Json:
    """Explain the first rows of files, or of a table; returns what `assay explain --json` prints.

    `out` names a file to write the contributions to, a row for each. A model that forecasts reads the whole history of
    each series, and its rows are those to come.

    Raises:
        SpecFault: no such model or class, or the ending of `out` tells no format.
        DataFault: the data cannot be read or does not fit the model.
    """
    if out is not None:
        tables.check_ending(out)
    evaluations = EVALUATIONS if evaluations is None else evaluations
    if not FEWEST_EVALUATIONS <= evaluations <= MOST_EVALUATIONS:
        found = f"{evaluations:,} are too {'few' if evaluations < FEWEST_EVALUATIONS else 'many'}"
        raise SpecFault.at("evaluations", found, f"take {FEWEST_EVALUATIONS} to {MOST_EVALUATIONS:,}")
    title, model = _model(reference, storage, tracking_uri)
    whole = Explainer(model).framing is not None or long_series.spec_of(model) is not None
    if isinstance(data, pa.Table):
        table = data
    elif whole:
        cluster.connect(address)
        table = loading.load(data, declared)
    else:  # a few rows are read at once, without Ray
        table = loading.peek(data, declared, num_rows)
    explanations = explained(model, table, num_rows, of, evaluations)
    told: Json = {"model": title, "rows": len(explanations), "explanations": explanations}
    if out is not None:
        tables.write(out, [long_table(explanations)])
        told["out"] = str(out)
    return told


def _model(reference: str | Model, storage: Storage, tracking_uri: str | None) -> tuple[str, Model]:
    if isinstance(reference, Model):
        return "", reference
    resolved = models.resolve(reference, storage, tracking_uri)
    return models.title(resolved), artifact.load(resolved.folder)


def explained(
    model: Model, table: pa.Table, num_rows: int, of: str | None = None, evaluations: int = EVALUATIONS
) -> list[Json]:
    """Return the explanations of the first rows of a table, as JSON; of a forecast, of the first rows to come.

    Raises:
        SpecFault: the model knows no such class.
        DataFault: the rows do not fit the model.
    """
    explainer = Explainer(model)
    place = explainer.explained_class(of)
    found = _rows(explainer, table, num_rows)
    return [explainer.explained(row, place, evaluations).to_json() for row in found]


def _rows(explainer: Explainer, table: pa.Table, num_rows: int) -> list[Row]:
    model, framing = explainer.model, explainer.framing
    label, spec = model.profile.label.name, long_series.spec_of(model)
    if framing is not None:
        framed = framing.future(table)
        framed = taken(framed, np.arange(min(num_rows, framed.table.num_rows)))
        rows = framed.table.drop_columns([framing.label])
        return explainer.rows(rows, model.batch(rows), framed)
    ids: Sequence[str] = ()
    if spec is not None:
        joined = long_series.joined(table, spec, label)
        table, ids = joined.table, joined.ids
    table = table.slice(0, num_rows).select([name for name in table.column_names if name != label])
    found = explainer.rows(table, model.batch(table))
    if spec is None:
        return found
    return [replace(row, at={spec.id: name}) for row, name in zip(found, ids, strict=False)]


def long_table(explanations: Sequence[Json]) -> pa.Table:
    """Return a row for each contribution: `row`, the answer, `column`, `column_value`, `contribution` and its error.

    Values of columns are text, since columns differ. The series and time of a forecast, or the id of a series of a long
    table, have columns of their own.
    """
    records = [
        {"row": row}
        | {name if name not in COLUMNS else f"{name}_": value for name, value in one.get("at", {}).items()}
        | {name: one[name] for name in ANSWER}
        | {"column": part["column"], "column_value": _text(part["value"])}
        | {name: part[name] for name in ("contribution", "standard_error")}
        for row, one in enumerate(explanations)
        for part in one["contributions"]
    ]
    return pa.Table.from_pylist(records) if records else pa.table({name: pa.array([], pa.null()) for name in COLUMNS})


ANSWER = ("prediction", "of", "scale", "base", "value")
COLUMNS = ("row", *ANSWER, "column", "column_value", "contribution", "standard_error")


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
