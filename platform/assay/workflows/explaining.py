"""Explanations of the rows of files: contributions that add up to each answer, as JSON and as one long table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay.engines import cluster, loading
from assay.errors import SpecFault
from assay.explaining.explanation import EVALUATIONS, FEWEST_EVALUATIONS, MOST_EVALUATIONS, Explainer
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
        table = loading.peek(data, declared, "error", num_rows)
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
    if explainer.framing is not None:
        framed = explainer.framing.future(table)
        framed = taken(framed, np.arange(min(num_rows, framed.table.num_rows)))
        rows = framed.table.drop_columns([explainer.framing.label])
        found = explainer.rows(rows, model.batch(rows), framed)
    else:
        rows = long_series.as_trained(model, table).slice(0, num_rows)
        rows = rows.select([name for name in rows.column_names if name != model.profile.label.name])
        found = explainer.rows(rows, model.batch(rows))
    return [explainer.explained(row, place, evaluations).to_json() for row in found]


def long_table(explanations: Sequence[Json]) -> pa.Table:
    """Return a row for each contribution: `row`, the answer, `column`, `column_value`, `contribution` and its error.

    Values of columns are text, since columns differ. A forecast has columns for its series and time beside `row`.
    """
    records = [
        {
            "row": row,
            **one.get("at", {}),
            **{name: one[name] for name in ("prediction", "of", "scale", "base", "value")},
            "column": part["column"],
            "column_value": _text(part["value"]),
            **{name: part[name] for name in ("contribution", "standard_error")},
        }
        for row, one in enumerate(explanations)
        for part in one["contributions"]
    ]
    return pa.Table.from_pylist(records)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
