"""New rows as they are given: files, a table, or the prediction log; and how many of them no retraining had before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from assay.engines import cluster, loading
from assay.parts import Json
from assay.store import prediction_log
from assay.store.prediction_log import KEY
from assay.store.registry import Version
from assay.store.runs import Storage
from assay.workflows.retraining.division import labelled_only

LOG = "the prediction log"
ANSWERS = "assay_"  # how columns of a log begin that hold what was answered, and no part of the request


@dataclass(frozen=True)
class Given:
    """Labelled rows, in the order of their time where the log knows it."""

    table: pa.Table
    source: str
    time: str | None  # the column that orders them, of a log
    notes: tuple[str, ...] = ()

    @property
    def newest(self) -> str | None:
        """The newest time of the rows of a log, as text that sorts; None for other rows."""
        return max(self._times(), default=None)

    def num_after(self, earlier: Json | None) -> int:
        """Return how many came after what an earlier retraining was given; by their number where they have no time."""
        num_rows = int(self.table.num_rows)
        if earlier is None:
            return num_rows
        if self.time is None or earlier["newest"] is None:
            return max(0, num_rows - int(earlier["given"]))
        return sum(text > earlier["newest"] for text in self._times())

    def to_json(self) -> Json:
        """Return what the next retraining must know of these."""
        return {"source": self.source, "given": self.table.num_rows, "newest": self.newest}

    def _times(self) -> list[str]:
        if self.time is None or self.time not in self.table.column_names:
            return []
        return [text for text in self.table.column(self.time).cast(pa.string()).to_pylist() if text is not None]


def look_for_rows(
    data: Sequence[str] | pa.Table | None, champion: Version, storage: Storage, declared: str | None = None
) -> None:
    """See that there are rows at all, before Ray is started for them.

    Raises:
        DataFault: a path leads nowhere or cannot be read, or the log is empty.
    """
    if data is None:
        prediction_log.read(storage, champion.name, champion.number)
    elif not isinstance(data, pa.Table):
        loading.peek(data, declared, 1)


def given_rows(
    data: Sequence[str] | pa.Table | None,
    champion: Version,
    label: str,
    storage: Storage,
    declared: str | None = None,
    address: str | None = None,
) -> Given:
    """Return the labelled rows of paths or a table; of the champion's prediction log, with the labels that came back.

    Raises:
        DataFault: they cannot be read, there are none, or no column is the label.
    """
    source, time = LOG, prediction_log.TIME if data is None else None
    if data is None:
        log = prediction_log.read(storage, champion.name, champion.number)
        table = prediction_log.labelled(log, storage, champion.name, label)
        table = table.drop_columns([name for name in table.column_names if name in KEY or name.startswith(ANSWERS)])
    elif isinstance(data, pa.Table):
        table, source = data, "memory"
    else:
        cluster.connect(address)
        table, source = loading.load(list(data), declared), ", ".join(data)
    table, notes = labelled_only(table, label)
    return Given(table, source, time, tuple(notes))
