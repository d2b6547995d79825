"""The columns of a model as JSON Schema: what a value may be, with an example from training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.profile import ColumnProfile
from assay.vocabulary import ColumnKind
from assay_serving.openapi.route import FLAG, NUMBER, TEXT, Json
from assay_serving.served import Served

# What is in range for a float of 64 bits; a whole number beyond it is refused.
FINITE: Json = {**NUMBER, "minimum": -1.7e308, "maximum": 1.7e308}
DAY = r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
ISO_TIME: Json = {**TEXT, "pattern": rf"^{DAY}([T ]{TIME}Z?)?$"}
PIXELS: Json = {"type": "array", "minItems": 1}


def value(column: ColumnProfile) -> Json:
    """Return the schema of one value of a column, as JSON has it; most may be null."""
    match column.kind:
        case ColumnKind.NUMERIC:
            found = FINITE
        case ColumnKind.BOOLEAN:
            found = FLAG
        case ColumnKind.DATETIME:
            found = ISO_TIME
        case ColumnKind.IMAGE:
            return TEXT
        case ColumnKind.SERIES:
            return {"type": "array", "items": {"type": "array", "items": FINITE}, "minItems": 1}
        case _:
            found = TEXT
    return {**found, "type": [found["type"], "null"]}


def row(columns: Sequence[ColumnProfile]) -> Json:
    """Return the schema of a row by the names of its columns; others may be there and are not read."""
    return {
        "type": "object",
        "properties": {column.name: _described(column) for column in columns},
        "required": [column.name for column in columns],
        "additionalProperties": True,
    }


def cells(columns: Sequence[ColumnProfile]) -> Json:
    """Return the schema of a row as a list, in the order of the columns."""
    return {
        "type": "array",
        "prefixItems": [_described(column) for column in columns],
        "minItems": len(columns),
        "maxItems": len(columns),
    }


def _described(column: ColumnProfile) -> Json:
    known: list[Any] = []
    if column.levels:
        known.append("in training: " + ", ".join(column.levels[:8]) + (", …" if len(column.levels) > 8 else ""))
    if column.low is not None and column.kind is ColumnKind.NUMERIC:
        known.append(f"in training: {column.low:g} to {column.high:g}")
    return {**value(column), "description": "; ".join([column.kind.value, *known])}


def columns_of(served: Served) -> tuple[ColumnProfile, ...]:
    """Return the columns of a request."""
    return served.asks.used
