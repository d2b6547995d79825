"""Columns that stand in the path of a file, as Hive and Spark write them: `year=2024/part-0.parquet`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from urllib.parse import unquote

import pyarrow as pa

_PART = re.compile(r"([^=/\\]+)=([^/\\]*)\Z")
MISSING = "__HIVE_DEFAULT_PARTITION__"


def partitions(file: str) -> dict[str, str]:
    """Return the columns in the path of a file.

    Example:
        >>> partitions("sales/year=2024/month=01/part-0.csv")
        {'year': '2024', 'month': '01'}
    """
    folders = posixpath.dirname(file.replace("\\", "/")).split("/")
    return {found[1]: unquote(found[2]) for folder in folders if (found := _PART.match(folder))}


def names(files: Sequence[str]) -> list[str]:
    """Return the columns that the paths of all files have."""
    found = [partitions(file) for file in files]
    return [name for name in (found[0] if found else {}) if all(name in one for one in found)]


def with_partitions(table: pa.Table, file: str, columns: Sequence[str]) -> pa.Table:
    """Return the rows of a file with the columns of its path that are among `columns` and not in the file."""
    for name, value in partitions(file).items():
        if name in columns and name not in table.column_names:
            text = None if value == MISSING else value
            table = table.append_column(name, pa.array([text] * table.num_rows, pa.string()))
    return table
