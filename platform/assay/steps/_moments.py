"""Moments of each feature of numeric columns, and the merging of states that hold one entry per feature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from assay.batch import Batch
from assay.parts import Json
from assay.profile import Moments
from assay.vocabulary import ColumnKind


def moments_of(batch: Batch, kinds: Iterable[ColumnKind]) -> dict[str, list[Moments]]:
    """Return, per column of these kinds, the moments of each of its features over the rows that have a value."""
    found = {}
    for name in batch.names(*kinds):
        x_ND = batch.columns[name].reshape(len(batch), -1).astype(np.float64)
        found[name] = [Moments.of(x_N[~np.isnan(x_N)]) for x_N in x_ND.T]
    return found


def merged(states: Sequence[Json], join: Callable[[Json, Json], Json]) -> Json:
    """Return the state of all blocks together, entry by entry."""
    whole = states[0]
    for state in states[1:]:
        whole = {
            name: [join(left, right) for left, right in zip(whole[name], state[name], strict=True)] for name in whole
        }
    return whole
