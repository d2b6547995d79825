"""The models at work: loads versions, joins requests into predict calls, follows plans. Knows neither HTTP nor Ray."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from assay.batch import Batch
from assay.errors import ArtifactFault, AssayError, Fault
from assay_serving import settings
from assay_serving.batching import Batcher
from assay_serving.routing import Routes
from assay_serving.served import Served
from assay_serving.settings import ModelPlan, ModelRef, Plan
from assay_serving.spread import Turnout, Vote
from assay_serving.versions import Versions
from assay_serving.waiting import Arrivals, WaitingRoom

# Converted already, or as they were sent: those of many requests are converted together.
Rows: TypeAlias = Batch | pa.Table


@dataclass(frozen=True)
class Answered:
    """A request and its answer, as those see it who watch: the prediction log, a shadow."""

    served: Served
    table: pa.Table  # the rows as they were checked
    prediction_NK: np.ndarray
    told: pa.Table | None = None  # the columns of a forecast
    request_id: str = ""
    rows: Rows | None = None  # the same, as they were given to the predict call
    turnout: Turnout | None = None  # of the members, where they are asked apart

    @property
    def batch(self) -> Batch | None:
        """The same rows as the model read them."""
        return self.served.model.batch(self.rows) if isinstance(self.rows, pa.Table) else self.rows

    @property
    def num_answers(self) -> int:
        """Rows of the answer; a forecast has others than its request."""
        return len(self.prediction_NK) if self.told is None else self.told.num_rows


async def load_here(ref: ModelRef) -> Served:
    """Return a version with all its members in this process.

    Raises:
        ArtifactFault: it was changed, is incomplete, or is not ours.
    """
    return await asyncio.to_thread(Served.load, ref)


class Desk:
    """Answers with the versions it was last given; the event loop stays free while a model computes."""

    def __init__(
        self,
        threads: int = 1,
        max_loaded: int = settings.MAX_LOADED,
        load: Callable[[ModelRef], Awaitable[Served]] = load_here,
    ) -> None:
        self.routes = Routes()
        self.refused: dict[tuple[str, str], str] = {}  # versions that were to be loaded, and why they are not
        self.watching: list[Callable[[Answered], None]] = []  # told of every answer; must neither raise nor take long
        self.calling: list[Callable[[Served, int, int], None]] = []  # told of each predict call: its requests, its rows
        self.loads: Counter[tuple[str, str, str]] = Counter()  # name, version and `loaded` or `refused`
        self.room = WaitingRoom(settings.MAX_WAIT_S)
        self.arrivals = Arrivals(settings.MAX_ARRIVING_BYTES)
        self._load_version = load
        self._loaded = Versions(self._load, max_loaded)
        self._threads = threads
        self._pinned: set[int] = set()  # threads of this process that keep to the limit
        # One thread: calls come one at a time, and what they compute in is limited to the threads we were given.
        self._executor = ThreadPoolExecutor(1, "predict")
        self._batcher: Batcher[Served, Rows, Vote] = Batcher(
            self._predict,
            self._executor,
            max_items=settings.MAX_BATCH_REQUESTS,
            max_size=settings.MAX_BATCH_ROWS,
            max_waiting=settings.MAX_WAITING,
            is_brief=self._is_brief,
        )

    @property
    def version(self) -> str:
        """The champion of the only model; empty before there is one, or when there are several."""
        champions = [plan.champion.version for plan in self.routes]
        return champions[0] if len(champions) == 1 else ""

    async def switch(self, plan: Plan) -> None:
        """Load what a plan adds beside what is at work, then let new requests have it; none fails, none waits.

        A version that cannot be loaded is refused, and `refused` says why: what its model had before stays.

        Raises:
            ArtifactFault: there is nothing at work yet, and no model of the plan can be loaded.
        """
        refused: dict[tuple[str, str], str] = {}
        kept = [await self._possible(model, refused) for model in plan.models]
        models = [model for model in kept if model is not None]
        if not models:
            raise ArtifactFault(*(Fault(f"model {name}/{version}", why) for (name, version), why in refused.items()))
        self.routes, self.refused = Routes.of(Plan(models=models)), refused
        self._loaded.keep(self._answering())

    async def _possible(self, model: ModelPlan, refused: dict[tuple[str, str], str]) -> ModelPlan | None:
        """Return what of a model's plan can be answered with: all, or it without its canary, or what was before."""
        for ref in model.answering:
            try:
                await self.served(ref)
            except AssayError as error:
                refused[ref.name, ref.version] = str(error)
        if (model.name, model.champion.version) in refused:
            return self.routes.plans.get(model.name)
        if model.canary is not None and (model.name, model.canary.version) in refused:
            return model.model_copy(update={"canary": None})
        return model

    def _answering(self) -> set[ModelRef]:
        return {ref for model in self.routes for ref in model.answering}

    async def served(self, ref: ModelRef) -> Served:
        """Return a version, loaded now if it is not yet; that unused for longest leaves when there are too many.

        Raises:
            AssayError: it cannot be loaded.
        """
        return await self._loaded.get(ref)

    async def _load(self, ref: ModelRef) -> Served:
        outcome = "refused"
        try:
            served = await self._load_version(ref)
            outcome = "loaded"
        finally:
            self.loads[ref.name, ref.version, outcome] += 1
        return served

    @property
    def num_loaded(self) -> int:
        """Versions in memory."""
        return len(self._loaded)

    @property
    def num_waiting(self) -> int:
        """Requests that wait for a predict call."""
        return self._batcher.num_waiting

    def admit(self) -> None:
        """Return when there is room for one more request.

        Raises:
            Overloaded: there is none; said before a body is read.
        """
        self._batcher.admit()

    async def predict(self, served: Served, rows: Rows) -> np.ndarray:
        """Return prediction_NK for rows; see `vote`."""
        return (await self.vote(served, rows)).prediction_NK

    async def vote(self, served: Served, rows: Rows) -> Vote:
        """Return what a model says of rows, maybe together with other requests' rows.

        Raises:
            DataFault: rows that were not converted yet do not fit.
            Overloaded: too many requests wait.
            TimeoutError: it took longer than a request may.
            NoMember: the members are asked apart, and none answered.
        """
        started_ns, tally = time.perf_counter_ns(), served.tally
        try:
            async with asyncio.timeout(settings.REQUEST_TIMEOUT_S):
                vote = await self._batcher.submit(served, rows, len(rows))
        except BaseException:
            tally.num_failed += 1
            raise
        tally.num_requests += 1
        tally.num_degraded += vote.turnout is not None and vote.turnout.degraded
        tally.num_rows += len(rows)
        tally.wait_ns += time.perf_counter_ns() - started_ns
        tally.last_ms = time.time_ns() // 1_000_000
        return vote

    def _is_brief(self, served: Served, num_rows: int) -> bool:
        # CPU time says nothing of threads that the model starts itself.
        few = num_rows <= settings.BRIEF_CALL_ROWS and self._threads == 1
        return few and served.tally.brief_s <= settings.BRIEF_CALL_S

    def _predict(self, served: Served, items: Sequence[Rows]) -> Sequence[Vote]:
        if threading.get_ident() not in self._pinned:
            self._pin()
        started_ns, started_s = time.perf_counter_ns(), time.thread_time()
        vote = served.vote(together(served, items))
        if vote.turnout is None and len(vote.prediction_NK) <= settings.BRIEF_CALL_ROWS:  # nobody elsewhere was asked
            served.tally.time_brief(time.thread_time() - started_s)
        served.tally.num_calls += 1
        served.tally.compute_ns += time.perf_counter_ns() - started_ns
        for watch in self.calling:
            watch(served, len(items), len(vote.prediction_NK))
        parts = np.split(vote.prediction_NK, np.cumsum([len(item) for item in items])[:-1])
        return [Vote(part_nK, vote.turnout) for part_nK in parts]

    def _pin(self) -> None:
        # With a thread's first call: by then the model has loaded the libraries whose threads are to be limited.
        # Whatever is loaded later keeps to OMP_NUM_THREADS, which Ray sets to the replica's CPUs.
        threadpool_limits(self._threads)
        self._pinned.add(threading.get_ident())

    def check(self) -> None:
        """Return when the desk can answer.

        Raises:
            RuntimeError: there is no model, or a predict call hangs; a new process is the only cure.
        """
        if not self.routes.plans:
            raise RuntimeError("no model is loaded")
        if self._batcher.busy_s > settings.HUNG_AFTER_S:
            raise RuntimeError(f"a predict call has been running for {self._batcher.busy_s:.0f} s")


def together(served: Served, items: Sequence[Rows]) -> Batch:
    """Return the rows of several requests as one batch.

    Raises:
        DataFault: rows of one of them do not fit.
    """
    tables = [item for item in items if isinstance(item, pa.Table)]
    if len(tables) == len(items):
        try:
            return served.model.batch(
                tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
            )
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # columns of several types: 39 in one request and 39.5 in another
            pass
    return joined([served.model.batch(item) if isinstance(item, pa.Table) else item for item in items])


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the rows of batches of one model, one after the other, without labels."""
    if len(batches) == 1:
        return batches[0]
    columns = {name: np.concatenate([batch.columns[name] for batch in batches]) for name in batches[0].columns}
    return replace(batches[0], columns=columns, row_N=np.arange(sum(map(len, batches))))
