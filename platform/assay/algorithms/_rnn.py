"""The network of `rnn`: its shape as data and its layers. Imports torch."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from assay.spec.strict import Strict

FIRST_SCALE = 0.1  # of embeddings before training
Tensors = dict[str, Tensor]


class Shape(Strict):
    """Everything that fixes the layers, and nothing else; bounded, since it may come from a stranger."""

    reads: Literal["text", "series"] = Field(description="what the network reads")
    words: tuple[str, ...] = Field(
        max_length=10_000_000, description="words known by name, in the order of their numbers"
    )
    num_buckets: int = Field(ge=0, le=10_000_000, description="buckets of the other words")
    num_channels: int = Field(ge=1, le=100_000, description="numbers of a step, or of a token's embedding")
    num_joined: int = Field(ge=1, le=100_000, description="steps of a series that are read as one")
    num_steps: int = Field(ge=1, le=10_000_000, description="steps that are read at most")
    num_numbers: int = Field(ge=0, le=1_000_000, description="numbers beside the sequence")
    num_outputs: int = Field(ge=1, le=1_000_000, description="classes, or 1 for regression")
    cell: Literal["gru", "lstm"] = Field(description="recurrent unit")
    width: int = Field(ge=1, le=8_192, description="units in each direction")
    num_layers: int = Field(ge=1, le=16, description="recurrent layers")
    two_ways: bool = Field(description="whether sequences are read backwards too")
    label_mean: float = Field(description="of a number that is predicted")
    label_scale: float = Field(ge=0, description="deviation of a number that is predicted; 0 for classes")
    dropout: float = Field(ge=0, lt=1, description="share of units silenced in training")
    word_dropout: float = Field(ge=0, lt=1, description="share of tokens or steps left out in training")

    @property
    def num_tokens(self) -> int:
        """Numbers that a token may have: no word, the known ones, the buckets; 0 where series are read."""
        return 1 + len(self.words) + self.num_buckets if self.reads == "text" else 0


class Recurrent(nn.Module):
    """Reads each sequence to its own end, and pools what it read by attention and by the mean.

    Source: Cho et al. 2014 (GRU); Hochreiter and Schmidhuber 1997 (LSTM); Yang et al. 2016, "Hierarchical attention
    networks for document classification" (attention).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        size = shape.num_channels
        if shape.reads == "text":
            self.embedding = nn.Embedding(shape.num_tokens, size, padding_idx=0)
            with torch.no_grad():
                self.embedding.weight.mul_(FIRST_SCALE)
        else:
            self.register_buffer("mean", torch.zeros(size))
            self.register_buffer("scale", torch.ones(size))
            size *= shape.num_joined
        made = nn.GRU if shape.cell == "gru" else nn.LSTM
        between = shape.dropout if shape.num_layers > 1 else 0.0
        ways = {"batch_first": True, "bidirectional": shape.two_ways, "dropout": between}
        self.recurrent = made(size, shape.width, shape.num_layers, **ways)
        size = shape.width * (1 + shape.two_ways)
        self.attention = nn.Sequential(nn.Linear(size, shape.width), nn.Tanh(), nn.Linear(shape.width, 1))
        self.silence = nn.Dropout(shape.dropout)
        self.head = nn.Linear(2 * size + shape.num_numbers, shape.num_outputs)

    def forward(self, sequence: Tensor, length: Tensor, beside: Tensor | None = None) -> Tensor:
        """Return output_NK for token_NL or x_NTC, of which the first `length` entries of each row count."""
        if self.shape.reads == "text":
            h_NTC, there_NT = self._embedded(sequence)
        else:
            h_NTC, length = self._steps(sequence, length)
            there_NT = torch.arange(h_NTC.shape[1], device=length.device) < length[:, None]
        pooled_NC = self._read(h_NTC, there_NT, length)
        pooled_NC = self.silence(pooled_NC)
        if beside is not None:
            pooled_NC = torch.cat([pooled_NC, beside], dim=1)
        output_NK: Tensor = self.head(pooled_NC)
        return output_NK

    def _embedded(self, token_NL: Tensor) -> tuple[Tensor, Tensor]:
        token_NL = token_NL.long()
        if self.training and self.shape.word_dropout:
            token_NL = token_NL * (torch.rand(token_NL.shape) >= self.shape.word_dropout).to(token_NL.device)
        return self.silence(self.embedding(token_NL)), token_NL > 0

    def _steps(self, x_NTC: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        h_NTC = torch.nan_to_num((x_NTC - self.mean) / self.scale)
        if self.training and self.shape.word_dropout:
            h_NTC = h_NTC * (torch.rand(h_NTC.shape[:2]) >= self.shape.word_dropout).to(h_NTC.device)[:, :, None]
        joined = self.shape.num_joined
        if joined > 1:
            num_rows, num_steps, size = h_NTC.shape
            h_NTC = nn.functional.pad(h_NTC, (0, 0, 0, -num_steps % joined)).reshape(num_rows, -1, joined * size)
            length = (length + joined - 1) // joined
        return h_NTC, length

    def _read(self, h_NTC: Tensor, there_NT: Tensor, length: Tensor) -> Tensor:
        share_NT = there_NT.to(h_NTC.dtype)
        share_NT = share_NT / share_NT.sum(dim=1, keepdim=True).clamp(min=1)
        packed = pack_padded_sequence(h_NTC, length.cpu(), batch_first=True, enforce_sorted=False)
        h_NTC, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=h_NTC.shape[1])
        score_NT = self.attention(h_NTC)[:, :, 0].masked_fill(~there_NT, -1e4)
        # All scores of a row without a word are alike: they would spread over padding that depends on the texts beside.
        heed_NT = score_NT.softmax(dim=1) * there_NT
        pooled = [torch.einsum("nt,ntc->nc", weight_NT, h_NTC) for weight_NT in (heed_NT, share_NT)]
        return torch.cat(pooled, dim=1)


def trimmed_tokens(rows: Tensors) -> Tensors:
    """Return a batch without the padding that all its texts share, and the length of each, 1 at least."""
    return _trimmed(rows, rows["sequence"] > 0)


def trimmed_series(rows: Tensors) -> Tensors:
    """Return a batch without the padding that all its series share, and the length of each, 1 at least."""
    return _trimmed(rows, ~rows["sequence"].isnan().all(dim=2))


def _trimmed(rows: Tensors, there_NT: Tensor) -> Tensors:
    place_T = torch.arange(1, there_NT.shape[1] + 1)
    length = (there_NT * place_T).amax(dim=1).clamp(min=1)
    return {**rows, "sequence": rows["sequence"][:, : int(length.max())], "length": length}
