"""What a server kept of the requests that it answered, and the true labels that came back later.

`<storage>/serving/log/<model>/<version>/date=YYYY-MM-DD/*.parquet` holds one line for each answered row: `request_id`,
`time_utc`, `row` (its place in the request), the columns of the request, and the answer: `assay_role` of the version
that gave it, `assay_answer` and for classes `assay_probability`, in the order of the model's classes. Parquet files
anywhere below `<storage>/serving/feedback/<model>/` hold `request_id`, `row` and `label`. A server writes both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import DataFault
from assay.store.runs import Storage

MAX_ROWS = 100_000  # the newest of a log: no test of drift needs more
REQUEST_ID, TIME, ROW = "request_id", "time_utc", "row"
ROLE, ANSWER, PROBABILITY = "assay_role", "assay_answer", "assay_probability"
OURS = frozenset({REQUEST_ID, TIME, ROW, ROLE, ANSWER, PROBABILITY})  # no column of a request is kept under these names
KEY = (REQUEST_ID, ROW)  # of an answered row


def log_home(root: Path, name: str, version: str) -> Path:
    """Return the folder in which the answers of a version are kept; `root` is the storage."""
    return root / "serving" / "log" / name / version


def feedback_home(root: Path, name: str) -> Path:
    """Return the folder in which the labels of a model's answers are kept."""
    return root / "serving" / "feedback" / name


def trees(root: Path) -> tuple[Path, Path]:
    """Return the folders of all logs and of all labels."""
    return root / "serving" / "log", root / "serving" / "feedback"


def read(storage: Storage, name: str, version: int) -> pa.Table:
    """Return the newest rows that a version answered, at most MAX_ROWS, oldest file first.

    Raises:
        DataFault: there are none.
    """
    home = log_home(storage.root, name, str(version))
    tables: list[pa.Table] = []
    for table in _tables(home, newest_first=True):
        tables.insert(0, table)
        if sum(table.num_rows for table in tables) >= MAX_ROWS:
            break
    if not tables:
        raise DataFault.at(
            f"prediction log {home}",
            "holds no rows",
            f"keep them with `assay serve {name} --log 100%`, or give rows with --data FILE",
        )
    whole = pa.concat_tables(tables, promote_options="permissive")
    return whole.slice(max(0, whole.num_rows - MAX_ROWS))


def labelled(log: pa.Table, storage: Storage, name: str, label: str) -> pa.Table:
    """Return the rows of a log with the labels that came back as column `label`, null where none did.

    Of several labels for one row the one that was stored last counts. Without any the log is returned as it is.
    """
    home = feedback_home(storage.root, name)
    tables = [table.select([*KEY, "label"]) for table in _tables(home) if {*KEY, "label"} <= set(table.column_names)]
    if not tables or not set(KEY) <= set(log.column_names):
        return log
    told = pa.concat_tables(tables, promote_options="permissive")
    label_of = dict(zip(_keys(told), told.column("label").to_pylist(), strict=True))
    found = pa.array([label_of.get(key) for key in _keys(log)], told.schema.field("label").type)
    if label in log.column_names:
        log = log.drop_columns([label])
    return log.append_column(label, found) if found.null_count < len(found) else log


def said(log: pa.Table, classes: Sequence[str]) -> np.ndarray | None:
    """Return prediction_NK as the server said it; None where the lines do not tell it for all rows."""
    name = PROBABILITY if classes else ANSWER
    if name not in log.column_names or log.column(name).null_count:
        return None
    column = log.column(name).combine_chunks()
    if not classes:
        return np.asarray(column, np.float64)[:, None] if pa.types.is_floating(column.type) else None
    flat_N = np.asarray(column.flatten(), np.float64)
    return flat_N.reshape(-1, len(classes)) if len(flat_N) == log.num_rows * len(classes) else None


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
