"""Joins requests that wait at the same time into one call, without ever making a request wait for others to come.

A batch is whatever arrived while the call before it ran. An idle server answers a lone request at once; a busy one
joins more requests the busier it is. Ray Serve's own `serve.batch` cannot do this: it closes a batch before the call
ahead of it has ended, so it either waits a fixed time for company or makes batches of one.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeVar

Group = TypeVar("Group")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(Exception):
    """So many requests wait already that one more would only time out."""


@dataclass(frozen=True)
class _Waiting(Generic[Group, Item, Result]):
    group: Group
    item: Item
    size: int
    answer: asyncio.Future[Result]


class Batcher(Generic[Group, Item, Result]):
    """Runs `call(group, items)` in `executor`, one call at a time, for items of one group that wait together.

    `call` returns one result per item, in order. When a joined call fails, its items are called again one by one, so
    that an item which breaks the call breaks no other. A call that `is_brief(group, size)` runs in the event loop: it
    is over sooner than a thread wakes up.
    """

    def __init__(
        self,
        call: Callable[[Group, Sequence[Item]], Sequence[Result]],
        executor: Executor,
        *,
        max_items: int,
        max_size: int,
        max_waiting: int,
        is_brief: Callable[[Group, int], bool] = lambda *_: False,
    ) -> None:
        self._call = call
        self._is_brief = is_brief
        self._executor = executor
        self._max_items = max_items
        self._max_size = max_size
        self._max_waiting = max_waiting
        self._queue: deque[_Waiting[Group, Item, Result]] = deque()
        self._drain_task: asyncio.Task[None] | None = None
        self._started_s: float | None = None

    def admit(self) -> None:
        """Return when one more item may wait.

        Raises:
            Overloaded: the queue is full.
        """
        if len(self._queue) >= self._max_waiting:
            raise Overloaded

    @property
    def num_waiting(self) -> int:
        """Items in the queue."""
        return len(self._queue)

    @property
    def busy_s(self) -> float:
        """Seconds that the call now running has taken; 0 when none runs."""
        return 0.0 if self._started_s is None else time.monotonic() - self._started_s

    async def submit(self, group: Group, item: Item, size: int) -> Result:
        """Return the result for one item, whose cost is `size`; cancelling takes it out of the queue.

        Raises:
            Overloaded: the queue is full.
        """
        self.admit()
        waiting = _Waiting[Group, Item, Result](group, item, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._drain_task is None or self._drain_task.done():
            self._drain_task = asyncio.create_task(self._drain())
        return await waiting.answer

    async def _drain(self) -> None:
        while self._queue:
            batch = self._next_batch()
            if batch and not await self._run(batch):
                for waiting in batch:
                    await self._run([waiting])

    def _next_batch(self) -> list[_Waiting[Group, Item, Result]]:
        batch: list[_Waiting[Group, Item, Result]] = []
        size = 0
        while self._queue and len(batch) < self._max_items:
            head = self._queue[0]
            if batch and (head.group is not batch[0].group or size + head.size > self._max_size):
                break
            self._queue.popleft()
            if not head.answer.done():  # its client gave up
                batch.append(head)
                size += head.size
        return batch

    async def _run(self, batch: Sequence[_Waiting[Group, Item, Result]]) -> bool:
        """Give every item its answer, or return False when a joined call failed and nobody knows by whose fault."""
        call = await self._called(batch)
        error = call.exception()
        if error is not None and len(batch) > 1:
            return False
        for position, waiting in enumerate(batch):
            if waiting.answer.done():
                continue
            if error is not None:
                waiting.answer.set_exception(error)
            else:
                waiting.answer.set_result(call.result()[position])
        return True

    async def _called(self, batch: Sequence[_Waiting[Group, Item, Result]]) -> Future[Sequence[Result]]:
        """Return the call when it has ended, in a thread or here."""
        group, items = batch[0].group, [waiting.item for waiting in batch]
        if self._is_brief(group, sum(waiting.size for waiting in batch)):
            call: Future[Sequence[Result]] = Future()
            try:
                call.set_result(self._call(group, items))
            except Exception as error:  # noqa: BLE001 - told to those who wait, as a thread would
                call.set_exception(error)
            return call
        self._started_s = time.monotonic()
        call = self._executor.submit(self._call, group, items)
        ended = asyncio.wrap_future(call)
        await asyncio.wait([ended])
        ended.exception()  # looked at, or asyncio writes every refused row into the log
        self._started_s = None
        return call
