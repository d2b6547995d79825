"""A version of a model in memory, and what was asked of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.explaining.explanation import Explainer
from assay.forecasting.framing import Framed, Framing
from assay.forecasting.requests import framing_of, wanted
from assay.model import Model
from assay.profile import Profile
from assay.store import artifact
from assay_serving.settings import ModelRef
from assay_serving.spread import Spread, Vote


@dataclass
class Tally:
    """What happened since the version was loaded, in the words of Triton's statistics."""

    num_requests: int = 0
    num_rows: int = 0
    num_calls: int = 0
    num_failed: int = 0
    num_degraded: int = 0  # answers without some of the members
    wait_ns: int = 0  # from the first byte checked to the answer, summed over requests
    compute_ns: int = 0
    last_ms: int = 0  # of the last answer, since 1970
    brief_s: float = math.inf  # CPU time of a call of few rows, the last ones counting most

    def time_brief(self, spent_s: float) -> None:
        """Learn how long a call of few rows took."""
        self.brief_s = spent_s if self.brief_s == math.inf else 0.8 * self.brief_s + 0.2 * spent_s


@dataclass(frozen=True, eq=False)
class Served:
    """A loaded model under its name and version; a request keeps the one it began with."""

    ref: ModelRef
    model: Model
    tally: Tally = field(default_factory=Tally)

    @cached_property
    def framing(self) -> Framing | None:
        """How the model frames series; None of a model that does not forecast."""
        return framing_of(self.model.card)

    @cached_property
    def explainer(self) -> Explainer:
        """What explains rows of the model."""
        return Explainer(self.model)

    @cached_property
    def explaining(self) -> Served:
        """The same model with a tally of its own: what is asked for explanations counts as no request.

        As a group of its own it shares no predict call with requests, so that a row gets one explanation always.
        """
        return Served(self.ref, self.model)

    @cached_property
    def asks(self) -> Profile:
        """The columns of a request: those that the model reads, or those that series are made of."""
        return self.model.profile if self.framing is None else wanted(self.framing, self.model.profile)

    def rows(self, table: pa.Table) -> tuple[Batch, Framed | None]:
        """Return the rows to predict for those of a request, and of a forecast what turns the numbers back.

        Raises:
            DataFault: naming each column that does not fit, or each series.
        """
        if self.framing is None:
            return self.model.batch(table), None
        framed = self.framing.future(table)
        return self.model.batch(framed.table.drop_columns([self.framing.label])), framed

    def vote(self, batch: Batch) -> Vote:
        """Return what the model says of checked rows.

        Raises:
            NoMember: its members are asked apart, and none answered.
        """
        return self.model.vote(batch) if isinstance(self.model, Spread) else Vote(self.model.predict_batch(batch))

    def forecast(self, framed: Framed | None, prediction_NK: np.ndarray) -> pa.Table | None:
        """Return the columns of a forecast: series, time and prediction; None of a model that does not forecast."""
        if framed is None or self.framing is None:
            return None
        return self.framing.answer(framed, prediction_NK[:, 0])

    @classmethod
    def load(cls, ref: ModelRef) -> Served:
        """Load an artifact after every file was checked.

        Raises:
            ArtifactFault: it was changed, is incomplete, or is not ours.
        """
        return cls(ref, artifact.load(Path(ref.path)))
