"""One type for each column of several files, whose types may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import DataFault, Fault, raise_all

MICROSECONDS = pa.timestamp("us")


@dataclass(frozen=True)
class CommonSchema:
    """The columns of all files together, and whether each file has them as they are."""

    schema: pa.Schema
    is_plain: bool = True

    def cast(self, table: pa.Table) -> pa.Table:
        """Return the rows of one file with the types of all, in the order of the first file."""
        columns = [_cast(table.column(field.name), field.type) for field in self.schema]
        return pa.table(columns, schema=self.schema)


def common_schema(schemas: Mapping[str, pa.Schema], dropped: Sequence[str], partitions: Sequence[str]) -> CommonSchema:
    """Return the types to which the columns of all files are brought.

    Dictionaries are decoded, dates become times, times with a zone UTC, whole numbers floats where one file has those.

    Raises:
        DataFault: naming each column whose types do not go together, with both files.
    """
    files = list(schemas)
    first = schemas[files[0]]
    fields, faults = [], []
    for name in first.names:
        if name in dropped:
            continue
        kind = first.field(name).type
        for file in files[1:]:
            other = schemas[file].field(name).type
            both = common_type(kind, other)
            if both is None:
                faults.append(
                    Fault(
                        f"column '{name}'",
                        f"holds {kind} in {files[0]}, {other} in {file}",
                        "write all files with one type of it",
                    )
                )
                break
            kind = both
        fields.append(pa.field(name, kind))
    raise_all(DataFault, faults)
    schema = pa.schema([*fields, *(pa.field(name, pa.string()) for name in partitions)])
    same = not dropped and not partitions and all(_is_same(one, schema) for one in schemas.values())
    return CommonSchema(schema, same)


def _is_same(schema: pa.Schema, other: pa.Schema) -> bool:
    return schema.names == other.names and all(
        schema.field(name).type == other.field(name).type for name in other.names
    )


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return a type that holds the values of both; None where there is none.

    Example:
        >>> common_type(pa.date32(), pa.timestamp("ns")), common_type(pa.int64(), pa.string())
        (TimestampType(timestamp[us]), None)
    """
    if one == other:
        return one
    one, other = _plain(one), _plain(other)
    if one == other:
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    times = [pa.types.is_timestamp(kind) or pa.types.is_date(kind) for kind in (one, other)]
    if all(times):
        zoned = any(pa.types.is_timestamp(kind) and kind.tz for kind in (one, other))
        return pa.timestamp("us", "UTC") if zoned else MICROSECONDS
    numbers = [_is_number(kind) or pa.types.is_boolean(kind) for kind in (one, other)]
    if all(numbers):
        whole = all(pa.types.is_integer(kind) or pa.types.is_boolean(kind) for kind in (one, other))
        return pa.int64() if whole and pa.uint64() not in (one, other) else pa.float64()
    try:
        both = pa.unify_schemas([pa.schema([("x", kind)]) for kind in (one, other)], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return both.field("x").type


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.cast(_plain(column.type))
    if pa.types.is_boolean(column.type) and _is_number(kind):
        return column.cast(pa.int8()).cast(kind)
    if pa.types.is_timestamp(kind) and kind.tz and not getattr(column.type, "tz", None):
        return pc.assume_timezone(column.cast(MICROSECONDS, safe=False), "UTC")
    return column.cast(kind, safe=False)


def concatenated(tables: Sequence[pa.Table], name: str) -> pa.Table:
    """Return tables of one data set below each other, whatever types their columns have.

    Raises:
        DataFault: naming each column whose types do not go together.
    """
    if all(table.schema.equals(tables[0].schema) for table in tables[1:]):
        return pa.concat_tables(tables)
    schemas = {f"block {place + 1} of {name}": table.schema for place, table in enumerate(tables)}
    common = common_schema(schemas, (), ())
    return pa.concat_tables([common.cast(table) for table in tables])
