"""Weights of a finished model that the networks of a run begin with."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import load

from assay.errors import SpecFault
from assay.spec import Experiment
from assay.store import artifact
from assay.store.runs import Storage
from assay.training.files import WEIGHTS
from assay.workflows.models import resolve


def weights_to_begin_with(experiment: Experiment, storage: Storage) -> dict[str, np.ndarray]:
    """Return the weights of the networks in the model that the file names, by algorithm/layer; empty without one.

    Raises:
        SpecFault, ArtifactFault: there is no such model, it is broken, or it has no network.
    """
    reference = experiment.compute.warm_start
    if reference is None:
        return {}
    model = artifact.load(resolve(reference, storage, experiment.register_.tracking_uri).folder)
    found: dict[str, np.ndarray] = {}
    for member in model.members:
        files = member.fitted.files()
        if WEIGHTS in files and not any(name.startswith(f"{member.algorithm}/") for name in found):
            found |= {f"{member.algorithm}/{name}": array for name, array in load(files[WEIGHTS]).items()}
    if not found:
        raise SpecFault.at("compute.warm_start", f"'{reference}' has no network", "name a model that has one")
    return found
