"""Models of folds that were kept on the disk, to become members of the finished model without a last fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from assay.batch import Batch
from assay.parts import Files, Fitted, Json
from assay.store.runs import Run


@dataclass(frozen=True)
class Sealed:
    """A fitted algorithm as it came from the process that fitted it: content to keep, to be loaded elsewhere."""

    content: Files
    facts: Mapping[str, float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> np.ndarray:
        """Refuse: this process need not have the libraries that predicting takes."""
        raise TypeError("a sealed model predicts once it is loaded from its folder")

    def files(self) -> Files:
        """Return the content."""
        return self.content


def model_name(trial: int, fold: int) -> str:
    """Return the name of a kept model.

    Example:
        >>> model_name(7, 2)
        'trials/0007/model-2.safetensors'
    """
    return f"trials/{trial:04d}/model-{fold}.safetensors"


def keep_model(run: Run, trial: int, fold: int, fitted: Fitted) -> None:
    """Write a fitted model as named bytes in one file."""
    run.write_arrays(
        model_name(trial, fold), {name: np.frombuffer(data, np.uint8) for name, data in fitted.files().items()}
    )


def kept_model(run: Run, trial: int, fold: int, facts: Json) -> Sealed:
    """Return a kept model.

    Raises:
        ArtifactFault: the file is missing or broken.
    """
    found = run.read_arrays(model_name(trial, fold))
    return Sealed({name: array.tobytes() for name, array in found.items()}, dict(facts))
