"""Missing numbers filled with the training mean, and a column that says where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.profile import Moments
from assay.spec.strict import Strict
from assay.steps._moments import merged, moments_of
from assay.vocabulary import ColumnKind


class Impute(Step):
    """Fills NaN in numeric and boolean columns; the mean merges exactly over blocks, a median would not.

    Example:
        >>> from assay.batch import from_matrix
        >>> batch = from_matrix(np.array([[1.0], [np.nan], [3.0]]))
        >>> Impute().apply(Impute().measure(batch), batch).columns["x"][:, 0].tolist()
        [1.0, 2.0, 3.0]
    """

    takes = frozenset({ColumnKind.NUMERIC, ColumnKind.BOOLEAN})

    class Params(Strict):
        indicate: bool = Field(True, description="add a 0/1 column for each column that had missing training values")

    def measure(self, batch: Batch) -> Json:
        return {
            name: [{"count": one.count, "mean": one.mean, "missing": len(batch) - one.count} for one in features]
            for name, features in moments_of(batch, self.takes).items()
        }

    def merge(self, states: Sequence[Json]) -> Json:
        return merged(states, _merge)

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in (name for name in batch.columns if name in state):
            known = state[name]
            x_N = batch.columns[name]
            fill_D = np.array([entry["mean"] for entry in known])
            absent = np.isnan(x_N)
            columns[name] = np.where(absent, fill_D if x_N.ndim == 2 else fill_D[0], x_N).astype(x_N.dtype)
            meaning[name] = batch.meaning[name]
            if self.params.indicate and any(entry["missing"] for entry in known):
                columns[f"{name} is missing"] = absent.astype(np.float32)
                features = tuple(f"{feature} is missing" for feature in batch.meaning[name].features)
                meaning[f"{name} is missing"] = Column(ColumnKind.BOOLEAN, features=features)
        return batch.with_columns(columns, meaning)


def _merge(left: Json, right: Json) -> Json:
    joined = Moments(left["count"], left["mean"]).merge(Moments(right["count"], right["mean"]))
    return {"count": joined.count, "mean": joined.mean, "missing": left["missing"] + right["missing"]}
