"""How a replica loads versions whose members are divided among other processes; what it holds joins them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from assay.batch import Batch
from assay.store import artifact
from assay_serving.panel import Panel
from assay_serving.served import Served
from assay_serving.settings import ModelRef
from assay_serving.spread import Spread


class FanOut:
    """Loads versions for a `Desk`."""

    def __init__(self, panel: Panel, num_processes: int) -> None:
        self.panel = panel
        self._num_processes = num_processes

    async def load(self, ref: ModelRef) -> Served:
        """Return a version, once its members are loaded where they live; a model of one member is loaded here.

        Raises:
            ArtifactFault: it was changed, is incomplete, or is not ours.
        """
        piece = await asyncio.to_thread(artifact.load_piece, Path(ref.path), lambda _: False)
        if len(piece.names) < 2:
            return await asyncio.to_thread(Served.load, ref)
        processes = range(min(self._num_processes, len(piece.names)))
        await self.panel.load(ref, processes)
        loop = asyncio.get_running_loop()

        def ask(batch: Batch) -> Mapping[int, np.ndarray]:
            return asyncio.run_coroutine_threadsafe(self.panel.said(ref, batch, processes), loop).result()

        return Served(ref, Spread.of(piece, ask))
