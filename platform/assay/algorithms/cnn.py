"""Small residual networks for images, trained in one cycle on images that are changed a little each time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assay.batch import Batch
from assay.parts import Files
from assay.spec.spaces import Choice, LogUniform, Uniform
from assay.spec.strict import Strict
from assay.training.job import Job, Plan, Trained
from assay.training.network import Network, answers
from assay.vocabulary import ColumnKind

if TYPE_CHECKING:
    from torch import nn

    from assay.algorithms._cnn import Shape

LARGE = 20  # pixels of the longer side from which on the first layer looks at every second place
USUAL_IMAGES = 90_000  # seen in training where `num_epochs` is null: few images are seen more often
USUAL_EPOCHS = 9, 30
COLOURS = 3
IMAGE_S, PLACE_S = 5e-5, 3.3e-6  # of one core, for an image in training and for a place of its first maps


class ConvolutionalNet(Network):
    """A residual network whose size follows that of the images; it answers with an average of its weights.

    Source: He et al. 2016, "Deep residual learning for image recognition"; Smith and Topin 2019, "Super-convergence"
    (one cycle of the rate); Szegedy et al. 2016 (label smoothing); Jordan et al. 2024 (Muon).

    Example:
        >>> from assay.batch import Column
        >>> image_NHWC = np.zeros((16, 4, 4, 1), np.uint8)
        >>> image_NHWC[8:] = 255
        >>> batch = Batch(
        ...     {"image": image_NHWC}, {"image": Column(ColumnKind.IMAGE)}, np.arange(16), np.repeat([0, 1], 8),
        ...     num_classes=2)
        >>> ConvolutionalNet(ConvolutionalNet.Params(num_epochs=2)).fit(batch, seed=0).predict(batch).shape
        (16, 2)
    """

    kinds = frozenset({"image"})

    class Params(Strict):
        """Settings of the network and its training."""

        width: int = Field(24, ge=4, le=512, description="maps of the first stage; each stage has twice as many")
        blocks: int = Field(1, ge=1, le=8, description="residual blocks of a stage")
        num_stages: int | None = Field(
            None, ge=1, le=6, description="stages, each with half the places; null: as many as leave 4 x 4 places"
        )
        stride: int | None = Field(
            None, ge=1, le=4, description="step of the first layer; null: 2 from 20 pixels on, which is 3 times as fast"
        )
        dropout: float = Field(0.1, ge=0, lt=0.95, description="share of the last features silenced in training")
        mirror: bool = Field(False, description="whether half the images are seen from the other side in training")
        shift: float = Field(0.04, ge=0, le=0.5, description="share of the side by which images are moved, at most")
        cut: float = Field(0.0, ge=0, le=0.9, description="side of the patch blotted out in half the images, a share")
        learning_rate: float = Field(
            0.006, gt=0, le=1, description="highest rate of AdamW; Muon, for filters, has 5 times it"
        )
        weight_decay: float = Field(0.05, ge=0, le=10, description="pull of the weights to 0")
        batch_size: int = Field(64, ge=8, le=65_536, description="images of one step, at most an eighth of all")
        label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the truth that all classes get alike")
        num_epochs: int | None = Field(
            None, ge=1, le=10_000, description="passes over the images; null: 90,000 / images, within 9 to 30"
        )

    space = {
        "width": Choice((16, 24, 32)),
        "blocks": Choice((1, 2)),
        "dropout": Uniform(0.0, 0.4),
        "mirror": Choice((False, True)),
        "shift": Choice((0.0, 0.04, 0.1)),
        "cut": Choice((0.0, 0.25, 0.4)),
        "learning_rate": LogUniform(2e-3, 2e-2),
        "weight_decay": LogUniform(1e-2, 0.3),
    }
    portfolio = ({}, {"mirror": True}, {"cut": 0.25, "shift": 0.1})
    cost = 10.3

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds; `num_features` are pixels times channels."""
        grey = math.isqrt(num_features) ** 2 == num_features or num_features % COLOURS
        pixels = num_features if grey else num_features / COLOURS
        places = pixels / 4 if pixels >= LARGE**2 else pixels
        return num_rows * _epochs(num_rows) * (IMAGE_S + PLACE_S * places) * (1 + 0.001 * num_classes)

    def job(self, batch: Batch, seed: int) -> Job:
        """Return what to train: all rows learn, none are held back."""
        from assay.algorithms._augment import Augment
        from assay.algorithms._cnn import build, prepare

        params, image_NHWC = self.params, batch.only(ColumnKind.IMAGE)
        shape = self._shape(batch, image_NHWC)
        longer = max(image_NHWC.shape[1:3])
        augment = Augment(round(params.shift * longer), params.mirror, round(params.cut * longer))
        rows = {"image": image_NHWC, "y": _target(batch, shape)}
        if batch.weight_N is not None:
            rows["weight"] = (batch.weight_N / batch.weight_N.mean()).astype(np.float32)
        plan = Plan(
            num_epochs=params.num_epochs or _epochs(len(batch)),
            batch_size=max(1, min(params.batch_size, max(len(batch) // 8, 8), len(batch))),
            learning_rate=params.learning_rate,
            optimizer="muon",
            weight_decay=params.weight_decay,
            label_smoothing=params.label_smoothing,
            ema_decay=0.99,
            clip_norm=5.0,
        )
        return Job(build, shape, ("image",), rows, plan, seed, augment=augment, prepare=prepare)

    def _shape(self, batch: Batch, image_NHWC: np.ndarray) -> Shape:
        from assay.algorithms._cnn import Shape

        params, (_, height, width, channels) = self.params, image_NHWC.shape
        stride = params.stride or (2 if max(height, width) >= LARGE else 1)
        places = min(height, width) / stride
        stages = params.num_stages or min(4, 1 + math.ceil(math.log2(max(places / 4, 1))))
        y_N = np.zeros(1) if batch.num_classes else batch.label_N
        return Shape(
            height=height,
            width=width,
            channels=channels,
            num_outputs=max(batch.num_classes, 1),
            regression=batch.num_classes == 0,
            first_width=params.width,
            stages=(params.blocks,) * stages,
            stride=stride,
            dropout=params.dropout,
            pixel_mean=float(image_NHWC.mean(dtype=np.float64) / 255),
            pixel_std=max(float(image_NHWC.std(dtype=np.float64) / 255), 1e-3),
            label_mean=float(y_N.mean()),
            label_std=float(y_N.std()) or 1.0,
        )

    def trained(self, job: Job, trained: Trained) -> FittedNet:
        """Return the network with the weights that were found."""
        import torch

        network = job.build(job.shape)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in trained.weights.items()})
        return FittedNet(job.shape, network.eval(), trained.facts)

    def load(self, files: Files) -> FittedNet:
        """Read shape and weights.

        Raises:
            ArtifactFault: a file is missing or broken, or the weights do not fit the shape.
        """
        from assay.algorithms._cnn import Shape, build
        from assay.training.files import from_files

        return FittedNet(*from_files(files, Shape, build))


@dataclass
class FittedNet:
    """The trained network."""

    shape: Shape
    network: nn.Module
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        from assay.algorithms._cnn import prepare

        image_NHWC, shape = batch.only(ColumnKind.IMAGE), self.shape
        if not len(image_NHWC):
            return np.zeros((0, shape.num_outputs))
        scale = shape.label_std if shape.regression else 0.0
        return answers(self.network, {"image": image_NHWC}, prepare, mean=shape.label_mean, scale=scale)

    def files(self) -> Files:
        """Return the network's shape as JSON and its weights as safetensors."""
        from assay.training.files import to_files
        from assay.training.loop import weights_of

        return to_files(self.shape, weights_of(self.network))


def _epochs(num_rows: int) -> int:
    return int(np.clip(USUAL_IMAGES // max(num_rows, 1), *USUAL_EPOCHS))


def _target(batch: Batch, shape: Shape) -> np.ndarray:
    if batch.num_classes:
        return np.asarray(batch.label_N, np.int64)
    return ((batch.label_N - shape.label_mean) / shape.label_std).astype(np.float32)
