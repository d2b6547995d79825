"""Parquet files, one or many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from assay.errors import DataFault, Fault, raise_all
from assay.parts import Source
from assay.sources._paths import everywhere, expand


class Parquet(Source):
    """Reads through Ray Data, one block a file; the footers are checked first, so a fault names its file.

    Example:
        >>> Parquet().endings
        ('.parquet', '.pq')
    """

    endings = (".parquet", ".pq")

    def read(self, paths: Sequence[str]) -> Any:
        import ray.data

        files = expand(paths, self.endings)
        first = _schema(files[0])
        faults = [
            Fault(
                file,
                f"has other columns than {files[0]}: {sorted(set(first.names) ^ set(names))[:5]}",
                "give files of one table",
            )
            for file in files[1:]
            if (names := _schema(file).names) != first.names
        ]
        raise_all(DataFault, faults)
        return ray.data.read_parquet(everywhere(files), override_num_blocks=len(files), file_extensions=None)

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        file = expand(paths, self.endings)[0]
        _schema(file)
        with _open(file) as stream:
            batches = pq.ParquetFile(stream).iter_batches(batch_size=num_rows)
            return pa.Table.from_batches([next(batches)])


def _schema(file: str) -> pa.Schema:
    try:
        with _open(file) as stream:
            footer = pq.ParquetFile(stream)
            schema, num_rows = footer.schema_arrow, footer.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        text = str(error).split("\n")[0][:200]
        raise DataFault.at(
            file, f"is not a Parquet file ({text})", "write it again, or name its real format in data.format"
        ) from None
    if num_rows == 0:
        raise DataFault.at(file, "has no rows", "give a file with rows")
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise DataFault.at(file, f"has two columns named '{twice[0]}'", "give every column a name of its own")
    return schema


def _open(file: str) -> Any:
    if "://" in file:
        file_system, path = pafs.FileSystem.from_uri(file)
        return file_system.open_input_file(path)
    return pafs.LocalFileSystem().open_input_file(file)
