"""An algorithm that learns nothing and takes a known time: it measures the platform around it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from pydantic import Field

from assay.batch import Batch
from assay.parts import CLASSIFICATION, Algorithm, Files, Fitted
from assay.spec import Strict


class Sleeping(Algorithm):
    """Sleeps `fit_s` seconds instead of fitting."""

    tasks = CLASSIFICATION
    wants = "codes"

    class Params(Strict):
        fit_s: float = Field(0.05, ge=0, description="seconds of a fit")

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> Fitted:
        time.sleep(self.params.fit_s)
        return Guess(batch.num_classes)


class Guess:
    """Says every class is as likely as another."""

    facts: Mapping[str, float] = {}

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def predict(self, batch: Batch) -> np.ndarray:
        """Return equal probabilities."""
        return np.full((len(batch), self.num_classes), 1 / self.num_classes)

    def files(self) -> Files:
        """Return nothing: a guess is not kept."""
        return {}
