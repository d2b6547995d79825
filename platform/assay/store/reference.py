"""What a model predicted for test rows of its run, and labels of its training rows: what later rows are held against.

It travels with the artifact as one small file. The profile holds the samples of the columns; this holds what only the
end of a run knows. The predictions are those of the packed model for rows that it never saw. For rows that it was
fitted on it is surer, and what the models of the folds said out of fold is not what the final one says: held against
that, up to half of all windows without drift raised an alarm (LightGBM, 600 training rows; benchmarks/drift.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from assay.errors import ArtifactFault
from assay.profile import SAMPLE_SIZE
from assay.seeds import row_hash
from assay.store import artifact, files

FILE = "reference.safetensors"
MAX_BYTES = 64 << 20  # a thousand classes fit eight times


def content(prediction_NK: np.ndarray, y_M: np.ndarray, seed: int) -> dict[str, bytes]:
    """Return the file: at most SAMPLE_SIZE rows of `prediction`, and as many of `label` of other rows.

    Classes and probabilities are kept as float32, numbers as float64: they may lie far from zero.
    """
    from safetensors.numpy import save

    dtype = np.float64 if prediction_NK.shape[1] == 1 else np.float32
    arrays = {"prediction": _sample(prediction_NK, seed), "label": _sample(y_M, seed)}
    return {FILE: save({name: np.asarray(array, dtype, order="C") for name, array in arrays.items()})}


def _sample(value_N: np.ndarray, seed: int) -> np.ndarray:
    kept_n = np.argsort(row_hash(np.arange(len(value_N)), seed), kind="stable")[:SAMPLE_SIZE]
    return value_N[np.sort(kept_n)]


def read(folder: Path) -> Mapping[str, np.ndarray] | None:
    """Return `prediction` and `label` of a packed model; None where it was made without them.

    Raises:
        ArtifactFault: the file is not what the manifest says, or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    listed = artifact.open_artifact(folder).manifest.files.get(FILE)
    if listed is None:
        return None
    data = files.read_file(folder / FILE, MAX_BYTES)
    artifact.check(folder / FILE, data, listed)
    try:
        arrays: dict[str, np.ndarray] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ArtifactFault.at(str(folder / FILE), f"is broken ({error})", artifact.AGAIN) from None
    if {name: array.ndim for name, array in arrays.items()} != {"prediction": 2, "label": 1}:
        raise ArtifactFault.at(str(folder / FILE), "holds no predictions and labels", artifact.AGAIN)
    return arrays
