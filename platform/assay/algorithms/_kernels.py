"""Random convolutions: which channels, steps and biases each reads, and the share of time that it is above them.

Every step is element-wise and counts are whole numbers, so a row gives the same bits alone and among others.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from assay.seeds import generator

TAPS = 9  # steps that a kernel reads
HIGH = np.array(list(combinations(range(TAPS), 3)))  # the three taps of weight 2; the six others weigh -1
MAX_CHANNELS = 9  # that a kernel adds up
GOLDEN = (np.sqrt(5) + 1) / 2
CHUNK_VALUES = 4_000_000  # of series that are in memory at once


@dataclass(frozen=True)
class Kernels:
    """K kernels on series of one length, each with B biases; `channel_KC` says which channels a kernel adds up."""

    high_K: np.ndarray  # int64, rows of HIGH
    dilation_K: np.ndarray  # int64, steps from a tap to the next
    channel_KC: np.ndarray  # uint8, 0 or 1
    bias_KB: np.ndarray  # float32

    @property
    def num_features(self) -> int:
        """Numbers that `shares` gives for a row."""
        return int(self.bias_KB.size)

    def shares(self, x_NTC: np.ndarray) -> np.ndarray:
        """Return share_NF, float32 in [0, 1]: of the time that each kernel's answer is above each of its biases."""
        num_rows, num_steps, num_channels = x_NTC.shape
        num_biases = self.bias_KB.shape[1]
        found = np.zeros((num_rows, len(self.high_K), num_biases), np.float32)
        size = max(1, CHUNK_VALUES // max(1, num_steps * num_channels))
        for start in range(0, num_rows, size):
            taps = _Taps(x_NTC[start : start + size])
            for kernel in range(len(self.high_K)):
                answer_nT = taps.answer(self, kernel)
                for bias in range(num_biases):
                    count_n = np.count_nonzero(answer_nT > self.bias_KB[kernel, bias], axis=1)
                    found[start : start + size, kernel, bias] = count_n / answer_nT.shape[1]
        return found.reshape(num_rows, self.num_features)


class _Taps:
    """A chunk of series with the channels first, shifted and summed once for each dilation."""

    def __init__(self, x_nTC: np.ndarray) -> None:
        self.x_CnT = np.ascontiguousarray(x_nTC.transpose(2, 0, 1), np.float32)
        self.dilation = 0
        self.tap_SCnT: list[np.ndarray] = []
        self.all_CnT = self.x_CnT

    def answer(self, kernels: Kernels, kernel: int) -> np.ndarray:
        """Return what a kernel says at each step; every second one leaves out steps that lack a neighbour."""
        self._shift(int(kernels.dilation_K[kernel]))
        one, two, three = (self.tap_SCnT[tap] for tap in HIGH[kernels.high_K[kernel]])
        answer_nT: np.ndarray = np.zeros_like(self.x_CnT[0])
        for channel in np.flatnonzero(kernels.channel_KC[kernel]):
            answer_nT += 3 * (one[channel] + two[channel] + three[channel]) - self.all_CnT[channel]
        edge = self.dilation * (TAPS // 2)
        return answer_nT if kernel % 2 == 0 or 2 * edge >= answer_nT.shape[1] else answer_nT[:, edge:-edge]

    def _shift(self, dilation: int) -> None:
        if dilation == self.dilation:
            return
        self.dilation = dilation
        edge, num_steps = dilation * (TAPS // 2), self.x_CnT.shape[2]
        wide_CnT = np.pad(self.x_CnT, ((0, 0), (0, 0), (edge, edge)))
        self.tap_SCnT = [wide_CnT[:, :, tap * dilation : tap * dilation + num_steps] for tap in range(TAPS)]
        self.all_CnT = self.tap_SCnT[0].copy()
        for tap_CnT in self.tap_SCnT[1:]:
            self.all_CnT += tap_CnT


def drawn(x_NTC: np.ndarray, num_features: int, seed: int) -> Kernels:
    """Return kernels for about `num_features` numbers: every pattern, at dilations up to the length of the series.

    Biases are quantiles of what the kernel answers to one training row, so each share differs from row to row.
    """
    draw = generator(seed, "kernels")
    _, num_steps, num_channels = x_NTC.shape
    per_pattern = max(1, round(num_features / len(HIGH)))
    dilations = _dilations(num_steps, per_pattern)
    num_biases = max(1, per_pattern // len(dilations))
    high_K = np.tile(np.arange(len(HIGH)), len(dilations))
    channel_KC = np.zeros((len(high_K), num_channels), np.uint8)
    most = np.log2(min(num_channels, MAX_CHANNELS) + 1)
    for kernel, size in enumerate((2 ** draw.uniform(0, most, len(high_K))).astype(np.int64)):
        channel_KC[kernel, draw.permutation(num_channels)[:size]] = 1
    empty = np.zeros((len(high_K), num_biases), np.float32)
    kernels = Kernels(high_K, np.repeat(dilations, len(HIGH)), channel_KC, empty)
    share_KB = (np.arange(1, empty.size + 1) * GOLDEN % 1).reshape(empty.shape)
    row_K = draw.integers(0, len(x_NTC), len(high_K))
    bias_KB = empty.copy()
    for kernel, row in enumerate(row_K):
        bias_KB[kernel] = np.quantile(_Taps(x_NTC[row : row + 1]).answer(kernels, kernel), share_KB[kernel])
    return Kernels(high_K, kernels.dilation_K, channel_KC, bias_KB)


def _dilations(num_steps: int, most: int) -> np.ndarray:
    widest = np.log2(max(1.0, (num_steps - 1) / (TAPS - 1)))
    return np.unique((2 ** np.linspace(0, widest, min(most, 32))).astype(np.int64))


def stretched(x_NTC: np.ndarray, length_N: np.ndarray, num_steps: int) -> np.ndarray:
    """Return x_NTC float32 of `num_steps` steps, each series to its own end: a mean of the steps around each place.

    Example:
        >>> stretched(np.array([[[0.0], [4.0], [np.nan]]]), np.array([2]), 3)[0, :, 0].tolist()
        [0.0, 2.0, 4.0]
    """
    found = np.zeros((len(x_NTC), num_steps, x_NTC.shape[2]), np.float32)
    for row, length in enumerate(np.maximum(length_N, 1)):
        total_TC = np.zeros((length + 1, x_NTC.shape[2]))  # of the steps before each
        np.cumsum(np.nan_to_num(x_NTC[row, :length]), axis=0, dtype=np.float64, out=total_TC[1:])
        place_G = np.linspace(0, length - 1, num_steps) + 0.5
        half = max(1.0, (length - 1) / (num_steps - 1)) / 2
        low_G, high_G = np.maximum(place_G - half, 0), np.minimum(place_G + half, length)
        found[row] = (_up_to(total_TC, high_G) - _up_to(total_TC, low_G)) / (high_G - low_G)[:, None]
    return found


def _up_to(total_TC: np.ndarray, place_G: np.ndarray) -> np.ndarray:
    """Return the sums up to places that may lie inside a step."""
    left_G = np.minimum(place_G.astype(np.int64), len(total_TC) - 2)
    share_G1 = (place_G - left_G)[:, None]
    return np.asarray(total_TC[left_G] * (1 - share_G1) + total_TC[left_G + 1] * share_G1)
