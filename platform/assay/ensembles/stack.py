"""A meta-learner fitted on what the members said about rows they had not seen, in one layer or several."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from assay import catalog
from assay.batch import Batch
from assay.ensembles._layers import (
    Scale,
    cross_fitted,
    cross_fitted_temperature,
    fitted_on,
    folds_of,
    read_by,
    tempered,
)
from assay.errors import SpecFault
from assay.parts import Call, Ensemble, Evidence, Fit, Fitted, Job, Json, Learned
from assay.seeds import child
from assay.spec.strict import Strict
from assay.vocabulary import Shelf, Task

# Members agree on most rows: a strong penalty pulls towards their mean (see `stacked`), and trees stay small.
LINEAR = {True: Fit("logistic_regression", {"C": 0.02}, 0), False: Fit("ridge", {"alpha": 5.0}, 0)}
TREES = Fit("lightgbm", {"num_leaves": 8, "learning_rate": 0.05, "num_trees": 400, "min_child_samples": 50}, 0)


class Stack(Ensemble):
    """Fits any algorithm on the members' log-odds (classes) or predictions (numbers), side by side.

    With `layers`, several meta-learners read the members, and the last one reads what they say of rows that they were
    not fitted on. With `skip`, each also reads the original columns. The probabilities of the last are set to the
    temperature with the best log loss on rows it was not fitted on. It is refused when it is worse, out of fold, than
    the best of its members.

    Source: Wolpert 1992, "Stacked generalization"; Ting and Witten 1999 on using probabilities; Erickson et al. 2020,
    "AutoGluon-Tabular", on layers and skip connections.

    Example:
        >>> catalog.make(Shelf.ENSEMBLES, "stack", {"skip": True, "learner": "lightgbm"}).reads
        'codes'
    """

    doubted = True

    class Params(Strict):
        learner: str | None = Field(None, description="last algorithm; logistic_regression or ridge when left out")
        params: dict[str, Any] = Field(default_factory=dict, description="settings of the learner")
        layers: int = Field(1, ge=1, le=3, description="layers of meta-learners; the last has one, the learner")
        lower: list[str] = Field(
            [], description="algorithms of each layer below the last; a linear one and lightgbm when left out"
        )
        skip: bool = Field(False, description="whether meta-learners also read the original columns")
        recalibrate: bool = Field(True, description="whether the last layer's probabilities are set to a temperature")

        @field_validator("learner", "lower")
        @classmethod
        def _known(cls, value: Any) -> Any:
            faults = [_fault(key, {}) for key in ([value] if isinstance(value, str) else value or [])]
            if any(faults):
                raise ValueError("; ".join(filter(None, faults)))
            return value

        @field_validator("params")
        @classmethod
        def _settings(cls, value: Json, info: ValidationInfo) -> Json:
            learner = info.data.get("learner")
            if value and learner is None:
                raise ValueError("say whose settings they are: write `learner: ALGORITHM` before them")
            fault = _fault(learner, value) if learner else ""
            if fault:
                raise ValueError(fault)
            return value

    @property
    def reads(self) -> str:
        if not self.params.skip:
            return ""
        keys = [self.params.learner, *(self._lower_keys() if self.params.layers > 1 else [])]
        wants = {catalog.find(Shelf.ALGORITHMS, key).wants if key else "dense" for key in keys}
        return "dense" if "dense" in wants else "codes"

    def _lower_keys(self) -> list[str | None]:
        return list(self.params.lower) or [None]

    def rounds(self, evidence: Evidence, seed: int) -> Generator[Sequence[Job], Sequence[Any], Learned]:
        settings = self.params.model_dump(exclude={"skip"})
        (learned,) = yield [Call(learn, {**settings, "reads": self.reads, "seed": seed})]
        assert isinstance(learned, Learned)
        return learned

    def combine(self, learned: Learned, prediction_MNK: np.ndarray) -> np.ndarray:
        return self.combine_rows(learned, prediction_MNK, None)

    def combine_rows(self, learned: Learned, prediction_MNK: np.ndarray, batch: Batch | None) -> np.ndarray:
        scale = Scale(learned.values["centre"], learned.values["spread"])
        said_MNK = scale.shrunk(prediction_MNK)
        *lower, last = learned.values["layers"]
        for names in lower:
            rows = read_by(said_MNK, batch)
            said_MNK = np.stack([learned.models[name][1].predict(rows) for name in names])
        said_NK: np.ndarray = scale.grown(learned.models[last[0]][1].predict(read_by(said_MNK, batch)))
        temperature = learned.values["temperature"]
        return said_NK if temperature is None else tempered(said_NK, temperature)


def _fault(key: str, params: Json) -> str:
    """Return in words why there is no such algorithm with such settings; empty when there is."""
    try:
        catalog.make(Shelf.ALGORITHMS, key, params)
    except SpecFault as error:
        return "; ".join(str(fault) for fault in error.faults)
    return ""


def learn(
    evidence: Evidence,
    learner: str | None,
    params: Json,
    layers: int,
    lower: Sequence[str],
    recalibrate: bool,
    reads: str,
    seed: int,
) -> Learned:
    """Return the fitted meta-learners of every layer, and the temperature of the last."""
    batch, scale = evidence.columns.get(reads), Scale.of(evidence)
    assert batch is not None or not reads, f"the driver gives columns as {reads}"
    linear = LINEAR[evidence.task.is_classification]
    said_MNK, y_N = scale.shrunk(evidence.prediction_MNK), _label(evidence, scale)
    fold_N = folds_of(evidence)
    models: dict[str, tuple[Fit, Fitted]] = {}
    names: list[list[str]] = []
    for layer in range(layers - 1):
        rows, said = read_by(said_MNK, batch, y_N), []
        fits = [Fit(key, {}, 0) for key in lower] or [linear, TREES]
        for place, fit in enumerate(fits):
            fit = Fit(fit.algorithm, fit.params, child(seed, "layer", layer, place))
            said.append(cross_fitted(fit, rows, fold_N))
            models[f"layer-{layer}-{place}"] = fit, fitted_on(fit, rows)
        names.append([f"layer-{layer}-{place}" for place in range(len(fits))])
        said_MNK = np.stack(said)
    rows = read_by(said_MNK, batch, y_N)
    own = Fit(learner, params, 0) if learner else linear
    last = Fit(own.algorithm, own.params, child(seed, "last"))
    models["last"] = last, fitted_on(last, rows)
    temperature = None
    if recalibrate and evidence.task is not Task.REGRESSION:
        temperature = cross_fitted_temperature(last, rows, fold_N)
    values = {"centre": scale.centre, "spread": scale.spread, "temperature": temperature, "layers": [*names, ["last"]]}
    return Learned(values, models)


def _label(evidence: Evidence, scale: Scale) -> np.ndarray:
    return evidence.y_N if evidence.task.is_classification else scale.shrunk(evidence.y_N)
