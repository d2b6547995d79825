"""All chance in assay comes from here: a tree of seeds, grown from the experiment's one number by name.

A seed depends on the path of names that leads to it and on nothing else: not on a clock, a rank, a process or the
order in which seeds are asked for. That is what makes a run the same on one CPU and on many, interrupted or not.
"""

from __future__ import annotations

import hashlib

import numpy as np

SEED_BITS = 31  # scikit-learn, LightGBM and torch all accept a 31-bit unsigned seed


def child(seed: int, *path: str | int) -> int:
    """Return the seed at `path` below `seed`, in [0, 2**31).

    Example:
        >>> child(7, "trial", 3) == child(7, "trial", 3)
        True
        >>> child(7, "trial", 3) == child(7, "trial", 4)
        False
    """
    text = "/".join([str(seed), *(f"{type(part).__name__}:{part}" for part in path)])
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") % (1 << SEED_BITS)


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Return numpy's generator for the seed at `path` below `seed`."""
    return np.random.default_rng(child(seed, *path))


def row_hash(row_N: np.ndarray, seed: int) -> np.ndarray:
    """Return one well-mixed 64-bit hash per row id; the same id and seed give the same hash on any machine.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators" (the SplitMix64 finalizer).
    """
    offset = child(seed, "row_hash") * 0x9E3779B97F4A7C15 % 2**64
    with np.errstate(over="ignore"):
        state_N = row_N.astype(np.uint64) + np.uint64(offset)
        state_N = (state_N ^ (state_N >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state_N = (state_N ^ (state_N >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed_N: np.ndarray = state_N ^ (state_N >> np.uint64(31))
    return mixed_N
