"""Series of many lengths in one Arrow column: nested lists in, padded arrays out, what is wrong with them by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import Fault
from assay.kinds import _tensors

MIN_STEPS = 2  # fewer say nothing about time
LARGEST = float(np.finfo(np.float32).max)
FAR = 2.0**10  # means at so many times the spread leave float32 fewer than 2**14 values for the moves of a channel
EXACT = (pa.float32(), pa.float16(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16())  # that float32 holds exactly
DROP = "drop these rows"
LISTS = pa.large_list(pa.large_list(pa.float64()))


@dataclass(frozen=True)
class Ragged:
    """The steps of N series one after another: value_SC, NaN where missing, and how many steps each has.

    Numbers are float64 where float32 might not hold them.
    """

    value_SC: np.ndarray
    length_N: np.ndarray

    @property
    def row_S(self) -> np.ndarray:
        """The position of the series that each step belongs to."""
        return np.repeat(np.arange(len(self.length_N)), self.length_N)

    @property
    def step_S(self) -> np.ndarray:
        """The place of each step in its series."""
        start_N = np.cumsum(self.length_N) - self.length_N
        return np.asarray(np.arange(len(self.value_SC)) - np.repeat(start_N, self.length_N))

    def ends(self) -> np.ndarray:
        """Return end_N: the steps of each series up to the last that holds a value; the rest is padding."""
        end_N = np.zeros(len(self.length_N), np.int64)
        said_S = ~np.isnan(self.value_SC).all(axis=1)
        np.maximum.at(end_N, self.row_S[said_S], self.step_S[said_S] + 1)
        return end_N

    def infinite(self) -> np.ndarray:
        """Return a mask of the series that hold an infinite number."""
        mask_N = np.zeros(len(self.length_N), bool)
        mask_N[self.row_S[(np.abs(self.value_SC) > LARGEST).any(axis=1)]] = True
        return mask_N

    def broken(self) -> np.ndarray:
        """Return a mask of the series that nothing can be learned from: too short, or not finite."""
        return np.asarray((self.ends() < MIN_STEPS) | self.infinite())

    def padded(self, num_steps: int, fill: float, centres: Sequence[float] = ()) -> np.ndarray:
        """Return x_NTC, NaN after each end; longer series are cut, gaps are bridged by straight lines.

        Before the first and after the last value of a channel that value stands; a channel without any holds `fill`.
        `centres` is taken off each channel before it becomes float32.
        """
        shape = (len(self.length_N), num_steps, self.value_SC.shape[1])
        x_NTC = np.full(shape, np.nan, np.float32)
        row_S, step_S = self.row_S, self.step_S
        kept_S = step_S < num_steps
        centre_C = np.array(centres or np.zeros(shape[2]))
        value_SC = self.value_SC - centre_C if centre_C.any() else self.value_SC
        x_NTC[row_S[kept_S], step_S[kept_S]] = value_SC[kept_S]
        end_N = np.minimum(self.ends(), num_steps)
        missing_NT = np.isnan(x_NTC).any(axis=2) & (np.arange(num_steps) < end_N[:, None])
        for row in np.flatnonzero(missing_NT.any(axis=1)):
            for channel in range(shape[2]):
                _bridge(x_NTC[row, : end_N[row], channel], 0.0 if centre_C[channel] else fill)
        return x_NTC


def read(column: pa.ChunkedArray | pa.Array, name: str, row_N: np.ndarray) -> Ragged | Fault:
    """Return the series of a column of lists of numbers, or of lists of steps that are lists of channels."""
    array = _tensors.combined(column)
    depth, leaf = _tensors.depth(array.type), _tensors.leaf(array.type)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        told = _from_text(array, name, row_N)
        if isinstance(told, Fault):
            return told
        array = told
        depth, leaf = _tensors.depth(array.type), _tensors.leaf(array.type)
    number = pa.types.is_integer(leaf) or pa.types.is_floating(leaf) or pa.types.is_decimal(leaf)
    if pa.types.is_null(array.type):
        return Ragged(np.zeros((0, 1), np.float32), np.zeros(len(array), np.int64))
    if depth not in (1, 2) or not (number or pa.types.is_null(leaf)):
        return Fault(
            f"column '{name}'", f"found {array.type}, expected series: lists of numbers or of lists of numbers"
        )
    length_N = _tensors.lengths(array).astype(np.int64)
    flat = array.flatten()
    if depth == 1:
        return Ragged(_numbers(flat)[:, None], length_N)
    size_S = _tensors.lengths(flat)
    sizes = np.unique(size_S[size_S > 0])
    if len(sizes) > 1:
        row_S = np.repeat(row_N, length_N)
        first = row_S[np.flatnonzero((size_S > 0) & (size_S != size_S[size_S > 0][0]))[0]]
        return Fault(
            f"column '{name}'", f"steps have {sizes[0]} to {sizes[-1]} channels (first change: row {first})",
            "give each step a number for every channel; null where it is missing",
        )  # fmt: skip
    numbers = _numbers(flat.flatten())
    value_SC = np.full((len(size_S), int(sizes[0]) if len(sizes) else 1), np.nan, numbers.dtype)
    value_SC[size_S > 0] = numbers.reshape(-1, value_SC.shape[1])
    return Ragged(value_SC, length_N)


def _from_text(array: pa.Array, name: str, row_N: np.ndarray) -> pa.Array | Fault:
    """Return the series that JSON texts hold, as requests without lists bring them."""
    found: list[Any] = []
    for place, text in enumerate(array.to_pylist()):
        try:
            found.append(None if text is None else json.loads(text))
            pa.array(found[-1:]).cast(pa.large_list(pa.float64()) if _is_flat(found[-1]) else LISTS)
        except (ValueError, TypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, RecursionError):
            return Fault(
                f"column '{name}'", f"found {text[:30]!r} in row {row_N[place]}, expected a list of numbers as JSON"
            )
    try:
        return pa.array(found)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return Fault(f"column '{name}'", "found lists of numbers and lists of lists, expected one of them")


def _is_flat(series: Any) -> bool:
    return series is None or not any(isinstance(step, list) for step in series)


def _numbers(flat: pa.Array) -> np.ndarray:
    kind = pa.float32() if flat.type in EXACT else pa.float64()
    found: np.ndarray = pc.cast(flat, kind, safe=False).to_numpy(zero_copy_only=False)
    return found


def _bridge(value_T: np.ndarray, fill: float) -> None:
    """Fill the gaps of one channel of a new array in place."""
    known_T = ~np.isnan(value_T)
    if not known_T.any():
        value_T[:] = fill
    elif not known_T.all():
        place_T = np.arange(len(value_T))
        value_T[~known_T] = np.interp(place_T[~known_T], place_T[known_T], value_T[known_T])


def to_array(
    column: pa.ChunkedArray | pa.Array,
    name: str,
    shape: tuple[int, ...],
    fill: float,
    row_N: np.ndarray,
    centres: Sequence[float] = (),
) -> np.ndarray | Fault:
    """Return x_NTC of the shape (most steps, channels) that training told, or the fault that prevents it."""
    found = read(column, name, row_N)
    if isinstance(found, Fault):
        return found
    num_channels = found.value_SC.shape[1]
    if num_channels != shape[1] and len(found.value_SC):
        return Fault(f"column '{name}'", f"found {num_channels} channels, expected {shape[1]}")
    infinite_N, short_N = found.infinite(), found.ends() < MIN_STEPS
    if infinite_N.any():
        return row_fault(name, int(infinite_N.sum()), len(row_N), "hold infinite numbers", row_N[infinite_N][0])
    if short_N.any():
        return row_fault(name, int(short_N.sum()), len(row_N), f"have fewer than {MIN_STEPS} steps", row_N[short_N][0])
    if num_channels != shape[1]:  # of no rows nobody knows how many channels they would have
        found = Ragged(np.zeros((0, shape[1]), np.float32), found.length_N)
    return found.padded(shape[0], fill, centres)


def to_plain(
    column: pa.ChunkedArray | pa.Array, name: str, num_steps: int, centres: Sequence[float] = ()
) -> list[Any] | Fault:
    """Return the first steps of each series as lists of numbers, of lists where there are channels; None where missing.

    Numbers are the shortest that are read as the same float32, or as the same at all where channels have centres.
    """
    exact = any(centres)
    found = read(column, name, np.arange(len(column)))
    if isinstance(found, Fault):
        return found
    flat = found.value_SC.shape[1] == 1
    series = np.split(found.value_SC, np.cumsum(found.length_N)[:-1])
    plain = [[[_shortest(value, exact) for value in step] for step in steps[:num_steps]] for steps in series]
    return [[step[0] for step in steps] for steps in plain] if flat else plain


def _shortest(value: np.floating[Any], exact: bool) -> float | None:
    if not np.isfinite(value):
        return None
    return float(value) if exact else float(str(np.float32(value)))


def centre(mean: float, std: float) -> float:
    """Return what is taken off a channel: its mean where that is far from zero, else nothing."""
    return mean if abs(mean) >= FAR * std and mean else 0.0


def row_fault(name: str, count: int, num_rows: int, what: str, first: int) -> Fault:
    """Return the fault of some series, the first of them named by its row."""
    return Fault(f"column '{name}'", f"{count:,} of {num_rows:,} series {what} (first: row {first})", DROP)
