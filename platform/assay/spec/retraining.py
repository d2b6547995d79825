"""The section `retrain` of an experiment file: when a model that is fitted again takes over."""

from __future__ import annotations

from pydantic import Field

from assay.spec.strict import Strict


class RetrainSpec(Strict):
    """When a model that `assay retrain` fitted again takes over from the champion: [retraining](retraining.md)."""

    holdout: float = Field(
        0.3, gt=0, lt=1, description="share of the new rows, the newest, that judge both models and teach neither"
    )
    min_rows: int = Field(100, ge=30, description="fewest rows to judge by; with fewer nothing is promoted")
    min_gain: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of what the champion lacks to a perfect score that a challenger must gain",
    )
    max_slowdown: float = Field(
        2.0,
        ge=1,
        description="most times the champion's 95th percentile of the time for one row; below 5 ms none is slow",
    )
    max_first: int = Field(
        8, ge=0, description="settings of the champion's run that are tried first; never more than half of the trials"
    )
