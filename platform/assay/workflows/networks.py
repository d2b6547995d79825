"""Networks of somebody's own, tried on a few rows before a search spends hours on them; GPUs that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from assay.batch import Batch
from assay.engines import cluster
from assay.engines.generations import Plan, Tell
from assay.engines.trial import algorithm_of
from assay.errors import ClusterFault, Fault, SpecFault, raise_all
from assay.recipe import settle
from assay.spec import Experiment


def check_networks(plan: Plan, batches: Mapping[str, Batch]) -> None:
    """Pass a few rows forward and back through each network of somebody's own.

    Raises:
        SpecFault: says what a network returned, or where it failed, and what is expected.
    """
    faults = []
    for candidate in plan.candidates:
        algorithm = algorithm_of(candidate.key, candidate.fixed)
        rehearse = getattr(algorithm, "rehearse", None)
        if rehearse is None:
            continue
        batch = batches[plan.recipe_of[candidate.key]]
        if batch.pending:
            batch = settle(batch, seed=0)[1]
        try:
            rehearse(batch)
        except ValueError as error:
            faults.append(Fault(f"algorithms.{candidate.key}", f"'{algorithm.params.module}' {error}"))
    raise_all(SpecFault, faults)


def check_gpus(experiment: Experiment, num_gpus: float, tell: Tell) -> None:
    """Refuse GPUs that the cluster does not have; a cluster that was joined may add them, so there the fits wait.

    Raises:
        ClusterFault: there are fewer than the fits of networks ask for.
    """
    wanted = gpus_wanted(experiment)
    if wanted <= num_gpus:
        return
    there = f"{num_gpus:g}" if num_gpus else "none"
    has = f"asks for {wanted:g} {'GPU' if wanted <= 1 else 'GPUs'}, the cluster has {there}"
    if cluster.is_local(experiment.compute.address):
        fix = "remove the line to train on CPUs, or join a cluster with GPUs by compute.address"
        raise ClusterFault.at("compute.gpus_per_fit", has, fix)
    tell("waiting", {"for": f"compute.gpus_per_fit {has}: networks wait until it adds them"})


def gpus_wanted(experiment: Experiment) -> float:
    """Return the GPUs that one fit of a network takes, of all its workers."""
    asked = experiment.compute.workers_per_fit
    return experiment.compute.gpus_per_fit * (asked if isinstance(asked, int) else asked[0])


def gpu_slots(experiment: Experiment) -> int:
    """Return for how many workers the cluster's GPUs are enough; more than anybody has where none are asked for."""
    asked = experiment.compute.gpus_per_fit
    return int(cluster.num_gpus() / asked) if asked else sys.maxsize
