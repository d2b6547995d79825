"""Rows as people hold them - dicts, pandas, polars, Arrow - to what JSON can say. None of these is imported here."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


def to_rows(rows: Any) -> list[Row]:
    """Return one dict per row, of values that JSON has; missing values of any library become None.

    `rows` is a dict (one row), a list of dicts, a pandas or polars DataFrame, an Arrow table or record batch. Dates
    become ISO 8601, bytes base64 (images), arrays lists.

    Raises:
        TypeError: it is none of these, or holds values that JSON has no form for.
        ValueError: a number is infinite.

    Example:
        >>> to_rows({"age": float("nan"), "city": "Rome"})
        [{'age': None, 'city': 'Rome'}]
    """
    return [
        {str(name): _plain(value, f"row {place}, column '{name}'") for name, value in row.items()}
        for place, row in enumerate(_dicts(rows))
    ]


def _dicts(rows: Any) -> Sequence[Mapping[Any, Any]]:
    if isinstance(rows, Mapping):
        return [rows]
    found: Any = rows
    if hasattr(rows, "to_pylist"):  # Arrow
        found = rows.to_pylist()
    elif hasattr(rows, "to_dicts"):  # polars
        found = rows.to_dicts()
    elif hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        found = rows.to_dict("records")
    if not isinstance(found, list | tuple) or not all(isinstance(row, Mapping) for row in found):
        name = type(rows).__name__
        raise TypeError(f"rows are a {name}; give a dict, a list of dicts, a DataFrame or an Arrow table")
    return found


def _plain(value: Any, place: str) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isinf(value):
                raise ValueError(f"{place}: is infinite, which JSON cannot say; send a number or None")
            return None if math.isnan(value) else float(value)
        case _ if _is_missing(value):
            return None
        case datetime() | date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Decimal():
            return _plain(float(value), place)
        case list() | tuple():
            return [_plain(inner, place) for inner in value]
        case _ if hasattr(value, "tolist"):  # numpy: scalars and arrays
            return _plain(value.tolist(), place)
    raise TypeError(f"{place}: a {type(value).__name__} has no form in JSON")


def _is_missing(value: Any) -> bool:
    """Whether it is pandas' NaT or NA, which are not equal to themselves, or do not say."""
    return type(value).__name__ in ("NaTType", "NAType")
