"""Series as pictures of one size: each stretched to a few evenly spaced moments, with its length beside them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.steps._grid import lengths, stretched
from assay.vocabulary import ColumnKind

MAX_VALUES = 4_000  # of a picture; with many channels it has fewer moments


class SeriesPicture(Step):
    """Replaces a series by its values at `num_moments` evenly spaced moments, first step to last, and its length.

    Series of few steps are not stretched beyond their most; those of many channels get fewer moments. What is compared
    with distances (support vectors, neighbours) then lies in one place, however long a series took.

    Example:
        >>> batch = Batch({"x": np.ones((2, 9, 3), np.float32)}, {"x": Column(ColumnKind.SERIES)}, np.arange(2))
        >>> SeriesPicture(SeriesPicture.Params(num_moments=5)).apply({}, batch).columns["x"].shape
        (2, 16)
    """

    takes = frozenset({ColumnKind.SERIES})

    class Params(Strict):
        num_moments: int = Field(20, ge=2, le=1_000, description="moments of each channel, at most")

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in self.columns(batch):
            x_NTC = batch.columns[name]
            num_rows, num_steps, num_channels = x_NTC.shape
            moments = max(2, min(self.params.num_moments, num_steps, MAX_VALUES // max(1, num_channels)))
            picture_NV = stretched(x_NTC, moments).reshape(num_rows, moments * num_channels)
            columns[name] = np.hstack([picture_NV, np.log(lengths(x_NTC))[:, None].astype(np.float32)])
            pairs = [f"{name}[{moment}, {channel}]" for moment in range(moments) for channel in range(num_channels)]
            meaning[name] = Column(ColumnKind.NUMERIC, features=(*pairs, f"{name} log steps"))
        return batch.with_columns(columns, meaning)
