"""Any `torch.nn.Module` of your own, named as `module:Class`: it gets the rows, and is trained as our networks are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from assay.algorithms._inner import inner_rows
from assay.batch import Batch
from assay.catalog import known_import
from assay.parts import Algorithm, Files
from assay.spec.spaces import LogUniform
from assay.spec.strict import Strict
from assay.training.job import Job, Plan, Rows, Trained
from assay.training.network import Network, answers
from assay.vocabulary import ColumnKind

if TYPE_CHECKING:
    from torch import nn

    from assay.algorithms._module import Shape

FEWEST_STEPS = 12  # of a pass: few rows come in smaller batches
OWN = "assay.algorithms._module:Layers"


class TorchModule(Network):
    """A network of your own: `Net(input_shape, num_outputs, **params)`, whose `forward(x)` returns (N, num_outputs).

    `x` is float32: (N, F) of a table, (N, C, H, W) from 0 to 1 of images, (N, T, C) of series with 0 after their ends;
    `forward(x, length)` also gets the number of steps of each. The outputs are logits of classes, or one number, which
    is standardised inside. A tuple that begins with them, or a dict with them as `logits`, is taken too, and one logit
    for two classes.

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.linspace(-1, 1, 64, dtype=np.float32)[:, None], np.linspace(0, 1, 64))
        >>> TorchModule(TorchModule.Params(num_epochs=2)).fit(batch, seed=0).predict(batch).shape
        (64, 1)
    """

    class Params(Strict):
        """Which network, and how it is trained."""

        module: str = Field(
            OWN, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="your class as `module:Class`, on PYTHONPATH"
        )
        params: dict[str, bool | int | float | str | list[bool | int | float | str]] = Field(
            default_factory=dict, description="settings of your class, given by name"
        )
        num_epochs: int = Field(40, ge=1, le=100_000, description="passes over the rows at most")
        batch_size: int = Field(
            64, ge=1, le=65_536, description="rows of one step, of all workers together; fewer with few rows"
        )
        learning_rate: float = Field(3e-3, gt=0, le=10, description="highest rate of the optimizer")
        weight_decay: float = Field(0.01, ge=0, le=10, description="pull of the weights to 0")
        optimizer: Literal["adamw", "sgd"] = Field("adamw", description="sgd has a momentum of 0.9")
        schedule: Literal["one_cycle", "cosine", "constant"] = Field("one_cycle", description="how the rate changes")
        label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the label given to all classes alike")
        ema_decay: float = Field(
            0.0, ge=0, lt=1, description="of the average of the weights that answers; 0 for the weights themselves"
        )
        clip_norm: float = Field(1.0, ge=0, le=1e6, description="longest gradient of a step; 0 for any")
        accumulate: int = Field(1, ge=1, le=1_024, description="parts in which a batch passes, where it does not fit")
        patience: int = Field(
            6, ge=0, le=10_000, description="passes without gain on the inner slice before it stops; 0 takes all"
        )
        inner_fraction: float = Field(0.12, gt=0, le=0.5, description="share of the rows in the inner slice")

    kinds = frozenset({"tabular", "image", "series"})
    asked = True  # only where an experiment file names it
    space = {"learning_rate": LogUniform(3e-4, 1e-2), "weight_decay": LogUniform(1e-4, 0.3)}
    cost = 8.0

    def job(self, batch: Batch, seed: int) -> Job:
        """Return what to train.

        Raises:
            ValueError: the class cannot be imported, or is no network.
        """
        from assay.algorithms._module import build, preparation

        shape, rows = self._shape(batch), _rows(batch)
        inner_N = np.zeros(len(batch), bool)
        if self.params.patience:
            inner_N = inner_rows(batch.label_N, self.params.inner_fraction, seed)
        judged = bool(inner_N.any())
        if shape.scale:
            rows["y"] = ((rows["y"] - shape.mean) / shape.scale).astype(np.float32)
        return Job(
            build,
            shape,
            ("x",),
            {name: array[~inner_N] for name, array in rows.items()} if judged else rows,
            self._plan(len(batch) - int(inner_N.sum()), judged),
            seed,
            {name: array[inner_N] for name, array in rows.items()} if judged else None,
            prepare=preparation(shape),
        )

    @classmethod
    def setting_fault(cls, params: Mapping[str, Any]) -> str:
        """Return why the class that these settings name cannot be had; empty when it can. Imports it."""
        from assay.algorithms._module import class_of

        try:
            class_of(str(params.get("module", OWN)))
        except ValueError as error:
            return f"'{params.get('module', OWN)}' {error}"
        return ""

    def rehearse(self, batch: Batch) -> None:
        """Pass a few of these rows through the network and back.

        Raises:
            NetworkError: says what the network returned, or where it failed, and what is expected.
        """
        from assay.training.rehearsal import FEW_ROWS, rehearse

        few = batch.take(np.unique(np.linspace(0, len(batch) - 1, 4 * FEW_ROWS).astype(int)))
        rehearse(type(self)(self.params.model_copy(update={"patience": 0})).job(few, seed=0), max(batch.num_classes, 1))

    def trained(self, job: Job, trained: Trained) -> FittedModule:
        """Return the model."""
        import torch

        from assay.algorithms._module import build

        network = build(job.shape)
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in trained.weights.items()})
        return FittedModule(job.shape, network.eval(), dict(trained.facts))

    def load(self, files: Files) -> FittedModule:
        """Read shape and weights; your module must be imported already, an artifact does not choose what is.

        Raises:
            ArtifactFault: a file is missing or broken, or asks to import a module that this process does not know.
        """
        from assay.algorithms._module import Shape, build
        from assay.training.files import from_files

        def checked(shape: Shape) -> nn.Module:
            if shape.module != OWN:
                known_import(shape.module)
            return build(shape)

        return FittedModule(*from_files(files, Shape, checked))

    def settled(self, facts: Sequence[Mapping[str, float]]) -> Algorithm:
        """Return it without an inner slice, for as many passes over all rows as the folds found."""
        found = [fact["num_epochs"] for fact in facts if "num_epochs" in fact]
        if not found or not self.params.patience:
            return self
        num_epochs = max(1, round(float(np.mean(found))))
        return TorchModule(self.params.model_copy(update={"num_epochs": num_epochs, "patience": 0}))

    def _plan(self, num_rows: int, judged: bool) -> Plan:
        asked: dict[str, Any] = self.params.model_dump(exclude={"module", "params", "inner_fraction", "patience"})
        asked["batch_size"] = min(self.params.batch_size, max(8, num_rows // FEWEST_STEPS))
        return Plan(**asked, patience=self.params.patience if judged else 0)

    def _shape(self, batch: Batch) -> Shape:
        from assay.algorithms._module import Shape

        kind, x = _read(batch)
        input_shape = x.shape[1:] if kind != "image" else (x.shape[3], x.shape[1], x.shape[2])
        moments = {}
        if not batch.num_classes:
            y_N = batch.label_N
            moments = {"mean": float(y_N.mean()), "scale": float(y_N.std()) or 1.0}
        return Shape(
            module=self.params.module,
            params=self.params.params,
            reads=kind,
            input_shape=input_shape,
            num_outputs=max(batch.num_classes, 1),
            **moments,
        )


@dataclass
class FittedModule:
    """The trained network."""

    shape: Shape
    network: nn.Module
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        from assay.algorithms._module import preparation

        _, x = _read(batch)
        if not len(x):
            return np.zeros((0, self.shape.num_outputs))
        return answers(self.network, {"x": x}, preparation(self.shape), mean=self.shape.mean, scale=self.shape.scale)

    def files(self) -> Files:
        """Return the shape as JSON and the weights as safetensors."""
        from assay.training.files import to_files
        from assay.training.state import weights_of

        return to_files(self.shape, weights_of(self.network))


def _read(batch: Batch) -> tuple[Literal["table", "image", "series"], np.ndarray]:
    """Return what the rows hold, and the array that the network reads."""
    if batch.names(ColumnKind.IMAGE):
        return "image", batch.only(ColumnKind.IMAGE)
    if batch.names(ColumnKind.SERIES):
        return "series", batch.only(ColumnKind.SERIES)
    return "table", batch.matrix().astype(np.float32, copy=False)


def _rows(batch: Batch) -> dict[str, np.ndarray]:
    rows: Rows = {"x": _read(batch)[1], "y": batch.label_N}
    if batch.weight_N is None:
        return dict(rows)
    weight_N = np.asarray(batch.weight_N, np.float32)
    return {**rows, "weight": weight_N / max(float(weight_N.mean()), 1e-12)}
