"""A recurrent network for texts and series: reads in order, to each one's own end, and weighs what it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from assay.algorithms._inner import inner_rows
from assay.algorithms._texts import numbers_beside, texts_of
from assay.algorithms._tokens import Vocabulary
from assay.batch import Batch
from assay.parts import Algorithm, Files
from assay.spec.spaces import Choice, LogUniform, Uniform
from assay.spec.strict import Strict
from assay.training.job import Job, Plan, Rows, Trained
from assay.training.network import Network, answers
from assay.vocabulary import ColumnKind

if TYPE_CHECKING:
    from torch import nn

    from assay.algorithms._rnn import Shape

USUAL_STEPS = {"series": 600, "text": 200}  # of words, much is known by heart after a few passes
USUAL_EPOCHS = {"series": (6, 40), "text": (4, 40)}  # more passes over few rows, fewer over many
USUAL_BATCH = 16, 128
USUAL_WIDTH = {"series": 64, "text": 32}
TEXT_SHARE = 0.65  # of the seconds that a series takes
COST_READ = 70_000  # rows of all passes that `cost` is for


class Rnn(Network):
    """GRU or LSTM over the words of a text or the steps of a series, in both directions, pooled by attention.

    Words are embedded, and those not in enough training texts share a few buckets; a series is standardised by the mean
    and deviation of each channel. Numbers beside the sequence go to the last layer. Source: Cho et al. 2014 (GRU);
    Hochreiter and Schmidhuber 1997 (LSTM); Yang et al. 2016 (attention).

    Example:
        >>> from assay.batch import Column
        >>> x_NTC = np.linspace(-1, 1, 40, dtype=np.float32)[:, None, None].repeat(5, axis=1)
        >>> meaning = {"x": Column(ColumnKind.SERIES)}
        >>> batch = Batch({"x": x_NTC}, meaning, np.arange(40), np.repeat([0, 1], 20), num_classes=2)
        >>> Rnn(Rnn.Params(num_epochs=1, width=4)).fit(batch, seed=0).predict(batch).shape
        (40, 2)
    """

    class Params(Strict):
        """Settings of the network and its training."""

        cell: Literal["gru", "lstm"] = Field("gru", description="recurrent unit")
        width: int | None = Field(
            None, ge=1, le=2_048, description="units of the layer in each direction; null: 64 for series, 32 for texts"
        )
        num_layers: int = Field(1, ge=1, le=8, description="recurrent layers")
        two_ways: bool = Field(True, description="whether sequences are read backwards too")
        embedding: int = Field(64, ge=1, le=2_048, description="numbers that a word becomes")
        min_rows: int = Field(1, ge=1, le=1_000_000, description="training texts that a word must be in to be known")
        max_words: int = Field(50_000, ge=1, le=5_000_000, description="words known, the most frequent ones")
        num_buckets: int = Field(256, ge=1, le=1_000_000, description="buckets of the words that are not known")
        max_steps: int = Field(
            256, ge=1, le=100_000, description="words read of a text; steps of a series, of which longer ones join some"
        )
        dropout: float = Field(0.5, ge=0, lt=0.95, description="share of units silenced in training")
        word_dropout: float = Field(0.3, ge=0, lt=0.95, description="share of words or steps left out in training")
        learning_rate: float = Field(6e-3, gt=0, le=1, description="highest rate of AdamW, one cycle")
        weight_decay: float = Field(0.05, ge=0, le=10, description="pull of the weights to 0")
        label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the label given to all classes alike")
        batch_size: int | None = Field(
            None, ge=1, le=65_536, description="rows of one step; null: a sixteenth of them, within 16 to 128"
        )
        num_steps: int | None = Field(
            None,
            ge=1,
            le=1_000_000,
            description="steps of all passes, about, where `num_epochs` is null; null: 600 for series, 200 for texts",
        )
        num_epochs: int | None = Field(
            None, ge=1, le=10_000, description="passes over the rows at most; null: `num_steps`, within 4 to 40 passes"
        )
        patience: int = Field(
            0, ge=0, le=10_000, description="passes without gain on the inner slice before it stops; 0 takes all passes"
        )
        inner_fraction: float = Field(0.1, gt=0, le=0.5, description="share of the rows in the inner slice")
        ema_decay: float = Field(0.99, ge=0, lt=1, description="of the average of the weights that answers; 0 for none")
        precision: Literal["float32", "bfloat16"] = Field("float32", description="numbers of the forward pass")

    kinds = frozenset({"text", "series"})
    cost = 45.0
    space = {
        "cell": Choice(("gru", "lstm")),
        "embedding": Choice((32, 64, 128)),
        "dropout": Uniform(0.1, 0.6),
        "word_dropout": Uniform(0.0, 0.4),
        "learning_rate": LogUniform(1e-3, 1e-2),
    }

    @classmethod
    def cost_of(cls, num_rows: int, num_features: int, num_classes: int) -> float:
        """Return seconds, for sequences of some 25 steps; how long they are is not known beforehand."""
        reads = "text" if num_features <= 1 else "series"
        usual = USUAL_STEPS[reads] // max(1, num_rows // _usual_batch(num_rows))
        num_read = max(num_rows, 64) * int(np.clip(usual, *USUAL_EPOCHS[reads]))
        share = TEXT_SHARE if reads == "text" else 1.0
        return cls.cost * share * num_read / COST_READ * (1 + 0.001 * num_classes)

    def job(self, batch: Batch, seed: int) -> Job:
        """Return what to train on the rows of a batch."""
        from assay.algorithms._rnn import Recurrent, trimmed_series, trimmed_tokens

        shape, start = self._shape(batch)
        rows = {**sequences(shape, batch), **_labels(shape, batch)}
        inner_N = np.zeros(len(batch), bool)
        if self.params.patience:
            inner_N = inner_rows(batch.label_N, self.params.inner_fraction, seed)
        return Job(
            Recurrent,
            shape,
            tuple(name for name in rows if name not in ("y", "weight")),
            {name: array[~inner_N] for name, array in rows.items()},
            self._plan(int((~inner_N).sum()), shape.reads),
            seed,
            {name: array[inner_N] for name, array in rows.items()} if inner_N.any() else None,
            prepare=trimmed_tokens if shape.reads == "text" else trimmed_series,
            start=start,
        )

    def trained(self, job: Job, trained: Trained) -> FittedRnn:
        """Return the model."""
        import torch

        network = job.build(job.shape)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in trained.weights.items()})
        return FittedRnn(job.shape, network, dict(trained.facts))

    def load(self, files: Files) -> FittedRnn:
        """Read words, shape and weights.

        Raises:
            ArtifactFault: a file is missing or broken, or the weights do not fit the shape.
        """
        from assay.algorithms._rnn import Recurrent, Shape
        from assay.training.files import from_files

        shape, network = from_files(files, Shape, Recurrent)
        Vocabulary(shape.words, shape.num_buckets).checked()
        return FittedRnn(shape, network)

    def settled(self, facts: Sequence[Mapping[str, float]]) -> Algorithm:
        """Return it without an inner slice, for as many passes over all rows as the folds found."""
        found = [fact["num_epochs"] for fact in facts if "num_epochs" in fact]
        if not found or not self.params.patience:
            return self
        num_epochs = max(1, round(float(np.mean(found))))
        return Rnn(self.params.model_copy(update={"num_epochs": num_epochs, "patience": 0}))

    def _shape(self, batch: Batch) -> tuple[Shape, dict[str, np.ndarray]]:
        """Return the shape of the network, and the weights that follow from the rows."""
        from assay.algorithms._rnn import Shape

        y_N, params = batch.label_N, self.params
        common = {
            "num_numbers": numbers_beside(batch).shape[1],
            "num_outputs": max(batch.num_classes, 1),
            "label_mean": 0.0 if batch.num_classes else float(y_N.mean()),
            "label_scale": 0.0 if batch.num_classes else float(y_N.std()) or 1.0,
            **params.model_dump(include={"cell", "num_layers", "two_ways", "dropout", "word_dropout"}),
        }
        start: dict[str, np.ndarray] = {}
        if batch.num_classes:
            share_K = (np.bincount(y_N, minlength=batch.num_classes) + 0.5) / len(y_N)
            start["head.bias"] = np.log(share_K).astype(np.float32)
        if batch.names(ColumnKind.SERIES):
            mean_C, scale_C, num_steps = _moments(batch.only(ColumnKind.SERIES))
            start |= {"mean": mean_C, "scale": scale_C}
            read = {
                **{"reads": "series", "words": (), "num_buckets": 0},
                **{
                    "num_channels": len(mean_C),
                    "num_steps": num_steps,
                    "num_joined": -(-num_steps // params.max_steps),
                },
            }
        else:
            known = Vocabulary.learned(texts_of(batch), params.min_rows, params.max_words, params.num_buckets)
            read = {
                **{"reads": "text", "words": known.words},
                **{"num_buckets": params.num_buckets, "num_channels": params.embedding},
                **{"num_steps": params.max_steps, "num_joined": 1},
            }
        width = params.width or USUAL_WIDTH[str(read["reads"])]
        return Shape.model_validate({**common, **read, "width": width}), start

    def _plan(self, num_rows: int, reads: str) -> Plan:
        params = self.params
        batch_size = params.batch_size or _usual_batch(num_rows)
        usual = (params.num_steps or USUAL_STEPS[reads]) // max(1, num_rows // batch_size)
        return Plan(
            params.num_epochs or int(np.clip(usual, *USUAL_EPOCHS[reads])),
            batch_size,
            params.learning_rate,
            params.weight_decay,
            label_smoothing=params.label_smoothing,
            ema_decay=params.ema_decay,
            clip_norm=1.0,
            patience=params.patience,
            precision=params.precision,
        )


@dataclass
class FittedRnn:
    """The trained network."""

    shape: Shape
    network: nn.Module
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK, float64."""
        from assay.algorithms._rnn import trimmed_series, trimmed_tokens

        if not len(batch):
            return np.zeros((0, self.shape.num_outputs))
        prepare = trimmed_tokens if self.shape.reads == "text" else trimmed_series
        mean, scale = self.shape.label_mean, self.shape.label_scale
        return answers(self.network, sequences(self.shape, batch), prepare, mean=mean, scale=scale)

    def files(self) -> Files:
        """Return words and shape as JSON, weights as safetensors."""
        from assay.training.files import to_files

        return to_files(self.shape, {name: tensor.numpy() for name, tensor in self.network.state_dict().items()})


