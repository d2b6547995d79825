"""Lets requests in while what waits already can still be answered in time, and bodies while there is memory for them.

A limit on their number alone does not do: 256 requests of one row wait for a second, 256 of 20,000 rows for minutes,
and then all of them time out, those too that came when there was room.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from assay_serving.batching import Overloaded
from assay_serving.faults import RequestFault

GRACE_S = 30.0  # that any body may take to come
SLOWEST_BYTES_S = 10_000.0  # a body that comes more slowly for longer than that is not waited for
REQUEST_BYTES = 2_000  # what a request costs beside its body, as bytes of a body
MEMORY_S = 5.0  # busy seconds after which a measured pace counts for a third
FIRST_PACE = 1_000_000.0  # bytes a second, before anything was measured


class WaitingRoom:
    """Measures the pace at which bodies are answered, and refuses one that would wait longer than `max_wait_s`."""

    def __init__(self, max_wait_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._max_wait_s = max_wait_s
        self._clock_s = clock_s
        self._waiting_bytes = 0
        self._num_waiting = 0
        self._done_bytes, self._busy_s = FIRST_PACE, 1.0
        self._since_s = 0.0  # when the last request left, or the first came to an empty room

    @contextmanager
    def admitted(self, body_bytes: int) -> Iterator[None]:
        """Count a request in while the block runs.

        Raises:
            Overloaded: those before it take too long already; an empty room admits anything.
        """
        cost_bytes = REQUEST_BYTES + body_bytes
        if self._num_waiting and self.wait_s(cost_bytes) > self._max_wait_s:
            raise Overloaded
        if not self._num_waiting:
            self._since_s = self._clock_s()
        self._num_waiting += 1
        self._waiting_bytes += cost_bytes
        try:
            yield
        finally:
            self._num_waiting -= 1
            self._waiting_bytes -= cost_bytes
            self._learn(cost_bytes)

    def wait_s(self, cost_bytes: int) -> float:
        """Return the seconds after which a request that comes now would have its answer."""
        return (self._waiting_bytes + cost_bytes) * self._busy_s / self._done_bytes

    def _learn(self, cost_bytes: int) -> None:
        now_s = self._clock_s()
        spent_s, self._since_s = now_s - self._since_s, now_s
        kept = math.exp(-spent_s / MEMORY_S)  # by time, not by requests: those of one predict call leave together
        self._busy_s = self._busy_s * kept + spent_s
        self._done_bytes = self._done_bytes * kept + cost_bytes


class Arrivals:
    """Counts the bytes of bodies that are still coming, over all requests; what is only declared counts for nothing."""

    def __init__(self, max_bytes: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock_s = clock_s
        self._num_bytes = 0

    async def watched(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks of a body.

        Raises:
            Overloaded: too much is coming at once.
            RequestFault: 408, since it comes too slowly.
        """
        own_bytes, started_s = 0, self._clock_s()
        coming = aiter(chunks)
        try:
            while True:
                left_s = started_s + GRACE_S + own_bytes / SLOWEST_BYTES_S - self._clock_s()
                try:
                    async with asyncio.timeout(max(left_s, 0.0)):
                        chunk = await anext(coming)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    text = f"the body came too slowly: {own_bytes:,} bytes in {self._clock_s() - started_s:.0f} s"
                    raise RequestFault(HTTPStatus.REQUEST_TIMEOUT, text) from None
                own_bytes += len(chunk)
                self._num_bytes += len(chunk)
                if self._num_bytes > self._max_bytes:
                    raise Overloaded
                yield chunk
        finally:
            self._num_bytes -= own_bytes
