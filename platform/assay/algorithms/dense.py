"""Networks that share most of their weights, on scaled and one-hot columns: what trees miss, and company for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assay.algorithms._inner import inner_rows
from assay.batch import Batch
from assay.parts import COST_FEATURES, Algorithm, Files
from assay.seeds import child
from assay.spec.spaces import Choice, LogUniform, Uniform
from assay.spec.strict import Strict
from assay.training.network import torch_threads

if TYPE_CHECKING:
    import torch

    from assay.algorithms._network import Network, Shape
    from assay.algorithms._training import Plan, Rows

USUAL_EPOCHS = 6, 40  # more passes over few rows, fewer over many
UNJUDGED_EPOCHS = 20  # when there are too few rows to find out
USUAL_DECAY, DECAY_ROWS = (0.03, 1.0), 1_000  # few rows are learned by heart unless the weights are held back


class Dense(Algorithm):
    """A few small networks that share their matrices and are trained as one, stopped early on an inner slice.

    Numbers are also given as steps between their quantiles; a numeric label is standardised inside. The prediction is
    the mean over the networks. Source: Gorishniy et al. 2025 (TabM); Gorishniy et al. 2022 (steps); Jordan et al. 2024
    (Muon, the optimizer).

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.linspace(-1, 1, 64, dtype=np.float32)[:, None], np.linspace(0, 1, 64))
        >>> Dense(Dense.Params(num_epochs=2)).fit(batch, seed=0).predict(batch).shape
        (64, 1)
    """

    class Params(Strict):
        """Settings of the networks and their training."""

        num_members: int = Field(4, ge=1, le=64, description="networks that share their matrices")
        width: int = Field(128, ge=4, le=4_096, description="units of a layer")
        num_blocks: int = Field(1, ge=0, le=32, description="layers between the first and the last")
        num_bins: int = Field(16, ge=0, le=256, description="quantile steps of a numeric feature; 0 or 1 for none")
        smooth: bool = Field(
            False, description="whether steps are learned late, for labels that follow numbers smoothly"
        )
        dropout: float = Field(0.1, ge=0, lt=0.95, description="share of units silenced in training")
        learning_rate: float = Field(4e-3, gt=0, le=1, description="rate of AdamW; shared matrices move 5 times as far")
        weight_decay: float | None = Field(
            None, ge=0, le=10, description="pull of the weights to 0; null: 1,000 / rows, within 0.03 to 1"
        )
        batch_size: int = Field(256, ge=8, le=65_536, description="rows of one step")
        num_steps: int = Field(
            600, ge=1, le=1_000_000, description="steps of all passes, about, where `num_epochs` is null"
        )
        num_epochs: int | None = Field(
            None, ge=1, le=10_000, description="passes over the rows at most; null: `num_steps`, within 6 to 40 passes"
        )
        patience: int = Field(
            4, ge=0, le=10_000, description="passes without gain on the inner slice before it stops; 0 takes all passes"
        )
        inner_fraction: float = Field(0.12, gt=0, le=0.5, description="share of the rows in the inner slice")

    kinds = frozenset({"tabular", "image"})
    space = {
        "num_members": Choice((1, 4, 8)),
        "width": Choice((64, 128, 192, 256)),
        "num_blocks": Choice((1, 2, 3)),
        "num_bins": Choice((0, 8, 16, 32)),
        "smooth": Choice((False, True)),
        "dropout": Uniform(0.0, 0.4),
        "learning_rate": LogUniform(1e-3, 1e-2),
        "weight_decay": LogUniform(1e-3, 2.0),
        "batch_size": Choice((128, 256, 512)),
    }
    portfolio = (
        {},
        {"num_members": 2, "width": 192, "num_blocks": 2, "smooth": True},  # 1.5 times the time; labels without jumps
        {"num_members": 8, "num_bins": 48, "num_steps": 2_000, "learning_rate": 2e-3},  # 2 to 6 times; with jumps
    )
    cost = 3.0
    libraries = ("assay.algorithms._training",)

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds: up to some 25,000 rows there are about as many steps, beyond them more."""
        usual, batch_size = cls.Params().num_steps, cls.Params().batch_size
        per_pass = max(8.0, num_rows / batch_size)
        least, most = USUAL_EPOCHS
        num_steps = max(least * per_pass, min(usual, most * per_pass))
        step = (0.8 + 0.2 * num_features / COST_FEATURES) * (1 + 0.001 * num_classes)
        return cls.cost * num_steps / usual * step * (0.5 + 0.5 * min(1.0, num_rows / (8 * batch_size)))

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> FittedDense:
        """Learn from `batch`; the weights kept are those of the best pass on an inner slice of its rows.

        Raises:
            ValueError: the loss is no longer a number, as it happens when the rate is too high.
        """
        import torch

        from assay.algorithms._network import Network
        from assay.algorithms._training import train

        # A fork: the seed of this fit is not left behind in the process.
        with torch_threads(threads), torch.random.fork_rng(devices=[]):
            torch.manual_seed(child(seed, "dense"))
            shape, staircase, moments = self._shape(batch)
            network = Network(shape)
            network.load_state_dict({**network.state_dict(), **staircase, **moments})
            inner_N = self._inner(batch.label_N, seed)
            learning = _tensors(network, batch.take(~inner_N) if inner_N.any() else batch)
            judging = _tensors(network, batch.take(inner_N)) if inner_N.any() else None
            network, num_epochs = train(network, learning, judging, self._plan(len(learning[0]), judging is not None))
        return FittedDense(shape, network, {"num_epochs": float(num_epochs)})

    def load(self, files: Files) -> FittedDense:
        """Read shape and weights.

        Raises:
            ArtifactFault: a file is missing or broken, or the weights do not fit the shape.
        """
        from assay.algorithms._network import from_files

        return FittedDense(*from_files(files))

    def settled(self, facts: Sequence[Mapping[str, float]]) -> Algorithm:
        """Return it without an inner slice, for as many passes over all rows as the folds found."""
        found = [fact["num_epochs"] for fact in facts if "num_epochs" in fact]
        if not found or not self.params.patience:
            return self
        num_epochs = max(1, round(float(np.mean(found))))
        return Dense(self.params.model_copy(update={"num_epochs": num_epochs, "patience": 0}))

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
            **self.params.model_dump(include={"num_members", "width", "num_blocks", "dropout"}),
        )
        if batch.num_classes:
            return shape, staircase, {}
        y_N = batch.label_N
        moments = {"mean": y_N.mean(), "scale": y_N.std() or 1.0}
        return shape, staircase, {name: torch.tensor(float(value)).double() for name, value in moments.items()}

    def _inner(self, y_N: np.ndarray, seed: int) -> np.ndarray:
        if not self.params.patience:
            return np.zeros(len(y_N), bool)
        return inner_rows(y_N, self.params.inner_fraction, seed)

    def _plan(self, num_rows: int, judged: bool) -> Plan:
        from assay.algorithms._training import Plan, num_steps

        params = self.params
        usual = params.num_steps // num_steps(num_rows, params.batch_size)
        decay = DECAY_ROWS / num_rows if params.weight_decay is None else params.weight_decay
        return Plan(
            learning_rate=params.learning_rate,
            weight_decay=float(np.clip(decay, *USUAL_DECAY)) if params.weight_decay is None else decay,
            batch_size=params.batch_size,
            num_epochs=params.num_epochs or (int(np.clip(usual, *USUAL_EPOCHS)) if judged else UNJUDGED_EPOCHS),
            patience=params.patience,
            smooth=params.smooth,
        )


@dataclass
class FittedDense:
    """The trained networks."""

    shape: Shape
    network: Network
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        import torch

        from assay.algorithms._network import PREDICT_ROWS

        x_NF = torch.from_numpy(np.array(batch.matrix(), np.float32))
        if not len(x_NF):
            return np.zeros((0, self.shape.num_outputs))
        with torch.inference_mode(), torch_threads(1):
            answer_NK = torch.cat([self.network.answer(rows) for rows in torch.split(x_NF, PREDICT_ROWS)])
        prediction_NK: np.ndarray = answer_NK.numpy()
        return prediction_NK

    def files(self) -> Files:
        """Return the network's shape as JSON and its weights as safetensors."""
        from assay.algorithms._network import to_files

        return to_files(self.shape, self.network)


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
