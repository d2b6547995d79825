"""Parquet files, one or many."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from assay.errors import AssayError, DataFault, Fault, raise_all
from assay.notices import notice
from assay.parts import Source
from assay.sources import _hive
from assay.sources._layout import once_each
from assay.sources._paths import everywhere, expand
from assay.sources._types import CommonSchema, common_schema

BATCH_ROWS = 65_536
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


class Parquet(Source):
    """Reads through Ray Data, one block a file; the footers are checked first, so a fault names its file.

    Example:
        >>> Parquet().endings
        ('.parquet', '.pq')
    """

    endings = (".parquet", ".pq")

    def read(self, paths: Sequence[str]) -> Any:
        import ray.data

        files, common = _planned(everywhere(expand(paths, self.endings)))
        if common.is_plain and not _hive.names(files):
            return ray.data.read_parquet(files, override_num_blocks=len(files), file_extensions=None, partitioning=None)

        def rows_of(batch: dict[str, Any]) -> Iterator[pa.Table]:
            for file in batch["item"]:
                yield from _tables(str(file), common, BATCH_ROWS)

        listed = ray.data.from_items(list(files), override_num_blocks=len(files))
        return listed.map_batches(rows_of, batch_size=1)

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        files, common = _planned(expand(paths, self.endings))
        tables, seen = [], 0
        for file in files:
            for table in _tables(file, common, num_rows):
                tables.append(table)
                seen += table.num_rows
                if seen >= num_rows:
                    return pa.concat_tables(tables)
        return pa.concat_tables(tables)


def _planned(files: Sequence[str]) -> tuple[list[str], CommonSchema]:
    """Return the files that have rows, and how their columns are brought together.

    Raises:
        DataFault: no file has rows, or they are not of one table.
    """
    schemas: dict[str, pa.Schema] = {}
    for file in files:
        schema, num_rows = _footer(file)
        if num_rows:
            schemas[file] = schema
        elif len(files) > 1:
            notice(f"{file}: has no rows and is passed over")
    if not schemas:
        raise _no_rows(files[0])
    first = next(iter(schemas))
    names = schemas[first].names
    faults = [
        Fault(
            file,
            f"has other columns than {first}: {sorted(set(names) ^ set(schema.names))[:5]}",
            "give files of one table",
        )
        for file, schema in schemas.items()
        if set(schema.names) != set(names)
    ]
    raise_all(DataFault, faults)
    dropped = [name for name in _index_columns(schemas[first]) if UNNAMED_INDEX.fullmatch(name)]
    for name in dropped:
        notice(f"{first}: column {name!r} is the index that pandas wrote; it is left out")
    partitions = [name for name in _hive.names(list(schemas)) if name not in names]
    return list(schemas), common_schema(schemas, dropped, partitions)


def _index_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that pandas wrote as the index of a frame, by what it says in the footer."""
    content = (schema.metadata or {}).get(b"pandas")
    if content is None:
        return []
    try:
        listed = json.loads(content).get("index_columns", [])
    except (ValueError, AttributeError):
        return []
    return [name for name in listed if isinstance(name, str) and name in schema.names]


def _tables(file: str, common: CommonSchema, batch_rows: int) -> Iterator[pa.Table]:
    try:
        with _open(file) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(batch_size=batch_rows):
                table = pa.Table.from_batches([batch])
                table = table.rename_columns(once_each(file, table.column_names))
                yield common.cast(_hive.with_partitions(table, file, common.schema.names))
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(file, error) from None


def _footer(file: str) -> tuple[pa.Schema, int]:
    try:
        with _open(file) as stream:
            footer = pq.ParquetFile(stream)
            schema, num_rows = footer.schema_arrow, footer.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise _broken(file, error) from None
    names = once_each(file, schema.names)
    return pa.schema(
        [field.with_name(name) for field, name in zip(schema, names, strict=True)], schema.metadata
    ), num_rows


def _broken(file: str, error: Exception) -> AssayError:
    text = str(error).split("\n")[0][:200]
    fix = "write it again, or name its real format in data.format"
    return DataFault.at(file, f"is not a Parquet file ({text})", fix)


def _no_rows(file: str) -> AssayError:
    return DataFault.at(file, "has no rows", "give a file with rows")


def _open(file: str) -> Any:
    if "://" in file:
        file_system, path = pafs.FileSystem.from_uri(file)
        return file_system.open_input_file(path)
    return pafs.LocalFileSystem().open_input_file(file)
