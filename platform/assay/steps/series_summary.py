"""Series as numbers about each channel: level, spread, course, roughness, and the mean of each part of the time."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.steps._grid import lengths, stretched
from assay.vocabulary import ColumnKind

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
PLAIN = ("mean", "deviation", "lowest", "highest", "first", "last", "slope", "roughness", "likeness")
CHUNK_VALUES = 2_000_000  # that are in memory at once


class SeriesSummary(Step):
    """Replaces a series by a few numbers for each channel, and its length.

    For each channel: mean, deviation, lowest, highest, first, last, slope over the whole time, roughness (deviation of
    the differences), likeness of neighbours (autocorrelation), five quantiles, and the mean of each of `num_parts`
    equal parts of the time.

    Example:
        >>> batch = Batch({"x": np.ones((2, 9, 3), np.float32)}, {"x": Column(ColumnKind.SERIES)}, np.arange(2))
        >>> SeriesSummary(SeriesSummary.Params(num_parts=4)).apply({}, batch).columns["x"].shape
        (2, 55)
    """

    takes = frozenset({ColumnKind.SERIES})

    class Params(Strict):
        num_parts: int = Field(6, ge=1, le=1_000, description="parts of the time of which each gives its mean")

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in self.columns(batch):
            x_NTC = batch.columns[name]
            columns[name] = self._numbers(x_NTC)
            words = (*PLAIN, *(f"quantile {share}" for share in QUANTILES))
            words += tuple(f"part {part}" for part in range(self.params.num_parts))
            features = [f"{name}[{channel}] {word}" for word in words for channel in range(x_NTC.shape[2])]
            meaning[name] = Column(ColumnKind.NUMERIC, features=(*features, f"{name} log steps"))
        return batch.with_columns(columns, meaning)

    def _numbers(self, x_NTC: np.ndarray) -> np.ndarray:
        """Return number_ND, float32, a chunk of rows at a time."""
        num_rows, num_steps, num_channels = x_NTC.shape
        width = num_channels * (len(PLAIN) + len(QUANTILES) + self.params.num_parts) + 1
        found = np.zeros((num_rows, width), np.float32)
        size = max(1, CHUNK_VALUES // max(1, num_steps * num_channels))
        for start in range(0, num_rows, size):
            part = x_NTC[start : start + size]
            length_n = lengths(part)
            means_nGC = stretched(part, self.params.num_parts)
            columns = [*_plain(part, length_n), *_quantiles(part, length_n), *means_nGC.transpose(1, 0, 2)]
            found[start : start + size, :-1] = np.hstack(columns)
            found[start : start + size, -1] = np.log(length_n)
        return found


def _plain(x_nTC: np.ndarray, length_n: np.ndarray) -> list[np.ndarray]:
    """Return the numbers of `PLAIN`, each of shape (n, channels)."""
    rows_n, length_n1 = np.arange(len(x_nTC)), length_n[:, None]
    held_nT1 = (np.arange(x_nTC.shape[1]) < length_n1)[:, :, None]
    value_nTC = np.where(held_nT1, x_nTC, 0).astype(np.float64)
    mean_nC = value_nTC.sum(axis=1) / length_n1
    off_nTC = np.where(held_nT1, value_nTC - mean_nC[:, None], 0)
    square_nC = (off_nTC**2).sum(axis=1)
    step_nT = np.where(held_nT1[:, :, 0], np.arange(x_nTC.shape[1]) - (length_n1 - 1) / 2, 0)
    slope_nC = np.einsum("nt,ntc->nc", step_nT, off_nTC) * length_n1 / np.maximum((step_nT**2).sum(axis=1), 1)[:, None]
    change_nTC = np.where(held_nT1[:, 1:], np.diff(value_nTC, axis=1), 0)
    rough_nC = np.sqrt((change_nTC**2).sum(axis=1) / np.maximum(length_n1 - 1, 1))
    alike_nC = (off_nTC[:, 1:] * off_nTC[:, :-1]).sum(axis=1) / np.maximum(square_nC, 1e-12)
    low_nC = np.where(held_nT1, x_nTC, np.inf).min(axis=1, initial=np.inf)
    high_nC = np.where(held_nT1, x_nTC, -np.inf).max(axis=1, initial=-np.inf)
    first_nC, last_nC = value_nTC[rows_n, 0], value_nTC[rows_n, length_n - 1]
    return [mean_nC, np.sqrt(square_nC / length_n1), low_nC, high_nC, first_nC, last_nC, slope_nC, rough_nC, alike_nC]


def _quantiles(x_nTC: np.ndarray, length_n: np.ndarray) -> list[np.ndarray]:
    """Return each quantile with shape (n, channels); NaN sorts last, so a series' own values come first."""
    sorted_nTC = np.sort(x_nTC, axis=1)
    rows_n, found = np.arange(len(x_nTC)), []
    for share in QUANTILES:
        place_n = share * (length_n - 1)
        left_n = place_n.astype(np.int64)
        right_n = np.minimum(left_n + 1, length_n - 1)
        part_n1 = (place_n - left_n)[:, None]
        found.append(sorted_nTC[rows_n, left_n] * (1 - part_n1) + sorted_nTC[rows_n, right_n] * part_n1)
    return found
