"""Look at what a model meets, again and again, and retrain it when the drift or the labelled score says so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assay.errors import AssayError, SpecFault
from assay.parts import Json
from assay.store.retrainings import GATHERED, OUTCOME, RUN, Retraining, Retrainings
from assay.workflows import drift, models, run
from assay.workflows.retraining.given import given_rows
from assay.workflows.retraining.retrain import Asked, retrain, rule_of
from assay.workflows.retraining.rows import earlier_of
from assay.workflows.windows import lifetime

PREFIX = "watch-"  # of the ids of retrainings that a watch began


@dataclass(frozen=True)
class Look:
    """What was seen, and what was done about it."""

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
    return lifetime(text, "--every").total_seconds()


def watch(asked: Asked, session: run.Session, every_s: float) -> Iterator[Look]:
    """Yield one look after another, for ever.

    What the data, the cluster or an artifact is at fault for is told, and looked at again later.

    Raises:
        SpecFault: there is no such model, or it cannot be retrained.
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
    """Go on with what an earlier watch left; else retrain, where there is an alarm and enough rows are new.

    Rows are new that came after those of the last retraining, promoted or not: the same rows are not judged by twice.

    Raises:
        SpecFault, DataFault, ClusterFault, ArtifactFault: see `assay.errors`.
    """
    earlier = Retrainings(session.storage).of(asked.model)
    for left in filter(_was_left, earlier):
        done = retrain(replace(asked, submission=left.id), session)
        return Look((), f"went on with {left.id}", done)
    champion = models.registry(session.storage, asked.tracking_uri).version(asked.model)
    experiment = run.read_spec(session.storage.open_run(champion.run))
    found, _ = drift.drift(
        asked.model, asked.data, session.storage,
        address=asked.address, declared=asked.declared, tracking_uri=asked.tracking_uri,
    )  # fmt: skip
    alarms = tuple(found["alarms"])
    if not alarms:
        return Look((), found["verdict"])
    given = given_rows(asked.data, champion, experiment.data.label, session.storage, asked.declared, asked.address)
    num_new, least = given.num_after(earlier_of(earlier, given.source)), 2 * rule_of(experiment, asked).min_rows
    if num_new < least:
        return Look(alarms, f"{num_new:,} labelled rows that no retraining had yet; {least:,} are waited for")
    id = f"{PREFIX}{asked.model[:80]}-{len(earlier) + 1:04d}"
    return Look(alarms, "retrained", retrain(replace(asked, submission=id), session))


def _was_left(one: Retraining) -> bool:
    """Whether a watch began this and nobody is at it."""
    begun = one.id.startswith(PREFIX) and one.read(OUTCOME) is None
    return begun and (one.read(RUN) or one.read(GATHERED)) is not None and not one.lock().is_taken()
