"""Rare levels of categories as one level, which levels unseen in training join."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.vocabulary import MISSING_CODE, ColumnKind


class GroupRare(Step):
    """Gives all levels of fewer than `min_count` training rows one code, behind those of the other levels.

    Example:
        >>> codes = np.array([0, 0, 1, 2, -1], np.int32)
        >>> batch = Batch({"plan": codes}, {"plan": Column(ColumnKind.CATEGORY, 3)}, np.arange(5))
        >>> step = GroupRare(GroupRare.Params(min_count=2))
        >>> step.apply(step.finish(step.measure(batch)), batch).columns["plan"].tolist()
        [0, 0, 1, 1, -1]
    """

    takes = frozenset({ColumnKind.CATEGORY})

    class Params(Strict):
        min_count: int = Field(5, ge=2, le=1_000_000, description="training rows from which a level stays by itself")

    def measure(self, batch: Batch) -> Json:
        return {name: _counts(batch, name).tolist() for name in batch.names(*self.takes)}

    def merge(self, states: Sequence[Json]) -> Json:
        return {name: np.sum([state[name] for state in states], axis=0).tolist() for name in states[0]}

    def finish(self, state: Json) -> Json:
        """Return the new code of each level; the last is that of levels unseen in training."""
        places = {}
        for name, counts in state.items():
            stays_L = np.array(counts) >= self.params.min_count
            place_L = np.where(stays_L, np.cumsum(stays_L) - 1, stays_L.sum())
            places[name] = [*place_L.tolist(), int(stays_L.sum())]
        return places

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name, places in state.items():
            code_N = batch.columns[name]
            place_L = np.array([*places, MISSING_CODE], np.int32)  # a missing code, -1, reads the last
            columns[name] = place_L[np.minimum(code_N, len(places) - 1)]
            grouped = len(places) - 1 > places[-1]
            meaning[name] = Column(ColumnKind.CATEGORY, places[-1] + grouped)
        return batch.with_columns(columns, meaning)


def _counts(batch: Batch, name: str) -> np.ndarray:
    code_N, num_levels = batch.columns[name], batch.meaning[name].num_levels
    return np.bincount(code_N[(code_N >= 0) & (code_N < num_levels)], minlength=num_levels)
