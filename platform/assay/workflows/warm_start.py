"""What a run begins with of one before it: weights for its networks, settings that its search tries first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from safetensors.numpy import load

from assay.errors import SpecFault, did_you_mean
from assay.parts import Json
from assay.proposals import Candidate, Proposal
from assay.spec import Experiment, PartSpec
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


def tried_first(
    given: Sequence[PartSpec], candidates: tuple[Candidate, ...]
) -> tuple[tuple[Proposal, ...], tuple[Candidate, ...]]:
    """Return the settings that the file wants first as proposals, and the candidates without those settings.

    Raises:
        SpecFault: an algorithm is none that the search may try.
    """
    keys = [candidate.key for candidate in candidates]
    for index, spec in enumerate(given):
        if spec.name not in keys:
            raise SpecFault.at(
                f"search.first[{index}]", f"'{spec.name}' is none of the algorithms", did_you_mean(spec.name, keys)
            )
    first = tuple(Proposal(spec.name, dict(spec.params), stoppable=False) for spec in given)
    return first, tuple(_without(candidate, first) for candidate in candidates)


def _without(candidate: Candidate, first: Sequence[Proposal]) -> Candidate:
    tried = [proposal.params for proposal in first if proposal.algorithm == candidate.key]
    left = tuple(entry for entry in candidate.portfolio if {**entry, **candidate.fixed} not in tried)
    return replace(candidate, portfolio=left) if tried else candidate


def settings_of(result: Json, algorithms: Sequence[str], most: int) -> list[PartSpec]:
    """Return settings of a finished run that another should try first: those of its model's members, then its best.

    `algorithms` are those that may be tried; others, and settings that come twice, are left out.
    """
    trials = [entry for entry in result["leaderboard"] if entry["kind"] == "trial" and entry["params"] is not None]
    winner = next(entry for entry in result["leaderboard"] if entry["name"] == result["winner"])
    names = {winner["name"], *winner["members"]}
    ordered = sorted(trials, key=lambda entry: entry["name"] not in names)  # stable: best first on both sides
    found: list[PartSpec] = []
    for entry in ordered:
        spec = PartSpec(name=entry["name"].rpartition("-")[0], params=entry["params"])
        if spec.name in algorithms and spec not in found:
            found.append(spec)
    return found[:most]
