"""What plays: columns, patches of an image, stretches of a series, words. Each says what a row is without it.

Training rows, the ground, stand in for columns. The mean of an image or of a series stands in for its own patches or
stretches, and nothing for a word, so that those need no other row.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.batch import Batch

GRID = 8  # patches along a side of an image, at most
FEWEST_PIXELS = 2  # along a side of a patch
MAX_STRETCHES = 16  # of a series, over all channels that play apart
FEWEST_STEPS = 2  # of a stretch
MAX_CHANNELS = 4  # of a series, that play apart; more play together
MAX_WORDS = 48  # of a text, that play alone; more play in groups of neighbours


@dataclass(frozen=True)
class Columns:
    """Columns, alone or in groups that play as one."""

    names: tuple[str, ...]
    values: tuple[Any, ...]
    groups: tuple[tuple[str, ...], ...]  # the columns of each player
    row: Batch  # one row
    ground: Batch  # training rows

    def columns(self, z_MP: np.ndarray, ground_M: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the row's own values, or those of a training row."""
        return {
            name: np.where(z_MP[:, place], self.row.columns[name], self.ground.columns[name][ground_M])
            for place, names in enumerate(self.groups)
            for name in names
        }

    def same(self, ground_G: np.ndarray) -> np.ndarray:
        """Return a mask (G, P): who is the same on that ground as in the row, so that it is one if they play."""
        same_GP = np.ones((len(ground_G), len(self.groups)), bool)
        for place, names in enumerate(self.groups):
            for name in names:
                mine, theirs_G = self.row.columns[name], self.ground.columns[name][ground_G]
                same_GP[:, place] &= (mine == theirs_G) | ((mine != mine) & (theirs_G != theirs_G))  # NaN is missing
        return same_GP


@dataclass(frozen=True)
class Cells:
    """Parts of one array: patches of an image, stretches of a series."""

    names: tuple[str, ...]
    values: tuple[Any, ...]
    column: str
    cell: np.ndarray  # the array of the row
    hidden: np.ndarray  # the same shape: what stands in for its parts
    place: np.ndarray  # the same shape: the player that each number belongs to, -1 for what is always there

    def columns(self, z_MP: np.ndarray, ground_M: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the array with the parts of those who do not play replaced."""
        shown_MP = np.hstack([z_MP, np.ones((len(z_MP), 1), bool)])  # place -1 is the last
        return {self.column: np.where(shown_MP[:, self.place], self.cell, self.hidden)}


@dataclass(frozen=True)
class Words:
    """Pieces of one text; those who do not play are left out of it."""

    names: tuple[str, ...]
    values: tuple[str, ...]
    column: str
    pieces: tuple[str, ...]

    def columns(self, z_MP: np.ndarray, ground_M: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the text without them."""
        texts = ["".join(piece for piece, there in zip(self.pieces, z_P, strict=True) if there) for z_P in z_MP]
        return {self.column: np.array([text.strip() for text in texts], object)}


Players = Columns | Cells | Words  # all have `names`, `values` as JSON, and `columns(z_MP, ground_M)`


def patches(name: str, image_HWC: np.ndarray) -> Cells:
    """Return the patches of an image: a grid of at most GRID x GRID, each named by its rows and columns of pixels."""
    height, width, _ = image_HWC.shape
    row_edges, column_edges = (_edges(side, min(GRID, side // FEWEST_PIXELS)) for side in (height, width))
    row_H, column_W = (_part_of(edges) for edges in (row_edges, column_edges))
    num_across = len(column_edges) - 1
    place_HW = row_H[:, None] * num_across + column_W[None, :]
    mean_C = image_HWC.mean(axis=(0, 1))
    hidden_HWC = np.broadcast_to(np.rint(mean_C).astype(image_HWC.dtype), image_HWC.shape)
    names = [
        f"{name}[{top}:{bottom}, {left}:{right}]"
        for top, bottom in itertools.pairwise(row_edges)
        for left, right in itertools.pairwise(column_edges)
    ]
    place_HWC = np.broadcast_to(place_HW[:, :, None], image_HWC.shape)
    values = [round(float(image_HWC[place_HW == player].mean()), 2) for player in range(len(names))]
    return Cells(tuple(names), tuple(values), name, image_HWC, hidden_HWC, place_HWC)


def stretches(name: str, series_TC: np.ndarray) -> Cells:
    """Return stretches of a series, of each channel where there are few; named by their steps, and the channel.

    What is NaN after the end of a series stays. The mean of the channel in this series stands in for a stretch.
    """
    there_T = ~np.isnan(series_TC).all(axis=1)
    num_steps, num_channels = int(there_T.sum()), series_TC.shape[1]
    groups = num_channels if num_channels <= MAX_CHANNELS else 1
    edges = _edges(num_steps, min(num_steps // FEWEST_STEPS, MAX_STRETCHES // groups))
    num_parts = len(edges) - 1
    place_TC = np.full(series_TC.shape, -1)
    for channel in range(num_channels):
        place_TC[:num_steps, channel] = _part_of(edges) + num_parts * (channel % groups if groups > 1 else 0)
    hidden_TC = np.broadcast_to(np.nanmean(series_TC, axis=0).astype(series_TC.dtype), series_TC.shape)
    spans = [f"{first}:{last}" for first, last in itertools.pairwise(edges)]
    names = [f"{name}[{span}, {channel}]" if groups > 1 else f"{name}[{span}]"
             for channel in range(groups) for span in spans]  # fmt: skip
    values = [float(f"{series_TC[place_TC == player].mean():.6g}") for player in range(len(names))]
    return Cells(tuple(names), tuple(values), name, series_TC, hidden_TC, place_TC)


def words(name: str, text: str) -> Words:
    """Return the words of a text, or groups of neighbours of a long one, named by where their characters stand.

    A text that is one word plays by its characters: some languages put no blanks between words.
    """
    found = re.findall(r"\S+\s*", text)
    if len(found) == 1:
        found = list(text)
    edges = _edges(len(found), min(len(found), MAX_WORDS))
    pieces = ["".join(found[first:last]) for first, last in itertools.pairwise(edges)]
    ends = np.cumsum([0, *map(len, pieces)])
    names = [f"{name}[{start}:{start + len(piece.rstrip())}]" for start, piece in zip(ends, pieces, strict=False)]
    return Words(tuple(names), tuple(piece.rstrip() for piece in pieces), name, tuple(pieces))


def _edges(length: int, num_parts: int) -> list[int]:
    """Return where parts of nearly one length begin, and where the last ends."""
    if not length:
        return [0]
    return [int(edge) for edge in np.linspace(0, length, max(1, num_parts) + 1).round()]


def _part_of(edges: Sequence[int]) -> np.ndarray:
    """Return the part that each of the numbers 0, 1, … below the last edge lies in."""
    return np.repeat(np.arange(len(edges) - 1), np.diff(edges))
