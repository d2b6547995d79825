"""Data in memory as Arrow: frames of pandas and polars with any of their column types, and lists of Python values."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from assay.errors import DataFault, Fault, raise_all

SENTENCE_WORDS = 3.0  # mean words of texts among which a number is no level but a slip
JOINED = {"numbers", "text", "true/false"}  # sorts that stand for levels side by side
BIT = {True: "true", False: "false"}


def from_frame(data: Any) -> pa.Table:
    """Turn a DataFrame of pandas or polars, an Arrow table, batch or reader into an Arrow table.

    Categories, intervals, UUIDs and other objects of one sort become what a file of them would hold: intervals and
    UUIDs text, periods the time at their start, sparse values plain ones. Numbers among short texts become text
    ("7" beside "7a"), whole numbers beyond 64 bits text with all digits.

    Raises:
        DataFault: it is none of these, has two columns of one name, or a column holds what no file could hold; named
            by column, row and value.

    Example:
        >>> import pandas as pd
        >>> from_frame(pd.DataFrame({"bin": pd.cut([1, 5], [0, 3, 6])})).to_pydict()
        {'bin': ['(0, 3]', '(3, 6]']}
    """
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, pa.RecordBatchReader):
        return data.read_all()
    module = type(data).__module__.split(".")[0]
    if module == "polars" and (hasattr(data, "collect") or hasattr(data, "iter_columns")):
        return _from_polars(data.collect() if hasattr(data, "collect") else data)
    if module == "pandas" and hasattr(data, "columns"):
        return _from_pandas(data)
    if module in ("pandas", "polars") and type(data).__name__ == "Series":
        raise DataFault.at("data", "is a Series, which is one column", "give a DataFrame: `series.to_frame()`")
    raise DataFault.at("data", f"is a {type(data).__name__}", "give a DataFrame, an Arrow table or a Ray Dataset")


def from_values(name: str, values: Sequence[Any]) -> pa.Array:
    """Return Python values of one column as an Arrow array; None, NaN, NaT and pandas' NA are missing.

    Raises:
        DataFault: the values are of sorts that do not go together, naming the first of the rarer sort.

    Example:
        >>> from_values("code", [7, "7a", 8.0, None]).to_pylist()
        ['7', '7a', '8', None]
    """
    plain = [None if _is_missing(value) else value for value in values]
    try:
        return _whole_times(pa.array(plain), plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError, TypeError):
        pass
    sorts: dict[str, list[int]] = {}
    for row, value in enumerate(plain):
        if value is not None:
            sorts.setdefault(_sort(value), []).append(row)
    if sorts.keys() == {"numbers"}:
        return _numbers(plain)
    made = _REST.get(next(iter(sorts))) if len(sorts) == 1 else None
    if made is not None:
        return made(name, plain)
    joined = (sorts.keys() <= JOINED or sorts.keys() == {"dates", "text"}) and not _sentences(plain)
    if joined:
        return pa.array([_word(name, row, value) for row, value in enumerate(plain)], pa.string())
    raise DataFault(_mixture(name, sorts, plain))


def _whole_times(array: pa.Array, values: Sequence[Any]) -> pa.Array:
    """Return dates as times where some of them have one: Arrow cuts it off when the first value is a date."""
    if not pa.types.is_date(array.type) or not any(isinstance(value, datetime.datetime) for value in values):
        return array
    midnight = datetime.time()
    times = [
        value if value is None or isinstance(value, datetime.datetime) else datetime.datetime.combine(value, midnight)
        for value in values
    ]
    return pa.array(times, pa.timestamp("us"))


def _from_pandas(frame: Any) -> pa.Table:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise DataFault.at("data", "has two columns of one name", "give every column a name of its own")
    arrays, faults = [], list[Fault]()
    for position, name in enumerate(names):
        try:
            arrays.append(_pandas_column(name, frame.iloc[:, position]))
        except DataFault as error:
            faults += error.faults
    raise_all(DataFault, faults)
    return pa.table(arrays, names=names)


def _pandas_column(name: str, column: Any) -> pa.Array | pa.ChunkedArray:
    import pandas as pd

    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return _pandas_categories(name, column)
    if isinstance(kind, pd.SparseDtype):
        return _pandas_column(name, column.sparse.to_dense())
    if isinstance(kind, pd.PeriodDtype):
        return pa.array(column.dt.to_timestamp(how="start"), from_pandas=True)
    if isinstance(kind, pd.IntervalDtype) or str(kind) == "object":
        return from_values(name, column.tolist())
    if getattr(kind, "kind", "") == "c":
        raise DataFault.at(
            f"column '{name}'", f"holds complex numbers (first: {column.iloc[0]} in row 0)", _SPLIT_COMPLEX
        )
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, UnicodeError):
        return from_values(name, column.tolist())


def _pandas_categories(name: str, column: Any) -> pa.Array:
    categories = _pandas_column(name, column.cat.categories.to_series())
    if isinstance(categories, pa.ChunkedArray):
        categories = categories.combine_chunks()
    code_N = column.cat.codes.to_numpy()
    return categories.take(pa.array(code_N.astype(np.int64), mask=code_N < 0))


def _from_polars(frame: Any) -> pa.Table:
    arrays, faults = [], list[Fault]()
    for column in frame.iter_columns():
        try:
            arrays.append(_polars_column(column))
        except DataFault as error:
            faults += error.faults
    raise_all(DataFault, faults)
    return pa.table(arrays, names=list(frame.columns))


def _polars_column(column: Any) -> pa.Array:
    if str(column.dtype) in ("Object", "Int128", "UInt128"):
        return from_values(column.name, column.to_list())
    try:
        return column.to_arrow()
    except Exception as error:  # noqa: BLE001 - polars raises errors of its own and of pyarrow
        text = str(error).splitlines()[0][:100]
        raise DataFault.at(
            f"column '{column.name}'", f"holds {column.dtype}, which cannot be read ({text})", _DROP
        ) from None


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return type(value).__name__ in ("NAType", "NaTType")


def _sort(value: Any) -> str:
    """Return what a value is, for people; the key of `_REST` where it can be read with others of its sort."""
    if isinstance(value, bool | np.bool_):
        return "true/false"
    if isinstance(value, int | float | Decimal | np.integer | np.floating):
        return "numbers"
    if isinstance(value, complex | np.complexfloating):
        return "complex numbers"
    if isinstance(value, datetime.date):
        return "dates"
    found = {str: "text", bytes: "bytes", list: "lists", tuple: "lists", np.ndarray: "lists", dict: "structs"}
    named = next((word for kind, word in found.items() if isinstance(value, kind)), None)
    return named or type(value).__name__


def _numbers(values: Sequence[Any]) -> pa.Array:
    """Return numbers that do not fit one Arrow type: all digits of whole ones are kept."""
    whole = all(value is None or isinstance(value, int | np.integer) for value in values)
    if not whole:
        return pa.array([None if value is None else _float(value) for value in values], pa.float64())
    if all(value is None or 0 <= value < 2**64 for value in values):
        return pa.array(values, pa.uint64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _sentences(values: Sequence[Any]) -> bool:
    words = [value.count(" ") + 1 for value in values if isinstance(value, str)]
    return len(words) > 0 and sum(words) / len(words) >= SENTENCE_WORDS


def _word(name: str, row: int, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool | np.bool_):
        return BIT[bool(value)]
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float | np.floating | Decimal) and float(value).is_integer() and abs(float(value)) < 2**63:
        return str(int(value))
    return _utf8(name, row, str(value))


def _utf8(name: str, row: int, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("ascii", "backslashreplace").decode()[:60]
        found = f"holds text that is no valid Unicode (first: '{shown}' in row {row})"
        fix = f"repair it: `frame['{name}'].str.encode('utf-8', 'replace').str.decode('utf-8')`"
        raise DataFault.at(f"column '{name}'", found, fix) from None
    return text


def _texts(name: str, values: Sequence[Any]) -> pa.Array:
    found = [None if value is None else _utf8(name, row, str(value)) for row, value in enumerate(values)]
    return pa.array(found, pa.string())


def _start_times(_: str, values: Sequence[Any]) -> pa.Array:
    return pa.array([None if value is None else value.start_time.to_pydatetime() for value in values])


def _lists(name: str, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array([None if value is None else np.asarray(value).tolist() for value in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError, OverflowError):
        row = next(row for row, value in enumerate(values) if value is not None)
        found = f"holds lists of values that do not go together (first list: row {row})"
        fix = "give lists of numbers of one shape, or drop the column"
        raise DataFault.at(f"column '{name}'", found, fix) from None


def _mixture(name: str, sorts: dict[str, list[int]], values: Sequence[Any]) -> Fault:
    """Return what a column holds, with the first value of the rarest sort."""
    common, *others = sorted(sorts, key=lambda sort: -len(sorts[sort]))
    rare = min(others or [common], key=lambda sort: len(sorts[sort]))
    row: int = sorts[rare][0]
    shown = repr(values[row])
    shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
    found = f"holds {' and '.join([common, *others])} (first: {shown} in row {row})"
    if rare == "complex numbers":
        return Fault(f"column '{name}'", found, _SPLIT_COMPLEX)
    one = f"make all values {common}: " if others else ""
    fix = f"{one}`frame['{name}'] = frame['{name}'].astype(str)`" if "text" in sorts else one or _DROP
    return Fault(f"column '{name}'", found, fix.removesuffix(": "))


_SPLIT_COMPLEX = "give its real and imaginary parts as two columns"
_DROP = "turn it into numbers, text or dates, or drop the column"
_REST: dict[str, Callable[[str, Sequence[Any]], pa.Array]] = {
    "text": _texts,
    "lists": _lists,
    "UUID": _texts,
    "Interval": _texts,
    "Path": _texts,
    "PosixPath": _texts,
    "Period": _start_times,
}
