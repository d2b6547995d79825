"""Look at what a model meets, again and again, and retrain it when the drift or the labelled score says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from assay.engines import cluster, loading
from assay.errors import AssayError, SpecFault
from assay.parts import Json
from assay.store import prediction_log
from assay.store.retrainings import ASKED, GATHERED, OUTCOME, RUN, Retraining, Retrainings
from assay.workflows import drift, models, run
from assay.workflows.new_rows import labelled_only
from assay.workflows.retrain import Asked, retrain
from assay.workflows.windows import Window

PREFIX = "watch-"  # of the ids of retrainings that a watch began


@dataclass(frozen=True)
class Look:
    """What was seen, and done about it."""

    alarms: tuple[str, ...]
    said: str
    outcome: Json | None = None

    def to_json(self) -> Json:
        """Return plain data."""
        return {"alarms": list(self.alarms), "said": self.said, "retrained": self.outcome}


def parse_every(text: str) -> float:
    """Return the seconds between two looks.

    Raises:
        SpecFault: it is no time.

    Example:
        >>> parse_every("90m")
        5400.0
    """
    span_s = Window.parse(text).span_s
    if span_s is None:
        raise SpecFault.at("--every", f"'{text}' is no time", "write 90m, 12h, 30d or 4w")
    return float(span_s)


def watch(asked: Asked, session: run.Session, every_s: float) -> Iterator[Look]:
    """Yield one look after another, for ever.

    Faults of the data and of the cluster are told and looked at again; a name that does not exist is not.

    Raises:
        SpecFault: no such model, or it cannot be retrained.
    """
    while True:
        try:
            yield look(asked, session)
        except SpecFault:
            raise
        except AssayError as error:
            yield Look((), str(error))
        time.sleep(every_s)


def look(asked: Asked, session: run.Session) -> Look:
    """Take up what an earlier watch left; else retrain when there is an alarm and enough rows that no retraining had.

    Raises:
        SpecFault, DataFault, ClusterFault, ArtifactFault: see `assay.errors`.
    """
    earlier = Retrainings(session.storage).of(asked.model)
    for one in earlier:
        if one.id.startswith(PREFIX) and one.read(OUTCOME) is None and one.read(RUN) and not one.lock().is_taken():
            done = retrain(replace(asked, submission=one.id), session)
            return Look((), f"went on with {one.id}", done)
    found, _ = drift.drift(
        asked.model, asked.data, session.storage, window=None, address=asked.address,
        declared=asked.declared, tracking_uri=asked.tracking_uri,
    )  # fmt: skip
    alarms = tuple(found["alarms"])
    if not alarms:
        return Look((), found["verdict"])
    rows = _labelled(asked, session)
    num_fresh = _fresh(rows, earlier)
    least = _least(asked, session)
    if num_fresh < least:
        said = f"{num_fresh:,} labelled rows that no retraining had; {least:,} are waited for"
        return Look(alarms, said)
    id = f"{PREFIX}{asked.model[:80]}-{len(earlier) + 1:04d}"
    return Look(alarms, "retrained", retrain(replace(asked, submission=id), session))


def _labelled(asked: Asked, session: run.Session) -> pa.Table:
    """Return the labelled rows that there are."""
    registry = models.registry(session.storage, asked.tracking_uri)
    champion = registry.version(asked.model)
    kept = run.read_spec(session.storage.open_run(champion.run))
    table: Any = asked.data
    if asked.data is None:
        log = prediction_log.read(session.storage, asked.model, champion.number)
        table = prediction_log.labelled(log, session.storage, asked.model, kept.data.label)
    elif not isinstance(asked.data, pa.Table):
        cluster.connect(asked.address)
        table = loading.load(list(asked.data), asked.declared)
    if kept.data.label not in table.column_names:
        return table.slice(0, 0)
    return labelled_only(table, kept.data.label)[0]


def _fresh(rows: pa.Table, earlier: list[Retraining]) -> int:
    """Return how many rows are newer than those of the last retraining; by their number where they have no time."""
    had = [found for one in earlier if (found := one.read(GATHERED)) is not None and one.read(ASKED) is not None]
    if not had:
        return rows.num_rows
    newest = had[-1]["newest"]
    if newest is None or prediction_log.TIME not in rows.column_names:
        return max(0, rows.num_rows - int(had[-1]["labelled"]))
    times = rows.column(prediction_log.TIME).cast(pa.string()).to_pylist()
    return sum(text > newest for text in times if text is not None)


def _least(asked: Asked, session: run.Session) -> int:
    """Return the fewest fresh rows that are worth a retraining: those of which `min_rows` judge."""
    registry = models.registry(session.storage, asked.tracking_uri)
    rule = run.read_spec(session.storage.open_run(registry.version(asked.model).run)).retrain
    return 2 * int(asked.rule.get("min_rows", rule.min_rows))
