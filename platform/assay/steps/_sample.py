"""A bounded uniform sample of rows that merges: the rows with the smallest hashes of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from assay.batch import Batch
from assay.parts import Json
from assay.seeds import row_hash


def sampled(batch: Batch, names: Sequence[str], size: int) -> Json:
    """Return the sampled rows of a block: their hashes, and the values of each column in the same order."""
    hash_N = row_hash(batch.row_N, seed=0)  # the same rows in every step and fit
    order_n = np.argsort(hash_N, kind="stable")[:size]
    return {
        "hash": hash_N[order_n].tolist(),
        "values": {name: _plain(batch.columns[name][order_n]) for name in names},
    }


def merged(states: Sequence[Json], size: int) -> Json:
    """Return the sample of all blocks together."""
    hashes = [value for state in states for value in state["hash"]]
    order = sorted(range(len(hashes)), key=hashes.__getitem__)[:size]
    values = {}
    for name in states[0]["values"]:
        joined = [value for state in states for value in state["values"][name]]
        values[name] = [joined[place] for place in order]
    return {"hash": [hashes[place] for place in order], "values": values}


def _plain(array: np.ndarray) -> list[Any]:
    if array.dtype == object:
        return list(array)
    plain = array.astype(object)
    plain[np.isnan(array)] = None  # JSON knows no NaN
    return list(plain.tolist())
