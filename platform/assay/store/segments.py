"""Rows that keep coming, as few Parquet files: each is whole at any time, and is written again while it is small.

A file for every few seconds would be thousands a day, and a file left open would be lost with its process. So the
newest rows of a writer stay in its memory and its newest file is replaced by a longer one, until it is large or old.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from assay.errors import ClusterFault
from assay.store import files

MAX_ROWS = 5_000  # of one file that may be written again: a few milliseconds
MAX_BYTES = 8 << 20
MAX_AGE = timedelta(minutes=10)
DAY = "date="  # folders of a day, in UTC


class Segments:
    """Appends rows to `home/date=YYYY-MM-DD/*.parquet`; many writers may share a home, each has files of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._since = datetime.min.replace(tzinfo=UTC)
        self._path: Path | None = None
        self._table: pa.Table | None = None  # what the newest file holds

    def append(self, table: pa.Table, now: datetime) -> None:
        """Return when the rows are on the disk, in the folder of the day that `now` (UTC) lies in.

        Raises:
            ClusterFault: they cannot be written; what was appended before stays.
        """
        goes_on = self._path is not None and self._table is not None and self._has_room(table, now)
        whole = pa.concat_tables([self._table, table]) if goes_on else table
        path = self._path if goes_on and self._path is not None else self._new_path(now)
        files.make_folder(self._home, files.PRIVATE_FOLDER)  # what people sent is for the owner alone
        files.make_folder(path.parent)
        files.write_file(path, _parquet(whole), files.PRIVATE_FILE)
        if not goes_on:
            self._since = now
        self._path, self._table = path, whole

    def _has_room(self, table: pa.Table, now: datetime) -> bool:
        assert self._table is not None
        rows, size_bytes = (getattr(self._table, what) + getattr(table, what) for what in ("num_rows", "nbytes"))
        recent = now.date() == self._since.date() and now - self._since < MAX_AGE
        return bool(recent and rows <= MAX_ROWS and size_bytes <= MAX_BYTES and self._table.schema == table.schema)

    def _new_path(self, now: datetime) -> Path:
        return self._home / f"{DAY}{now:%Y-%m-%d}" / f"{now:%H%M%S}-{secrets.token_hex(4)}.parquet"


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def prune(tree: Path, max_bytes: int, max_days: int, now: datetime) -> int:
    """Remove the oldest files below a folder until it keeps to both limits; returns how many were removed."""
    oldest = f"{DAY}{now - timedelta(days=max_days):%Y-%m-%d}"
    found = sorted(_listed(tree))
    total_bytes = sum(size_bytes for *_, size_bytes in found)
    num_removed = 0
    for day, _, file, size_bytes in found:
        if day >= oldest and total_bytes <= max_bytes:
            continue
        total_bytes -= size_bytes
        num_removed += 1
        with suppress(ClusterFault):  # another writer was faster
            files.remove_tree(file)
            files.remove_empty(file.parent)
    return num_removed


def _listed(tree: Path) -> list[tuple[str, int, Path, int]]:
    """Return day, time of the last write, path and size of each file below the folders of days."""
    found = []
    for file in tree.rglob(f"{DAY}*/*"):
        with suppress(OSError):
            told = file.lstat()
            found.append((file.parent.name, told.st_mtime_ns, file, told.st_size))
    return found
