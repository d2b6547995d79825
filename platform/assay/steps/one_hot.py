"""Categories as one 0/1 column per frequent level; missing and rare levels have columns of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind


class OneHot(Step):
    """Turns codes into float32 columns; a level unseen in training falls to the rare one, or to all zeros.

    Example:
        >>> codes = np.array([0, 1, -1, 0, 1], np.int32)
        >>> batch = Batch({"plan": codes}, {"plan": Column(ColumnKind.CATEGORY, 2)}, np.arange(5))
        >>> OneHot().apply(OneHot().measure(batch), batch).columns["plan"][:3].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    takes = frozenset({ColumnKind.CATEGORY})

    class Params(Strict):
        max_levels: int = Field(50, ge=1, le=10_000, description="most frequent levels that get a column, per category")
        min_count: int = Field(
            2, ge=1, description="training rows a level must have to get a column; one row teaches that row alone"
        )

    def measure(self, batch: Batch) -> Json:
        counts = {}
        for name in batch.names(*self.takes):
            counts[name] = np.bincount(batch.columns[name] + 1, minlength=batch.meaning[name].num_levels + 2).tolist()
        return counts

    def merge(self, states: Sequence[Json]) -> Json:
        return {name: np.sum([state[name] for state in states], axis=0).tolist() for name in states[0]}

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name, counts in state.items():
            place_L, labels = self._places(np.array(counts))
            code_N = np.clip(batch.columns[name] + 1, 0, len(place_L) - 1)
            # The extra last column takes the levels that have no place; it is cut off.
            wide_NL = np.zeros((len(batch), len(labels) + 1), np.float32)
            wide_NL[np.arange(len(batch)), place_L[code_N]] = 1.0
            columns[name] = wide_NL[:, :-1]
            meaning[name] = Column(ColumnKind.BOOLEAN, features=tuple(f"{name}={label}" for label in labels))
        return batch.with_columns(columns, meaning)

    def _places(self, count_L: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Return the column of each code + 1, and the names of the columns."""
        level_L = count_L[1:-1]
        order = np.argsort(-level_L, kind="stable")[: self.params.max_levels]
        frequent = np.sort(order[level_L[order] >= self.params.min_count])
        labels = [f"level {level}" for level in frequent]
        rare = bool(level_L.sum() > level_L[frequent].sum())
        labels += ["rare"] * rare + ["missing"] * bool(count_L[0])
        place_L = np.full(len(count_L), len(labels) - bool(count_L[0]) - 1 if rare else len(labels))
        place_L[frequent + 1] = np.arange(len(frequent))
        place_L[0] = len(labels) - 1 if count_L[0] else len(labels)
        return place_L, labels
