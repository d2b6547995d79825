"""Hands out the rows of each step: the seam for rows that do not lie in memory. Imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from assay.seeds import child
from assay.training.job import Rows
from assay.training.world import World

Tensors = dict[str, Tensor]
RESIDENT_SHARE = 0.3  # of a GPU's free memory, that the rows may fill


class Feed:
    """Rows in memory, in a new order each epoch; every worker draws the same order and takes its share of each batch.

    A batch is a function of the seed and its place alone, so a training that is taken up sees what it would have seen.
    The last rows of an epoch that fill no batch are left out.
    """

    def __init__(self, rows: Rows, batch_size: int, seed: int, world: World) -> None:
        self.rows, self.seed, self.world = on_device(tensors(rows), world.device), seed, world
        self.num_rows = len(rows["y"])
        self.batch_size = min(batch_size, self.num_rows)  # of all workers together
        self.per_epoch = max(1, self.num_rows // batch_size)
        if self.batch_size < world.size:
            raise ValueError(f"{world.size} workers cannot share batches of {self.batch_size} rows; ask for fewer")

    def batches(self, epoch: int, first: int = 0) -> Iterator[Tensors]:
        """Yield this worker's share of each batch of an epoch, from the batch `first` on, on its device."""
        shuffling = torch.Generator().manual_seed(child(self.seed, "order", epoch))
        order = torch.randperm(self.num_rows, generator=shuffling)
        device, rank, size = self.world.device, self.world.rank, self.world.size
        order = order.to(self.rows["y"].device)
        for place in range(first, self.per_epoch):
            mine = order[place * self.batch_size : (place + 1) * self.batch_size]
            mine = mine[rank::size] if size > 1 else mine
            taken = {name: tensor.index_select(0, mine) for name, tensor in self.rows.items()}
            yield (
                taken
                if device == "cpu"
                else {name: tensor.to(device, non_blocking=True) for name, tensor in taken.items()}
            )


def on_device(rows: Tensors, device: str) -> Tensors:
    """Return rows on the device where they fit well, else where they are."""
    if device == "cpu":
        return rows
    free_bytes = torch.cuda.mem_get_info(device)[0] if torch.device(device).type == "cuda" else 0
    if sum(tensor.nbytes for tensor in rows.values()) > RESIDENT_SHARE * free_bytes:
        return rows
    return {name: tensor.to(device) for name, tensor in rows.items()}


def tensors(rows: Rows) -> Tensors:
    """Return arrays as tensors; read-only ones, as they come from shared memory, without a copy."""
    with warnings.catch_warnings():  # torch fears writes into read-only memory; nothing here writes into rows
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return {name: torch.from_numpy(array) for name, array in rows.items()}


def split(rows: Tensors, num_parts: int) -> Iterator[Tensors]:
    """Yield the rows in so many parts, the first ones the largest."""
    for index in torch.tensor_split(torch.arange(len(rows["y"])), num_parts):
        if len(index):
            yield {name: tensor[index[0] : index[-1] + 1] for name, tensor in rows.items()}
