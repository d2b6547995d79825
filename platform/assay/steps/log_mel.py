"""Waveforms as pictures of sound: how loud each band of pitch is, a hundred times a second."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from pydantic import Field

from assay.batch import Batch
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind

CHUNK_VALUES = 4_000_000  # of all frames that are in memory at once
TINY = 1e-30  # keeps the logarithm of silence finite
MEL = "mel band"  # in the names of a spectrogram's channels


class LogMel(Step):
    """Replaces long series of one channel by their log-mel spectrogram: a series of frames with a channel a band.

    Series of fewer than `min_steps` at most, or of more channels, stay as they are. Levels are decibels below the
    loudest band of the series, no lower than `floor_db`, in units of ten, so a recording's gain says nothing. Frames
    at both ends that are `trim_db` below the loudest frame are silence and are cut off.

    Shape: (N, T, 1) to (N, T', num_mels), float32, NaN after each end; row by row, in chunks of bounded memory.
    Source: Stevens, Volkmann and Newman 1937 (the mel scale); Davis and Mermelstein 1980, "Comparison of parametric
    representations for monosyllabic word recognition".

    Example:
        >>> from assay.batch import Column
        >>> wave_NTC = np.sin(np.arange(2_000) * 0.3).astype(np.float32)[None, :, None]
        >>> batch = Batch({"x": wave_NTC}, {"x": Column(ColumnKind.SERIES)}, np.arange(1))
        >>> LogMel().apply({}, batch).columns["x"].shape
        (1, 23, 40)
    """

    takes = frozenset({ColumnKind.SERIES})

    class Params(Strict):
        sample_rate_hz: int = Field(8_000, ge=100, le=1_000_000, description="samples a second of the waveform")
        num_mels: int = Field(40, ge=4, le=256, description="bands of pitch, evenly spaced for the ear")
        window_ms: float = Field(25.0, ge=1, le=1_000, description="length of a frame in milliseconds")
        hop_ms: float = Field(10.0, ge=1, le=1_000, description="from the start of a frame to the next, milliseconds")
        low_hz: float = Field(60.0, ge=0, description="lowest pitch; the highest is half the sample rate")
        floor_db: float = Field(80.0, gt=0, le=200, description="decibels below the loudest band that count as silence")
        trim_db: float = Field(25.0, gt=0, le=200, description="decibels below the loudest frame cut off at both ends")
        min_steps: int = Field(1_000, ge=2, description="series whose longest is shorter are no waveforms")

    def columns(self, batch: Batch) -> list[str]:
        return [name for name in batch.names(*self.takes) if self._is_sound(batch.columns[name])]

    def _is_sound(self, x_NTC: np.ndarray) -> bool:
        return bool(x_NTC.shape[1] >= max(self.params.min_steps, self._window) and x_NTC.shape[2] == 1)

    @property
    def _window(self) -> int:
        return int(max(8, round(self.params.window_ms * self.params.sample_rate_hz / 1_000)))

    @property
    def _hop(self) -> int:
        return int(max(1, round(self.params.hop_ms * self.params.sample_rate_hz / 1_000)))

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns = {name: self._spectrograms(batch.columns[name][:, :, 0]) for name in self.columns(batch)}
        bands = {name: tuple(f"{name} {MEL} {band}" for band in range(self.params.num_mels)) for name in columns}
        return batch.with_columns(
            columns, {name: replace(batch.meaning[name], features=bands[name]) for name in columns}
        )

    def _spectrograms(self, wave_NT: np.ndarray) -> np.ndarray:
        num_frames = 1 + (wave_NT.shape[1] - self._window) // self._hop
        found = np.full((len(wave_NT), num_frames, self.params.num_mels), np.nan, np.float32)
        size = max(1, CHUNK_VALUES // (num_frames * self._window))
        for start in range(0, len(wave_NT), size):
            self._fill(found[start : start + size], wave_NT[start : start + size])
        return found

    def _fill(self, found_nFM: np.ndarray, wave_nT: np.ndarray) -> None:
        """Write the spectrograms of a chunk into a new array."""
        window, hop = self._window, self._hop
        length_n = (~np.isnan(wave_nT)).sum(axis=1)
        sound_nT = np.nan_to_num(wave_nT.astype(np.float64))
        frame_nFW = np.lib.stride_tricks.sliding_window_view(sound_nT, window, axis=1)[:, ::hop]
        num_bins = 2 ** int(np.ceil(np.log2(window)))
        power_nFB = np.abs(np.fft.rfft(frame_nFW * np.hanning(window + 1)[:-1], num_bins)) ** 2
        bank_BM = _filters(num_bins, self.params.num_mels, self.params.sample_rate_hz, self.params.low_hz)
        mel_nFM = power_nFB @ bank_BM
        for row, length in enumerate(length_n):
            frames = max(1, 1 + (int(length) - window) // hop)
            level_FM = self._levels(mel_nFM[row, :frames])
            found_nFM[row, : len(level_FM)] = level_FM

    def _levels(self, mel_FM: np.ndarray) -> np.ndarray:
        """Return the levels of one series without the silence at its ends, 0 at the floor, a unit ten decibels."""
        loud_F = 10 * np.log10(mel_FM.sum(axis=1) + TINY)
        heard_F = np.flatnonzero(loud_F >= loud_F.max() - self.params.trim_db)
        level_FM = 10 * np.log10(mel_FM[heard_F[0] : heard_F[-1] + 1] + TINY)
        floor = self.params.floor_db
        return np.asarray((np.maximum(level_FM - level_FM.max(), -floor) + floor) / 10)


@cache
def _filters(num_bins: int, num_mels: int, rate_hz: int, low_hz: float) -> np.ndarray:
    """Return weight_BM: triangles over the bins of the spectrum, even on the mel scale, at least one bin wide."""
    high_hz = rate_hz / 2
    low_mel, high_mel = (2_595 * np.log10(1 + hz / 700) for hz in (min(low_hz, high_hz / 2), high_hz))
    edge_hz = 700 * (10 ** (np.linspace(low_mel, high_mel, num_mels + 2) / 2_595) - 1)
    bin_hz = np.arange(num_bins // 2 + 1) * rate_hz / num_bins
    step_hz = rate_hz / num_bins
    left = (bin_hz[:, None] - edge_hz[:-2]) / np.maximum(edge_hz[1:-1] - edge_hz[:-2], step_hz)
    right = (edge_hz[2:] - bin_hz[:, None]) / np.maximum(edge_hz[2:] - edge_hz[1:-1], step_hz)
    found: np.ndarray = np.maximum(0, np.minimum(left, right))
    return found
