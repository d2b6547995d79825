"""A shadow is asked what the champion was asked, in a process of its own, and answers nobody: it can only be compared.

Whatever happens to it - it raises, hangs, dies, is not there - costs the champion nothing: the question is sent after
the answer was given, few are on their way at a time, and the rest is left out and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay_serving.desk import Answered, Desk
from assay_serving.settings import MAX_BATCH_ROWS, ModelRef

log = logging.getLogger("assay_serving")
MAX_ASKED = 8  # questions on their way at a time
TIMEOUT_S = 10.0
Ask = Callable[[ModelRef, bytes], Awaitable[np.ndarray]]


@dataclass
class Comparison:
    """What a shadow said beside those that answered."""

    num_asked: int = 0
    num_failed: int = 0  # no answer came: the shadow raised, died or took too long
    num_left_out: int = 0  # not asked, since others were on their way, the request was large or its answer partial
    num_rows: int = 0
    num_agreed: int = 0  # rows with the same answer
    difference_sum: float = 0.0  # of |shadow - answer|: numbers, or the largest of a row's probabilities

    def told(self) -> dict[str, Any]:
        """Return it for people, with the share of rows that agree and the mean difference."""
        rows = max(1, self.num_rows)
        means = {"agreement": self.num_agreed / rows, "mean_difference": self.difference_sum / rows}
        return {**asdict(self), **(means if self.num_rows else {})}


class Mirror:
    """Sends the shadow what was answered; hand `watch` to `Desk.watching`."""

    def __init__(self, desk: Desk, ask: Ask) -> None:
        self.compared: dict[ModelRef, Comparison] = {}
        self._desk = desk
        self._ask = ask
        self._asked: set[asyncio.Task[None]] = set()

    def watch(self, found: Answered) -> None:
        """Ask the shadow of the model that answered, if it has one."""
        plan = self._desk.routes.plans.get(found.served.ref.name)
        if plan is None or plan.shadow is None:
            return
        ref = plan.ref(plan.shadow)
        comparison = self.compared.setdefault(ref, Comparison())
        partial = found.turnout is not None and found.turnout.degraded  # no measure of the champion
        if partial or len(self._asked) >= MAX_ASKED or found.table.num_rows > MAX_BATCH_ROWS:
            comparison.num_left_out += 1
            return
        task = asyncio.create_task(self._compare(ref, comparison, found))
        self._asked.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._asked.discard)

    def told(self, ref: ModelRef) -> dict[str, Any]:
        """Return how a version compares, for people."""
        return {"version": ref.version, **self.compared.get(ref, Comparison()).told()}

    async def settled(self) -> None:
        """Return when all that were asked have answered or failed."""
        await asyncio.gather(*self._asked)

    async def _compare(self, ref: ModelRef, comparison: Comparison, found: Answered) -> None:
        comparison.num_asked += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                shadow_NK = await self._ask(ref, packed(found.table))
        except Exception as error:  # noqa: BLE001 - a shadow may fail in any way, and must never matter
            comparison.num_failed += 1
            log.warning("shadow %s/%s failed: %s", ref.name, ref.version, type(error).__name__)
            return
        champion = found.served.model
        if shadow_NK.shape != found.prediction_NK.shape:  # it knows other classes: no row can be compared
            comparison.num_failed += 1
            return
        comparison.num_rows += len(shadow_NK)
        difference_N = np.abs(shadow_NK - found.prediction_NK).max(axis=1)
        same_N = champion.answer(shadow_NK) == champion.answer(found.prediction_NK)
        comparison.num_agreed += int(same_N.sum() if champion.classes else np.isclose(difference_N, 0).sum())
        comparison.difference_sum += float(difference_N.sum())


async def answer(desk: Desk, ref: ModelRef, rows: bytes) -> np.ndarray:
    """Return prediction_NK of a version for packed rows, in the process of the shadow."""
    served = await desk.served(ref)
    with pa.ipc.open_stream(rows) as stream:
        batch, _ = served.rows(stream.read_all())
    return await desk.predict(served, batch)


def packed(table: pa.Table) -> bytes:
    """Return rows as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
