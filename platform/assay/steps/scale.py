"""Numbers centred on the training mean and divided by the training deviation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.batch import Batch
from assay.parts import Json, Step
from assay.profile import Moments
from assay.spec.strict import Strict
from assay.steps._moments import merged, moments_of
from assay.vocabulary import ColumnKind


class Scale(Step):
    """Standardises numeric columns to float32; constant ones become 0, NaN stays.

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.array([[1.0], [3.0]]))
        >>> Scale().apply(Scale().measure(batch), batch).matrix()[:, 0].tolist()
        [-1.0, 1.0]
    """

    takes = frozenset({ColumnKind.NUMERIC})

    class Params(Strict):
        limit: float = Field(8.0, gt=0, description="values beyond so many deviations are cut to it")

    def measure(self, batch: Batch) -> Json:
        return {name: [_entry(one) for one in features] for name, features in moments_of(batch, self.takes).items()}

    def merge(self, states: Sequence[Json]) -> Json:
        return merged(states, _merge)

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns = {}
        for name, known in state.items():
            x_N = batch.columns[name]
            mean_D = np.array([entry["mean"] for entry in known])
            std_D = np.array([_deviation(entry) for entry in known])
            mean, std = (mean_D, std_D) if x_N.ndim == 2 else (mean_D[0], std_D[0])
            scaled = np.where(std > 0, (x_N - mean) / np.where(std > 0, std, 1.0), np.where(np.isnan(x_N), np.nan, 0.0))
            columns[name] = np.clip(scaled, -self.params.limit, self.params.limit).astype(np.float32)
        return batch.with_columns(columns, {name: batch.meaning[name] for name in columns})


def _entry(one: Moments) -> Json:
    ends = {"low": one.low, "high": one.high} if one.count else {}
    return {"count": one.count, "mean": one.mean, "m2": one.m2, **ends}


def _merge(left: Json, right: Json) -> Json:
    return _entry(Moments(**left).merge(Moments(**right)))


def _deviation(entry: Json) -> float:
    """Return the standard deviation; 0 where all values are the same, whatever rounding makes of their mean."""
    one = Moments(**entry)
    if not one.low < one.high:
        return 0.0
    return one.std or one.high - one.low  # squares of the smallest numbers are 0
