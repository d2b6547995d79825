"""What a server kept of the requests that it answered, and the true labels that came back later.

`<storage>/serving/log/<model>/<version>/date=YYYY-MM-DD/*.parquet` holds one line for each answered row: `request_id`,
`time_utc`, `row` (its place in the request), the columns of the request, and the answer. Parquet files anywhere below
`<storage>/serving/feedback/<model>/` hold `request_id`, `row` and `label`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import DataFault
from assay.store.runs import Storage

MAX_ROWS = 100_000  # the newest of a log: no test of drift needs more
TIME = "time_utc"
KEY = ("request_id", "row")  # of an answered row


def read(storage: Storage, name: str, version: int) -> pa.Table:
    """Return the newest rows that a version answered, at most MAX_ROWS, oldest file first.

    Raises:
        DataFault: there are none.
    """
    home = storage.root / "serving" / "log" / name / str(version)
    tables: list[pa.Table] = []
    for table in _tables(home, newest_first=True):
        tables.insert(0, table)
        if sum(table.num_rows for table in tables) >= MAX_ROWS:
            break
    if not tables:
        raise DataFault.at(
            f"prediction log {home}",
            "holds no rows",
            f"serve the model with its log on (docs/watching.md), or give rows: `assay drift {name} --data FILE`",
        )
    whole = pa.concat_tables(tables, promote_options="permissive")
    return whole.slice(max(0, whole.num_rows - MAX_ROWS))


def labelled(log: pa.Table, storage: Storage, name: str, label: str) -> pa.Table:
    """Return the rows of a log with the labels that came back as column `label`, null where none did.

    Of several labels for one row the one that was stored last counts. Without any the log is returned as it is.
    """
    home = storage.root / "serving" / "feedback" / name
    tables = [table.select([*KEY, "label"]) for table in _tables(home) if {*KEY, "label"} <= set(table.column_names)]
    if not tables or not set(KEY) <= set(log.column_names):
        return log
    told = pa.concat_tables(tables, promote_options="permissive")
    label_of = dict(zip(_keys(told), told.column("label").to_pylist(), strict=True))
    found = pa.array([label_of.get(key) for key in _keys(log)], told.schema.field("label").type)
    if label in log.column_names:
        log = log.drop_columns([label])
    return log.append_column(label, found) if found.null_count < len(found) else log


def _keys(table: pa.Table) -> Iterator[tuple[str, int]]:
    request_ids, rows = (
        pc.cast(table.column(name), kind) for name, kind in zip(KEY, (pa.string(), pa.int64()), strict=True)
    )
    return zip(request_ids.to_pylist(), rows.to_pylist(), strict=True)


def _tables(home: Path, newest_first: bool = False) -> Iterator[pa.Table]:
    import pyarrow.parquet as pq

    files = sorted(home.rglob("*.parquet"), key=lambda file: (file.parent, file.stat().st_mtime_ns, file.name))
    for file in reversed(files) if newest_first else files:
        try:
            table = pq.read_table(file, partitioning=None)
        except (pa.ArrowInvalid, OSError):  # being written, or cut off by a crash: the others still tell
            continue
        if table.num_rows:
            yield table
