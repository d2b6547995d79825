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
        return {
            name: [{"count": one.count, "mean": one.mean, "m2": one.m2} for one in features]
            for name, features in moments_of(batch, self.takes).items()
        }

    def merge(self, states: Sequence[Json]) -> Json:
        return merged(states, _merge)

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns = {}
        for name, known in state.items():
            x_N = batch.columns[name]
            mean_D = np.array([entry["mean"] for entry in known])
            std_D = np.array([Moments(**entry).std for entry in known])
            # A deviation at the level of rounding is no deviation: dividing by it would blow noise up.
            gain_D = np.where(std_D > 1e-12 * (1 + np.abs(mean_D)), 1 / np.maximum(std_D, 1e-300), 0.0)
            scaled = (x_N - (mean_D if x_N.ndim == 2 else mean_D[0])) * (gain_D if x_N.ndim == 2 else gain_D[0])
            columns[name] = np.clip(scaled, -self.params.limit, self.params.limit).astype(np.float32)
        return batch.with_columns(columns, {name: batch.meaning[name] for name in columns})


def _merge(left: Json, right: Json) -> Json:
    joined = Moments(**left).merge(Moments(**right))
    return {"count": joined.count, "mean": joined.mean, "m2": joined.m2}
