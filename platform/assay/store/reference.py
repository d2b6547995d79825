"""What a model said out of fold of a sample of its training rows, and their labels: what later predictions are held to.

It travels with the artifact as one small file. The profile holds the samples of the columns; this holds what only the
end of a run knows. Predictions for rows that a model was fitted on would be surer than any for new rows.
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


def content(prediction_NK: np.ndarray, y_N: np.ndarray, seed: int) -> dict[str, bytes]:
    """Return the file for at most SAMPLE_SIZE of N rows: `prediction` (n, K) and `label` (n,), both float32."""
    from safetensors.numpy import save

    kept_n = np.sort(np.argsort(row_hash(np.arange(len(y_N)), seed), kind="stable")[:SAMPLE_SIZE])
    arrays = {"prediction": prediction_NK[kept_n], "label": y_N[kept_n]}
    return {FILE: save({name: np.asarray(array, np.float32, order="C") for name, array in arrays.items()})}


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
    fits = {"prediction", "label"} <= set(arrays) and arrays["prediction"].ndim == 2
    if not fits or len(arrays["prediction"]) != len(arrays["label"]):
        raise ArtifactFault.at(str(folder / FILE), "holds no predictions and labels", artifact.AGAIN)
    return arrays
