"""Images as the directions of their edges, counted in small cells: what shapes are told by, whatever the light."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind

BLOCK_ROWS = 1_024  # at once
CLIP, FLOOR = 0.2, 0.05


class Gradients(Step):
    """Adds histograms of oriented gradients, float32, beside each column of images, which stays.

    Every pixel votes for the direction of its edge, by its strength, in the four cells nearest to it; each cell is then
    seen against each of the four squares of 2 x 2 cells around it. Source: Dalal and Triggs 2005, "Histograms of
    oriented gradients for human detection".

    Example:
        >>> image_NHWC = np.tile(np.arange(0, 256, 32, dtype=np.uint8)[:, None], (2, 1, 8, 1)).reshape(2, 8, 8, 1)
        >>> batch = Batch({"image": image_NHWC}, {"image": Column(ColumnKind.IMAGE)}, np.arange(2))
        >>> Gradients().apply({}, batch).columns["image gradients"].shape
        (2, 288)
    """

    takes = frozenset({ColumnKind.IMAGE})

    class Params(Strict):
        """Settings of the step."""

        num_cells: int = Field(5, ge=1, le=64, description="cells along the shorter side, of two pixels at least")
        num_directions: int = Field(8, ge=2, le=36, description="directions of edges that are told apart")

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in batch.names(*self.takes):
            image_NHWC = batch.columns[name]
            parts = [
                self._histograms(image_NHWC[start : start + BLOCK_ROWS]) for start in range(0, len(batch), BLOCK_ROWS)
            ]
            columns[f"{name} gradients"] = found_ND = np.concatenate(parts or [self._histograms(image_NHWC)])
            features = tuple(f"{name} gradient {place}" for place in range(found_ND.shape[1]))
            meaning[f"{name} gradients"] = Column(ColumnKind.NUMERIC, features=features)
        return batch.with_columns(columns, meaning)

    def _histograms(self, image_NHWC: np.ndarray) -> np.ndarray:
        grey_NHW = image_NHWC.astype(np.float32).mean(axis=3) / np.float32(255)
        num_rows, height, width = grey_NHW.shape
        side = max(2, round(min(height, width) / self.params.num_cells))
        vote_NDHW = self._votes(grey_NHW)
        weight_HR, weight_WC = _near(height, side), _near(width, side)
        cell_NDRC = weight_HR.T @ (vote_NDHW @ weight_WC)  # image by image: the same bits among any others
        block_NBRC = _against_neighbours(cell_NDRC)
        return block_NBRC.reshape(num_rows, math.prod(block_NBRC.shape[1:]))

    def _votes(self, grey_NHW: np.ndarray) -> np.ndarray:
        """Return each pixel's strength in each direction; between two directions it is shared."""
        wide = np.pad(grey_NHW, ((0, 0), (1, 1), (1, 1)), mode="edge")
        down_NHW = wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1]
        right_NHW = wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]
        strength_NHW = np.sqrt(down_NHW**2 + right_NHW**2)
        num = self.params.num_directions
        angle_NHW = np.mod(np.arctan2(down_NHW, right_NHW) / np.float32(np.pi) * num, num)
        direction_D = np.arange(num, dtype=np.float32)[:, None, None]
        apart = np.abs(angle_NHW[:, None] - direction_D)
        share = np.clip(1 - np.minimum(apart, num - apart), 0, None)
        return np.asarray(share * strength_NHW[:, None], np.float32)


def _near(length: int, side: int) -> np.ndarray:
    """Return how much each pixel of a line counts in each cell: the two nearest share it."""
    num_cells = max(1, round(length / side))
    centre_C = (np.arange(num_cells) + 0.5) * length / num_cells - 0.5
    apart_LC = np.abs(np.arange(length)[:, None] - centre_C) * num_cells / length
    return np.clip(1 - apart_LC, 0, None).astype(np.float32)


def _against_neighbours(cell_NDRC: np.ndarray) -> np.ndarray:
    """Return cells divided by the length of each square of 2 x 2 cells that they are part of, cut at the top."""
    squares = [cell_NDRC]
    if min(cell_NDRC.shape[2:]) > 1:
        rows, columns = cell_NDRC.shape[2] - 1, cell_NDRC.shape[3] - 1
        squares = [cell_NDRC[:, :, y : y + rows, x : x + columns] for y in (0, 1) for x in (0, 1)]
    block_NBRC = np.concatenate(squares, axis=1)
    for _ in range(2):  # cut and measured again, so that one edge does not hide the others
        length = np.sqrt((block_NBRC**2).sum(axis=1, keepdims=True) + np.float32(FLOOR**2))
        block_NBRC = np.minimum(block_NBRC / length, np.float32(CLIP))
    return np.asarray(block_NBRC, np.float32)
