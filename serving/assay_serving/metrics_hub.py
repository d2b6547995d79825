"""One answer of all replicas: a scrape reaches one of them, so each leaves what it counted at a place that all know.

A replica that is asked leaves its own newest count there first and answers with what lies there. Every count thus is
answered from one place and in the order in which it was made: none ever falls between two scrapes, whoever is asked.
Those of the other replicas are at most `TELL_S` old.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from assay_serving.metrics import ByReplica, Families, Metrics

log = logging.getLogger("assay_serving")
TELL_S = 2.0
FORGET_S = 15.0  # a replica that has not told for so long is gone: its series end, as Prometheus wants it
ASK_TIMEOUT_S = 5.0


class Hub:
    """What each replica told last."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._told: dict[str, tuple[int, float, Families]] = {}  # number, when it came, what

    def tell(self, replica: str, number: int, families: Families) -> None:
        """Keep what a replica counted, unless it told something newer already; numbers grow with its time."""
        now_s = self._clock_s()
        if number >= self._told.get(replica, (number, 0.0, []))[0]:
            self._told[replica] = (number, now_s, families)
        self._told = {name: told for name, told in self._told.items() if now_s - told[1] <= FORGET_S}

    def ask(self, replica: str, number: int, families: Families) -> ByReplica:
        """Keep what a replica counted and return what all did."""
        self.tell(replica, number, families)
        return {name: told[2] for name, told in sorted(self._told.items())}


class Reporter:
    """Tells the hub what a replica counted, again and again; `hub` is a handle with `tell` and `ask`."""

    def __init__(self, metrics: Metrics, replica: str, hub: Any) -> None:
        self._metrics = metrics
        self._hub = hub
        self._task: asyncio.Task[None] | None = None
        metrics.replica = replica
        metrics.gather = self._ask

    def start(self) -> None:
        """Begin, or go on, in the running loop."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._report())

    async def _report(self) -> None:
        while True:
            try:
                await self._hub.tell.remote(self._metrics.replica, time.monotonic_ns(), self._metrics.families())
            except Exception as error:  # noqa: BLE001 - the hub starts anew now and then; counting matters less than serving
                log.warning("metrics were not told (%s)", type(error).__name__)
            await asyncio.sleep(TELL_S)

    async def _ask(self, families: Families) -> ByReplica:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                told: ByReplica = await self._hub.ask.remote(self._metrics.replica, time.monotonic_ns(), families)
        except Exception as error:  # noqa: BLE001 - what this replica knows is better than nothing
            log.warning("metrics of this replica alone (%s)", type(error).__name__)
            return {self._metrics.replica: families}
        return told
