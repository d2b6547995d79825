"""What algorithms that are networks share: they say what to train, and read what was trained.

`fit` trains in this process; with more workers or a GPU `engines/fit_torch.py` trains the same job under Ray Train.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.batch import Batch
from assay.parts import Algorithm, Fitted
from assay.training.job import Job, Rows, Trained

if TYPE_CHECKING:
    from torch import nn

PREDICT_ROWS = 512  # at once


class Network(Algorithm):
    """An algorithm whose model is a network of torch."""

    wants = "raw"
    libraries = ("assay.training.loop",)

    def job(self, batch: Batch, seed: int) -> Job:
        """Return what to train: the network's shape, the rows it learns from and is judged on, and the plan."""
        raise NotImplementedError

    def trained(self, job: Job, trained: Trained) -> Fitted:
        """Return the model."""
        raise NotImplementedError

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> Fitted:
        """Train in this process.

        Raises:
            ValueError: the loss is no longer a number.
        """
        from assay.training.loop import train

        with torch_threads(threads):
            job = self.job(batch, seed)
            return self.trained(job, train(job))


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run the body with `threads` threads inside torch."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def answers(
    network: nn.Module, rows: Rows, prepare: Any = None, *, mean: float = 0.0, scale: float = 0.0
) -> np.ndarray:
    """Return prediction_NK, float64: the softmax of the outputs, or where `scale` is given that times them plus `mean`.

    `rows` are what the network reads, by name; one thread, so that the last bits are the same anywhere.
    """
    import torch

    from assay.training.loop import tensors

    num_rows = len(next(iter(rows.values())))
    found = []
    with torch.inference_mode(), torch_threads(1):
        for start in range(0, num_rows, PREDICT_ROWS):
            part = tensors({name: array[start : start + PREDICT_ROWS] for name, array in rows.items()})
            output_nK = network.eval()(**(prepare(part) if prepare else part)).double()
            found.append(output_nK * scale + mean if scale else output_nK.softmax(dim=1))
    return np.zeros((0, 1)) if not found else torch.cat(found).numpy()
