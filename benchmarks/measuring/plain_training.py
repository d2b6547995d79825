"""The network and the rows of `benchmarks/training.py`, and the plain loops of torch that ours is held against.

    torchrun --nproc-per-node 2 benchmarks/measuring/plain_training.py '{"num_epochs": 3}'

prints the images a second of each epoch after the first. Imports torch, and nothing of assay or Ray.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Load:
    """What is trained: so many images of a side, by a network of a width, in batches of all workers together."""

    num_images: int = 4_096
    side: int = 28  # pixels
    width: int = 24  # maps of the first layer
    batch_size: int = 128
    num_epochs: int = 4
    norm: str = "group"  # or batch
    precision: str = "float32"
    learning_rate: float = 2e-3


class Net(nn.Module):
    """Four convolutions, each with a normalisation, and a linear head."""

    def __init__(self, shape: Mapping[str, Any]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width, num_in = int(shape["width"]), 1
        for num_out, stride in ((width, 2), (width, 1), (2 * width, 2), (2 * width, 1)):
            norm = nn.BatchNorm2d(num_out) if shape["norm"] == "batch" else nn.GroupNorm(4, num_out)
            layers += [nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False), norm, nn.ReLU()]
            num_in = num_out
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(num_in, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Return output_NK for images x (N, 1, H, W) from 0 to 1."""
        output_NK: Tensor = self.layers(x)
        return output_NK


def build(shape: Mapping[str, Any]) -> nn.Module:
    """Return the network."""
    return Net(shape)


def prepare(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return images as x (N, 1, H, W) from 0 to 1."""
    return {"x": rows["x"].unsqueeze(1).float() / 255}


def images(load: Load) -> dict[str, np.ndarray]:
    """Return images of ten classes that differ in brightness."""
    draw = np.random.default_rng(0)
    y_N = draw.integers(0, 10, load.num_images)
    x_NHW = draw.integers(0, 56, (load.num_images, load.side, load.side)) + 20 * y_N[:, None, None]
    return {"x": x_NHW.astype(np.uint8), "y": y_N}


def plain(load: Load, device: str = "cpu", *, rank: int = 0, size: int = 1) -> list[float]:
    """Train as one writes it by hand; return the images a second, of all workers, of each epoch."""
    torch.manual_seed(0)
    network: nn.Module = Net(asdict(load)).to(device)
    if size > 1:
        network = nn.parallel.DistributedDataParallel(network, gradient_as_bucket_view=True)
    optimizer = torch.optim.AdamW(network.parameters(), load.learning_rate, fused=True)
    rows = {name: torch.from_numpy(array).to(device) for name, array in images(load).items()}
    found = []
    for _ in range(load.num_epochs):
        started, num_seen = time.perf_counter(), 0
        for mine in _order(load, device, rank, size):
            x, y_N = prepare({"x": rows["x"][mine]})["x"], rows["y"][mine]
            with torch.autocast(device, torch.bfloat16, enabled=load.precision == "bfloat16"):
                output_NK = network(x)
            loss = cross_entropy(output_NK.float(), y_N)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            num_seen += load.batch_size
        loss.item()  # a GPU is done only when it answers
        found.append(num_seen / (time.perf_counter() - started))
    return found


def _order(load: Load, device: str, rank: int, size: int) -> Iterator[Tensor]:
    order = torch.randperm(load.num_images).to(device)
    for first in range(0, load.num_images - load.batch_size + 1, load.batch_size):
        yield order[first : first + load.batch_size][rank::size]


def main() -> None:
    """Train as one of the processes that torchrun started."""
    from torch import distributed

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    found = plain(Load(**json.loads(sys.argv[1])), rank=rank, size=size)
    if rank == 0:
        print("TOLD", json.dumps(found[1:]))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
