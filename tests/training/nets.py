"""Small networks and jobs to train, at the top level of a module so that other processes find them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from assay.training.job import Job, Plan

PLAN = Plan(num_epochs=3, batch_size=32, learning_rate=0.01, ema_decay=0.9, clip_norm=1.0)


class Images(nn.Module):
    """A convolution, a normalisation over the batch, and where asked some dropout."""

    def __init__(self, shape: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()
        )
        self.silence = nn.Dropout(shape.get("dropout", 0.0))
        self.head = nn.Linear(8 * 36, 3)

    def forward(self, x: Tensor) -> Tensor:
        output_NK: Tensor = self.head(self.silence(self.layers(x)))
        return output_NK


def noisy(rows: dict[str, Tensor], chance: torch.Generator) -> dict[str, Tensor]:
    """Add noise, as an augmentation would."""
    return {**rows, "x": rows["x"] + 0.1 * torch.randn(rows["x"].shape, generator=chance)}


def rows(num_rows: int = 160, seed: int = 0) -> dict[str, np.ndarray]:
    """Return pictures whose class is the third of the picture that is brightest."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(num_rows, 1, 6, 6)).astype(np.float32)
    y_N = draw.integers(0, 3, num_rows)
    for row, third in enumerate(y_N):
        x[row, 0, 2 * third : 2 * third + 2] += 1.0
    return {"x": x, "y": y_N}


def job(plan: Plan = PLAN, *, dropout: float = 0.0, augment: bool = False, judging: bool = True, **rest: Any) -> Job:
    """Return a job that a second trains."""
    return Job(
        Images, {"dropout": dropout}, ("x",), rows(), plan, seed=5, judging=rows(40, 1) if judging else None,
        augment=noisy if augment else None, **rest,
    )  # fmt: skip