def sequences(shape: Shape, batch: Batch) -> Rows:
    """Return what the network reads of each row: tokens or steps, and the numbers beside them where there are any."""
    if shape.reads == "text":
        known = Vocabulary(shape.words, shape.num_buckets)
        rows = {"sequence": known.tokens(texts_of(batch), shape.num_steps)}
    else:
        x_NTC = np.asarray(batch.only(ColumnKind.SERIES), np.float32)
        rows = {"sequence": x_NTC}
    return {**rows, "beside": numbers_beside(batch)} if shape.num_numbers else rows


def _usual_batch(num_rows: int) -> int:
    return int(np.clip(num_rows // 16, *USUAL_BATCH))


def _moments(x_NTC: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return mean_C and scale_C over all steps that are there, float32, and the most steps of a series."""
    flat_nC = x_NTC.reshape(-1, x_NTC.shape[2]).astype(np.float64)
    there_nC = ~np.isnan(flat_nC)
    count_C = np.maximum(there_nC.sum(axis=0), 1)
    mean_C = np.where(there_nC, flat_nC, 0).sum(axis=0) / count_C
    scale_C = np.sqrt((np.where(there_nC, flat_nC - mean_C, 0) ** 2).sum(axis=0) / count_C)
    return mean_C.astype(np.float32), np.where(scale_C > 0, scale_C, 1).astype(np.float32), max(1, x_NTC.shape[1])


def _labels(shape: Shape, batch: Batch) -> dict[str, np.ndarray]:
    """Return the class or standardised number of each row, and its weight, 1 on average, where rows are weighed."""
    y_N = np.array(batch.label_N)
    rows = {"y": ((y_N - shape.label_mean) / shape.label_scale).astype(np.float32) if shape.label_scale else y_N}
    if batch.weight_N is not None:
        rows["weight"] = (batch.weight_N / max(float(batch.weight_N.mean()), 1e-12)).astype(np.float32)
    return rows
