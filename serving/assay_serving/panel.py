"""Asks the processes that hold the members of a model, and waits for none of them longer than a late one is worth.

A process is waited for until a deadline that counts from the question, or twice as long as the first answer took: many
rows are slow for all, and then nobody is late. One that dies is not waited for from then on, nor one that is late three
times in a row. It is asked beside the requests, twice a second, until it answers as fast as it must; then it belongs to
the panel again. So a dead member costs one request the time to notice it, a hanging one three deadlines, and the other
requests nothing. (A fixed pause instead of questions would keep a healthy member out, or pay for a dead one again.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import numpy as np

from assay.batch import Batch
from assay.errors import ArtifactFault, AssayError
from assay_serving.settings import REQUEST_TIMEOUT_S, ModelRef

log = logging.getLogger("assay_serving")
LATE_IN_A_ROW = 3
AGAIN_S = 0.5  # between questions to a process that is not waited for
SILENCE_S = REQUEST_TIMEOUT_S * 2 / 3  # after which nobody is waited for, though not one has answered
LOAD_TIMEOUT_S = 100.0  # a loaded machine takes half a minute to start a process

Said = Mapping[int, np.ndarray]  # prediction_NK by the place of the member in its model
Ask = Callable[[int, ModelRef, Batch], Awaitable[Said]]  # the process by its number
Load = Callable[[int, ModelRef], Awaitable[Any]]
Question = Callable[[], Awaitable[Any]]


class Gone(Exception):
    """A process died, or there is none: what an `Ask` raises."""


class Panel:
    """The processes that hold members, each with its number, as one replica of the server sees them."""

    def __init__(self, ask: Ask, load: Load, deadline_s: float) -> None:
        self._ask = ask
        self._load = load
        self._deadline_s = self._allowed_s = deadline_s
        self._late: Counter[int] = Counter()  # in a row, by process
        self._failing: set[int] = set()  # processes that answered last with an exception, which was logged once
        self._out: dict[int, Question] = {}  # processes that are not waited for, and what they are asked meanwhile
        self._returning: set[asyncio.Task[None]] = set()

    @property
    def out(self) -> frozenset[int]:
        """The processes that are not waited for."""
        return frozenset(self._out)

    async def load(self, ref: ModelRef, processes: Collection[int]) -> None:
        """Return when the processes hold their members of a version; those that are dead or hang load theirs later.

        Raises:
            ArtifactFault: one refuses it, or none has it in time.
        """
        there = [number for number in processes if number not in self._out] or processes
        asked = {number: asyncio.ensure_future(self._load(number, ref)) for number in there}
        await asyncio.wait(asked.values(), timeout=LOAD_TIMEOUT_S)
        refused = [error for task in asked.values() if isinstance(error := _error(task), AssayError)]
        if refused:
            raise refused[0]
        slow = [number for number, task in asked.items() if not task.done() or _error(task)]
        for number in slow:
            asked[number].cancel()
        if len(slow) == len(asked):
            text = f"was loaded by none of its {len(asked)} member processes within {LOAD_TIMEOUT_S:.0f} s"
            raise ArtifactFault.at(f"model {ref.name}/{ref.version}", text, "look at `serve status`")
        for number in slow:
            self._leave(number, lambda number=number: self._load(number, ref))  # type: ignore[misc]

    async def said(self, ref: ModelRef, batch: Batch, processes: Collection[int]) -> dict[int, np.ndarray]:
        """Return what the members say that answer in time; nothing when none does.

        Raises:
            Exception: what a member raised, when no other answered.
        """
        questions = {number: self._question(number, ref, batch) for number in processes}
        for number in self.out & set(questions):
            self._out[number] = questions[number]
        asked: dict[asyncio.Future[Said], int] = {
            asyncio.ensure_future(question()): number
            for number, question in questions.items()
            if number not in self._out
        }
        try:
            silent = await self._in_time(asked)
        finally:
            for task in asked:
                task.cancel()  # nobody waits for it any more
        missing = {number for task, number in asked.items() if number in silent or isinstance(_error(task), Gone)}
        said: dict[int, np.ndarray] = {}
        failed: list[BaseException] = []
        for task, number in asked.items():
            if number in missing:  # when all are, some were waited for long: not a second time
                self._missed(number, questions[number], at_once=number not in silent or len(missing) == len(asked))
                continue
            self._late[number] = 0
            error = _error(task)
            if error is None:
                self._failing.discard(number)
                said |= task.result()
                continue
            failed.append(error)
            if number not in self._failing:
                self._failing.add(number)
                log.error("members of %s/%s in process %d failed", ref.name, ref.version, number, exc_info=error)
        if failed and not said:
            raise failed[0]
        return said

    def _question(self, number: int, ref: ModelRef, batch: Batch) -> Question:
        return lambda: self._ask(number, ref, batch)

    async def _in_time(self, asked: Mapping[asyncio.Future[Said], int]) -> set[int]:
        """Return the processes that are late, when all others have answered or failed."""
        clock = asyncio.get_running_loop().time
        began_s, waiting, until_s = clock(), set(asked), clock() + SILENCE_S
        first = True
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=until_s - clock(), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            if first and not all(isinstance(_error(task), Gone) for task in done):
                first = False
                self._allowed_s = max(self._deadline_s, 2 * (clock() - began_s))
                until_s = began_s + self._allowed_s
        return {asked[task] for task in waiting}

    def _missed(self, number: int, question: Question, at_once: bool) -> None:
        self._late[number] += 1
        if at_once or self._late[number] >= LATE_IN_A_ROW:
            self._leave(number, question)

    def _leave(self, number: int, question: Question) -> None:
        if number in self._out:
            return
        log.warning("member process %d does not answer: answers are degraded until it does", number)
        self._out[number] = question
        task = asyncio.ensure_future(self._return(number))
        self._returning.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._returning.discard)

    async def _return(self, number: int) -> None:
        """Ask what was asked last until it is answered in time; an exception is an answer too."""
        while True:
            await asyncio.sleep(AGAIN_S)
            try:
                async with asyncio.timeout(self._allowed_s):
                    await self._out[number]()
            except (Gone, TimeoutError):
                continue
            except Exception:  # noqa: BLE001, S110 - it lives, and whoever asks next is told
                pass
            del self._out[number]
            self._late[number] = 0
            log.warning("member process %d answers again", number)
            return


def _error(task: asyncio.Future[Any]) -> BaseException | None:
    """Return why a question that ended has no answer."""
    if not task.done():
        return None
    return Gone() if task.cancelled() else task.exception()
