"""The members of models in one process of several: its share of each version, predicting one batch at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from assay.batch import Batch
from assay.partial import Piece
from assay.store import artifact
from assay_serving.settings import MAX_LOADED, REQUEST_TIMEOUT_S, ModelRef, Plan
from assay_serving.versions import Versions

# A version that a plan drops is still asked for by replicas that have not heard of the plan.
KEPT_S = 2 * REQUEST_TIMEOUT_S
HUNG_AFTER_S = REQUEST_TIMEOUT_S  # nobody waits for a prediction any longer; only a new process helps


class Bench:
    """Holds every `num_processes`-th member of each model, beginning with its own number.

    Members that are neighbours in a model live apart, such as those of one name: then each can stand in for the other.
    """

    def __init__(self, number: int, num_processes: int, threads: int = 1) -> None:
        self._number = number
        self._num_processes = num_processes
        self._pieces: Versions[Piece] = Versions(self._load, MAX_LOADED)
        self._executor = ThreadPoolExecutor(1, "members", initializer=threadpool_limits, initargs=(threads,))
        self._began_s: float | None = None
        self._plan_number = 0

    async def follow(self, plan: Plan) -> None:
        """Load what a plan adds, and forget later what it has no more.

        A version that cannot be loaded is left to the server: it asks for it by `load`, and is told why.
        """
        refs = {ref for model in plan.models for ref in model.answering}
        await asyncio.gather(*(self.load(ref) for ref in refs), return_exceptions=True)
        self._plan_number += 1
        asyncio.get_running_loop().call_later(KEPT_S, self._forget, refs, self._plan_number)

    def _forget(self, refs: set[ModelRef], plan_number: int) -> None:
        if plan_number == self._plan_number:
            self._pieces.keep(refs)

    async def load(self, ref: ModelRef) -> None:
        """Return when the members of a version are here.

        Raises:
            AssayError: they cannot be loaded.
        """
        await self._pieces.get(ref)

    async def _load(self, ref: ModelRef) -> Piece:
        number, count = self._number, self._num_processes
        return await asyncio.to_thread(artifact.load_piece, Path(ref.path), lambda place: place % count == number)

    async def said(self, ref: ModelRef, batch: Batch) -> Mapping[int, np.ndarray]:
        """Return prediction_NK of each member that is here, by its place in the model.

        Raises:
            AssayError: the version cannot be loaded.
        """
        piece = await self._pieces.get(ref)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._predict, piece, batch)

    def _predict(self, piece: Piece, batch: Batch) -> Mapping[int, np.ndarray]:
        self._began_s = time.monotonic()
        try:
            return piece.said(batch)
        finally:
            self._began_s = None

    def check(self) -> None:
        """Return when the process can answer.

        Raises:
            RuntimeError: a prediction hangs; a new process is the only cure.
        """
        began_s = self._began_s
        if began_s is not None and time.monotonic() - began_s > HUNG_AFTER_S:
            raise RuntimeError(f"a prediction has been running for {time.monotonic() - began_s:.0f} s")
