"""A residual network on scaled and one-hot columns: what trees miss, and good company for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assay.algorithms._inner import inner_rows
from assay.batch import Batch
from assay.parts import Algorithm, Files
from assay.seeds import child
from assay.spec.spaces import Choice, LogUniform, Uniform
from assay.spec.strict import Strict

if TYPE_CHECKING:
    import torch

    from assay.algorithms._network import Network, Shape

    Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # features, label, weight

PREDICT_ROWS = 8_192
USUAL_STEPS, USUAL_EPOCHS = 1_000, (8, 40)  # more passes over few rows, fewer over many


class Dense(Algorithm):
    """A small residual network on scaled and one-hot columns, stopped early on an inner slice of the rows.

    Numbers are also given as steps between their quantiles; a numeric label is standardised inside. AdamW with a
    one-cycle rate. Source: He et al. 2016 (residual layers); Smith and Topin 2018 (one cycle); Gorishniy et al. 2022
    (steps).

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.linspace(-1, 1, 64, dtype=np.float32)[:, None], np.linspace(0, 1, 64))
        >>> Dense(Dense.Params(num_epochs=2)).fit(batch, seed=0).predict(batch).shape
        (64, 1)
    """

    class Params(Strict):
        """Settings of the network and its training."""

        width: int = Field(128, ge=4, le=4_096, description="units of a layer")
        num_blocks: int = Field(1, ge=0, le=32, description="residual blocks")
        num_bins: int = Field(16, ge=0, le=256, description="quantile steps of a numeric feature; 0 or 1 for none")
        dropout: float = Field(0.35, ge=0, lt=0.95, description="share of units silenced in training")
        learning_rate: float = Field(3e-3, gt=0, le=1, description="highest rate of the cycle")
        weight_decay: float = Field(0.3, ge=0, le=10, description="pull of the weights to 0")
        label_smoothing: float = Field(0.02, ge=0, lt=0.5, description="share of each label given to all classes")
        batch_size: int = Field(512, ge=8, le=65_536, description="rows of one step")
        num_epochs: int | None = Field(
            None, ge=1, le=10_000, description="passes over the rows at most; null: about 1,000 steps, 8 to 40 passes"
        )
        patience: int = Field(5, ge=1, le=10_000, description="passes without gain on the inner slice before it stops")
        inner_fraction: float = Field(0.12, gt=0, le=0.5, description="share of the rows in the inner slice")

    space = {
        "width": Choice((64, 128, 192, 256, 384)),
        "num_blocks": Choice((1, 2, 3)),
        "num_bins": Choice((0, 8, 16, 32)),
        "dropout": Uniform(0.0, 0.4),
        "learning_rate": LogUniform(5e-4, 1e-2),
        "weight_decay": LogUniform(1e-3, 0.5),
        "batch_size": Choice((128, 256, 512)),
    }
    portfolio = (
        {},
        {"num_blocks": 2, "dropout": 0.2, "batch_size": 256, "weight_decay": 0.1},  # twice the time; clean labels
    )
    cost = 2.0
    libraries = ("assay.algorithms._network",)

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedDense:
        """Learn from `batch`; the weights kept are those of the best pass on an inner slice of its rows."""
        import torch

        from assay.algorithms._network import Network

        # A fork: the seed of this fit is not left behind in the process.
        with torch_threads(threads), torch.random.fork_rng(devices=[]):
            torch.manual_seed(child(seed, "dense"))
            shape, staircase, moments = self._shape(batch)
            network = Network(shape)
            network.load_state_dict({**network.state_dict(), **staircase, **moments})
            num_epochs = self._train(network, batch, inner_rows(batch.label_N, self.params.inner_fraction, seed))
        return FittedDense(shape, network.eval(), {"num_epochs": float(num_epochs)})

    def load(self, files: Files) -> FittedDense:
        """Read shape and weights.

        Raises:
            ArtifactFault: a file is missing or broken, or the weights do not fit the shape.
        """
        from assay.algorithms._network import from_files

        return FittedDense(*from_files(files))

    def _shape(self, batch: Batch) -> tuple[Shape, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        import torch

        from assay.algorithms._network import Shape, steps

        x_NF = batch.matrix()
        names = ("staircase.column_S", "staircase.low_S", "staircase.height_S")
        staircase = {
            name: torch.from_numpy(array) for name, array in zip(names, steps(x_NF, self.params.num_bins), strict=True)
        }
        shape = Shape(
            num_features=x_NF.shape[1],
            num_steps=len(staircase[names[0]]),
            num_outputs=max(batch.num_classes, 1),
            regression=batch.num_classes == 0,
            **self.params.model_dump(include={"width", "num_blocks", "dropout"}),
        )
        if batch.num_classes:
            return shape, staircase, {}
        y_N = batch.label_N
        moments = {"mean": y_N.mean(), "scale": y_N.std() or 1.0}
        return shape, staircase, {name: torch.tensor(float(value)).double() for name, value in moments.items()}

    def _train(self, network: Network, batch: Batch, inner_N: np.ndarray) -> int:
        """Change the weights of `network`; return the number of passes behind those that are kept."""
        import torch

        learning, judging = _tensors(network, batch.take(~inner_N)), _tensors(network, batch.take(inner_N))
        num_rows = len(learning[0])
        batch_size = min(self.params.batch_size, max(8, num_rows // 8))
        num_steps = max(1, num_rows // batch_size)
        num_epochs = self.params.num_epochs or int(np.clip(USUAL_STEPS // num_steps, *USUAL_EPOCHS))
        optimizer = torch.optim.AdamW(
            network.parameters(), self.params.learning_rate, weight_decay=self.params.weight_decay, fused=True
        )
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.params.learning_rate, total_steps=num_steps * num_epochs, pct_start=0.2
        )
        best_loss, best_epoch, best_weights = math.inf, 0, {}
        for epoch in range(1, num_epochs + 1):
            network.train()
            for rows in torch.randperm(num_rows)[: num_steps * batch_size].reshape(num_steps, -1):
                optimizer.zero_grad()
                x_NF, y_N, weight_N = (tensor[rows] for tensor in learning)
                self._loss(network, x_NF, y_N, weight_N, self.params.label_smoothing).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                rate.step()
            loss = self._judged(network.eval(), judging) if len(judging[0]) else -float(epoch)
            if loss < best_loss:
                best_loss, best_epoch = loss, epoch
                best_weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            elif epoch - best_epoch >= self.params.patience:
                break
        if best_weights:
            network.load_state_dict(best_weights)
        return best_epoch

    def _loss(
        self, network: Network, x_NF: torch.Tensor, y_N: torch.Tensor, weight_N: torch.Tensor, smoothing: float
    ) -> torch.Tensor:
        from torch.nn.functional import cross_entropy

        output_NK = network(x_NF)
        if y_N.is_floating_point():
            loss_N = (output_NK[:, 0] - y_N) ** 2
        else:
            loss_N = cross_entropy(output_NK, y_N, reduction="none", label_smoothing=smoothing)
        mean: torch.Tensor = (loss_N * weight_N).mean()
        return mean

    def _judged(self, network: Network, judging: Rows) -> float:
        import torch

        with torch.inference_mode():
            return float(self._loss(network, *judging, 0.0))


@dataclass
class FittedDense:
    """A trained network."""

    shape: Shape
    network: Network
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        import torch

        x_NF = torch.from_numpy(np.array(batch.matrix(), np.float32))
        if not len(x_NF):
            return np.zeros((0, self.shape.num_outputs))
        with torch.inference_mode(), torch_threads(1):
            output_NK = torch.cat([self.network(rows) for rows in torch.split(x_NF, PREDICT_ROWS)]).double()
            if self.shape.regression:
                output_NK = output_NK * self.network.scale + self.network.mean
            else:
                output_NK = output_NK.softmax(dim=1)
        prediction_NK: np.ndarray = output_NK.numpy()
        return prediction_NK

    def files(self) -> Files:
        """Return the network's shape as JSON and its weights as safetensors."""
        from assay.algorithms._network import to_files

        return to_files(self.shape, self.network)


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


def _tensors(network: Network, batch: Batch) -> Rows:
    """Return x_NF, the class or standardised label, and the weight of each row, as tensors of their own."""
    import torch

    x_NF = torch.from_numpy(np.array(batch.matrix(), np.float32))
    y_N = torch.from_numpy(np.array(batch.label_N))
    weight_N = (
        torch.ones(len(y_N)) if batch.weight_N is None else torch.from_numpy(np.array(batch.weight_N, np.float32))
    )
    weight_N = weight_N / weight_N.mean().clamp(min=1e-12)  # so that the rate means the same with any weights
    if y_N.is_floating_point():
        y_N = ((y_N - network.mean) / network.scale).float()
    return x_NF, y_N, weight_N
