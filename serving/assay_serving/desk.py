"""The model at work: checks rows, joins requests into predict calls, switches versions. Knows neither HTTP nor Ray."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from assay.batch import Batch
from assay.errors import AssayError
from assay.forecasting.framing import Framed, Framing
from assay.forecasting.requests import framing_of, wanted
from assay.model import Model
from assay.profile import Profile
from assay.store import artifact
from assay_serving import settings
from assay_serving.batching import Batcher
from assay_serving.settings import ModelRef


@dataclass(frozen=True, eq=False)
class Served:
    """A loaded model under its name and version; a request keeps the one it began with."""

    ref: ModelRef
    model: Model

    @cached_property
    def framing(self) -> Framing | None:
        """How the model frames series; None of a model that does not forecast."""
        return framing_of(self.model.card)

    @cached_property
    def asks(self) -> Profile:
        """The columns of a request: those that the model reads, or those that series are made of."""
        return self.model.profile if self.framing is None else wanted(self.framing, self.model.profile)

    def rows(self, table: pa.Table) -> tuple[Batch, Framed | None]:
        """Return the rows to predict for those of a request, and of a forecast what turns the numbers back.

        Raises:
            DataFault: naming each column that does not fit, or each series.
        """
        if self.framing is None:
            return self.model.batch(table), None
        framed = self.framing.future(table)
        return self.model.batch(framed.table.drop_columns([self.framing.label])), framed

    def forecast(self, framed: Framed | None, prediction_NK: np.ndarray) -> pa.Table | None:
        """Return the columns of a forecast: series, time and prediction; None of a model that does not forecast."""
        if framed is None or self.framing is None:
            return None
        return self.framing.answer(framed, prediction_NK[:, 0])

    @classmethod
    def load(cls, ref: ModelRef) -> Served:
        """Load an artifact after every file was checked.

        Raises:
            ArtifactFault: it was changed, is incomplete, or is not ours.
        """
        return cls(ref, artifact.load(Path(ref.path)))


@dataclass
class Tally:
    """What happened since the start, in the words of Triton's statistics."""

    num_requests: int = 0
    num_rows: int = 0
    num_calls: int = 0
    num_failed: int = 0
    wait_ns: int = 0  # from the first byte checked to the answer, summed over requests
    compute_ns: int = 0
    last_ms: int = 0  # of the last answer, since 1970


class Desk:
    """Answers with the model it was last given; the event loop stays free while a model computes."""

    def __init__(self, threads: int = 1) -> None:
        self._served: Served | None = None
        self.refused: tuple[ModelRef, str] | None = None  # the model that was to be switched to, and why it is not
        self.tally = Tally()
        # One thread: calls come one at a time, and what they compute in is limited to the threads we were given.
        self._executor = ThreadPoolExecutor(1, "predict", initializer=_pin, initargs=(threads,))
        self._batcher: Batcher[Served, Batch, np.ndarray] = Batcher(
            self._predict,
            self._executor,
            max_items=settings.MAX_BATCH_REQUESTS,
            max_size=settings.MAX_BATCH_ROWS,
            max_waiting=settings.MAX_WAITING,
        )

    @property
    def served(self) -> Served:
        """The model that new requests get."""
        assert self._served is not None, "no model was given yet"
        return self._served

    @property
    def version(self) -> str:
        """The version that new requests get; empty before there is one."""
        return "" if self._served is None else self._served.ref.version

    async def switch(self, ref: ModelRef) -> None:
        """Load another model beside the one at work, then let new requests have it; none fails, none waits.

        A model that cannot be loaded is refused: the one at work stays, and `refused` says why.

        Raises:
            AssayError: it cannot be loaded and there is none at work.
        """
        try:
            served = await asyncio.to_thread(Served.load, ref)
        except AssayError as error:
            if self._served is None:
                raise
            self.refused = (ref, str(error))
            return
        self._served, self.refused = served, None

    def admit(self) -> None:
        """Return when there is room for one more request.

        Raises:
            Overloaded: there is none; said before a body is read.
        """
        self._batcher.admit()

    async def predict(self, served: Served, batch: Batch) -> np.ndarray:
        """Return prediction_NK for checked rows, maybe together with other requests' rows.

        Raises:
            Overloaded: too many requests wait.
            TimeoutError: it took longer than a request may.
        """
        started_ns = time.perf_counter_ns()
        try:
            async with asyncio.timeout(settings.REQUEST_TIMEOUT_S):
                prediction_NK = await self._batcher.submit(served, batch, len(batch))
        except BaseException:
            self.tally.num_failed += 1
            raise
        self.tally.num_requests += 1
        self.tally.num_rows += len(batch)
        self.tally.wait_ns += time.perf_counter_ns() - started_ns
        self.tally.last_ms = time.time_ns() // 1_000_000
        return prediction_NK

    def _predict(self, served: Served, batches: Sequence[Batch]) -> Sequence[np.ndarray]:
        started_ns = time.perf_counter_ns()
        prediction_NK = served.model.predict_batch(joined(batches))
        self.tally.num_calls += 1
        self.tally.compute_ns += time.perf_counter_ns() - started_ns
        return np.split(prediction_NK, np.cumsum([len(batch) for batch in batches])[:-1])

    def check(self) -> None:
        """Return when the desk can answer.

        Raises:
            RuntimeError: there is no model, or a predict call hangs; a new process is the only cure.
        """
        if self._served is None:
            raise RuntimeError("no model is loaded")
        if self._batcher.busy_s > settings.HUNG_AFTER_S:
            raise RuntimeError(f"a predict call has been running for {self._batcher.busy_s:.0f} s")


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the rows of batches of one model, one after the other, without labels."""
    if len(batches) == 1:
        return batches[0]
    columns = {name: np.concatenate([batch.columns[name] for batch in batches]) for name in batches[0].columns}
    return replace(batches[0], columns=columns, row_N=np.arange(sum(map(len, batches))))


def _pin(threads: int) -> None:
    # Runs when the first call comes: the model has loaded the libraries whose threads are to be limited by then.
    # Whatever is loaded later keeps to OMP_NUM_THREADS, which Ray sets to the replica's CPUs.
    threadpool_limits(threads)
