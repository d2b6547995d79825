"""Models of folds that were kept on the disk, to become members of the finished model without a last fit."""

from __future__ import annotations

import numpy as np

from assay.model import Sealed
from assay.parts import Fitted, Json
from assay.store.runs import Run


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
