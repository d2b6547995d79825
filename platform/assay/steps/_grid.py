"""Series stretched to one length: where each of a few evenly spaced places lies between two steps."""

from __future__ import annotations

import numpy as np

CHUNK_VALUES = 4_000_000  # that are in memory at once


def lengths(x_NTC: np.ndarray) -> np.ndarray:
    """Return the number of steps of each series, at least one."""
    return np.maximum(1, (~np.isnan(x_NTC[:, :, 0])).sum(axis=1)) if x_NTC.shape[1] else np.ones(len(x_NTC), np.int64)


def stretched(x_NTC: np.ndarray, num_places: int) -> np.ndarray:
    """Return x_NGC float32: each series at `num_places` places from its first step to its last, between steps by line.

    Where a place stands for more than two steps, the mean of the steps around it is taken, so nothing is skipped.

    Example:
        >>> stretched(np.array([[[0.0], [4.0], [np.nan]]]), 3)[0, :, 0].tolist()
        [0.0, 2.0, 4.0]
    """
    num_rows, _, num_channels = x_NTC.shape
    found = np.zeros((num_rows, num_places, num_channels), np.float32)
    size = max(1, CHUNK_VALUES // max(1, x_NTC.shape[1] * num_channels))
    for start in range(0, num_rows, size):
        part = x_NTC[start : start + size]
        found[start : start + size] = _line(part, num_places)
    return found


def _line(x_nTC: np.ndarray, num_places: int) -> np.ndarray:
    length_n = lengths(x_nTC)
    sum_nTC = np.cumsum(np.nan_to_num(x_nTC), axis=1, dtype=np.float64)
    sum_nTC = np.concatenate([np.zeros_like(sum_nTC[:, :1]), sum_nTC], axis=1)  # of the steps before each step
    place_nG = (length_n - 1)[:, None] * np.linspace(0, 1, num_places)
    # The mean over one place's width around it; for short series that is the line between two steps.
    half_n = np.maximum(1.0, (length_n - 1) / max(1, num_places - 1))[:, None] / 2
    low_nG = np.clip(place_nG - half_n + 0.5, 0, length_n[:, None])
    high_nG = np.clip(place_nG + half_n + 0.5, 0, length_n[:, None])
    total_nGC = _sum_to(sum_nTC, high_nG) - _sum_to(sum_nTC, low_nG)
    return np.asarray(total_nGC / (high_nG - low_nG)[:, :, None])


def _sum_to(sum_nTC: np.ndarray, place_nG: np.ndarray) -> np.ndarray:
    """Return the sum of each series up to places that may lie inside a step."""
    last = sum_nTC.shape[1] - 1
    left_nG = np.minimum(place_nG.astype(np.int64), last)
    share_nG1 = (place_nG - left_nG)[:, :, None]
    row_n1 = np.arange(len(sum_nTC))[:, None]
    right_nG = np.minimum(left_nG + 1, last)
    return np.asarray(sum_nTC[row_n1, left_nG] * (1 - share_nG1) + sum_nTC[row_n1, right_nG] * share_nG1)
