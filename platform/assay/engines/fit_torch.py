"""Fits a network: in this process, or by Ray Train with several workers or a GPU; its state outlives every process.

One training function, `training.loop.train`, serves both. The state is a file in the run's folder and not a checkpoint
of Ray Train: Ray commits one a little after it was reported, and each report holds every worker up; a file is there
when it is written, a training in this process has it too, and whoever takes up the fit reads it, on any number of
workers.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from assay.batch import Batch
from assay.engines import cluster
from assay.engines.ray_faults import described, original
from assay.errors import ArtifactFault
from assay.parts import Fitted, Json
from assay.store import files
from assay.store.runs import Run
from assay.training.job import Job, Trained
from assay.training.network import Network, torch_threads
from assay.training.world import State, World

TELL_S = 1.0  # between two epochs that are told
WARM_START = "warm-start.safetensors"  # of a run: weights to begin with, as algorithm/layer
WARM_LAST = "warm-start-last.safetensors"  # the same for the fits on all training rows alone
LAST_FITS = "refits"  # the stem of their places
MAX_FAILURES = 3  # workers that may die in one fit
START_S = 15.0  # of a group of workers
Epochs = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class Training:
    """What a network may use, and how its state is kept; `compute` of the experiment file."""

    min_workers: int = 1
    max_workers: int = 1
    gpus: float = 0.0  # of each worker
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    checkpoint_s: float = 60.0
    held: bool = True  # whether the trial holds its workers' CPUs, as on a Ray whose size does not change

    @property
    def is_wide(self) -> bool:
        """Whether there is more than one worker."""
        return self.max_workers > 1


@dataclass(frozen=True)
class Place:
    """Where a fit keeps its state: in the folder of a run, under a name that no other fit has."""

    folder: str
    stem: str  # such as trials/0007
    number: int = 0  # of the fit there

    @property
    def run(self) -> Run:
        """The run."""
        return Run(Path(self.folder))

    @property
    def name(self) -> str:
        """A name for Ray Train; the same when the fit is taken up."""
        return f"{self.run.id}-{self.stem.replace('/', '-')}-{self.number}"

    @property
    def state(self) -> str:
        """Name of the file with the state."""
        return f"{self.stem}/state-{self.number}.safetensors"

    @property
    def epochs(self) -> str:
        """Name of the file that tells what each epoch gave."""
        return f"{self.stem}/epochs-{self.number}.json"

    @property
    def workers(self) -> str:
        """Name of the folder that Ray Train writes."""
        return f"{self.stem}/workers-{self.number}"

    def forget(self) -> None:
        """Remove the state, once what it was for is written."""
        files.remove_tree(self.run.path(self.state))
        shutil.rmtree(self.run.path(self.workers), ignore_errors=True)


class Drawer:
    """Keeps the state of a fit in the run's folder."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def write(self, state: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Write it whole, in place of the one before."""
        from assay.training.state import packed

        self.place.run.write_arrays(self.place.state, packed(state, facts))

    def read(self) -> State | None:
        """Return it; None where there is none, or a broken one."""
        from assay.training.state import unpacked

        if not self.place.run.exists(self.place.state):
            return None
        try:
            return unpacked(self.place.run.read_arrays(self.place.state))
        except (ArtifactFault, KeyError, ValueError):
            return None


def fit_torch(
    algorithm: Network,
    batch: Batch,
    seed: int,
    threads: int,
    training: Training,
    place: Place,
    tell: Epochs | None = None,
) -> Fitted:
    """Train a network as `training` asks, taking up what an earlier attempt kept in `place`.

    `tell` is called with what an epoch gave, now and then. The caller removes the state (`Place.forget`).

    Raises:
        ValueError: the loss is no longer a number, or the batches are too small for so many workers.
        RuntimeError: the workers died too often, or the network raised an error in them.
    """
    job = as_asked(algorithm.job(batch, seed), training)
    for file in (WARM_START, *([WARM_LAST] if place.stem == LAST_FITS else [])):
        if place.run.exists(file):
            job = replace(job, start={**weights_for(algorithm, place.run, file), **job.start})
    if training.is_wide or (training.gpus and not _has_gpu()):
        trained = _by_workers(job, threads, training, place, tell)
    else:
        trained = _here(job, threads, training, place, tell)
    place.run.write_json(place.epochs, [plain(entry) for entry in trained.history])
    return algorithm.trained(job, trained)


def as_asked(job: Job, training: Training) -> Job:
    """Return the job with what the experiment file says of every network."""
    asked: Json = {"compile": True} if training.compile else {}
    if training.precision != "auto":
        asked["precision"] = training.precision
    return replace(job, plan=replace(job.plan, **asked))


def weights_for(algorithm: Network, run: Run, file: str) -> dict[str, np.ndarray]:
    """Return the weights that the run lends to networks of this name; what does not fit is drawn anew."""
    module, _, name = type(algorithm).__module__.rpartition(".")
    key = name if module == "assay.algorithms" else f"{type(algorithm).__module__}:{type(algorithm).__name__}"
    arrays = run.read_arrays(file)
    return {layer.removeprefix(f"{key}/"): array for layer, array in arrays.items() if layer.startswith(f"{key}/")}


def plain(metrics: Mapping[str, float]) -> Json:
    """Return numbers as JSON knows them; what is not finite is None."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _has_gpu() -> bool:
    """Whether Ray gave this process a GPU."""
    import ray

    return bool(ray.is_initialized() and ray.get_gpu_ids())


def _here(job: Job, threads: int, training: Training, place: Place, tell: Epochs | None) -> Trained:
    from assay.training.loop import train

    device = "cuda" if training.gpus else "cpu"
    with torch_threads(threads):
        return train(job, World(Drawer(place), _seldom(tell), device=device, every_s=training.checkpoint_s))


def _seldom(tell: Epochs | None) -> Epochs | None:
    """Return a `tell` that tells at most one epoch a second."""
    told_at = -math.inf

    def seldom(metrics: Mapping[str, float]) -> None:
        nonlocal told_at
        if tell is not None and time.monotonic() - told_at >= TELL_S:
            told_at = time.monotonic()
            tell(metrics)

    return None if tell is None else seldom


def _by_workers(job: Job, threads: int, training: Training, place: Place, tell: Epochs | None) -> Trained:
    """Train under Ray Train; the rows lie in the object store once, and each worker reads its share of them there."""
    cluster.imports_done()
    import ray
    from ray import train
    from ray.train.torch import TorchTrainer

    rows = [ray.put(dict(job.learning)), ray.put(None if job.judging is None else dict(job.judging))]
    trainer = TorchTrainer(
        work,
        train_loop_config={
            "job": replace(job, learning={}, judging=None),
            "rows": rows,
            "threads": threads,
            "checkpoint_s": training.checkpoint_s,
            "place": place,
        },
        scaling_config=train.ScalingConfig(
            num_workers=workers_of(training),
            use_gpu=training.gpus > 0,
            resources_per_worker=resources_of(training, threads),
        ),
        run_config=train.RunConfig(
            name=place.name,
            storage_path=str(place.run.path(place.workers)),
            failure_config=train.FailureConfig(max_failures=MAX_FAILURES),
        ),
    )
    found = _watched(trainer, place, _seldom(tell))
    if "failed" in found:
        raise ValueError(found["failed"])
    trained: Trained = found["trained"]
    return trained


def workers_of(training: Training) -> int | tuple[int, int]:
    """Return the number of workers as Ray Train wants it; a Ray of fixed size gives all at once or none."""
    if training.held or training.min_workers == training.max_workers:
        return training.max_workers
    return training.min_workers, training.max_workers


def resources_of(training: Training, threads: int) -> dict[str, float]:
    """Return what a worker asks for.

    On a Ray of fixed size the trial holds the CPUs of its workers, so that Tune knows of them and no two trials
    wait for each other's; a worker then asks for a byte, since a request for nothing is refused.
    """
    gpus = {"GPU": training.gpus} if training.gpus else {}
    return {"memory": 1, **gpus} if training.held else {"CPU": threads, **gpus}


def trial_resources(training: Training, threads: int) -> dict[str, float]:
    """Return what the trial of a network asks for."""
    if not training.is_wide:
        return {"CPU": threads, **({"GPU": training.gpus} if training.gpus else {})}
    return {"CPU": threads * training.max_workers} if training.held else {"CPU": 0.001}


def work(config: Json) -> Json:
    """Train as one of the workers; what the first returns reaches `_by_workers`."""
    import ray
    import torch
    from ray.train.torch import get_device
    from torch import distributed

    from assay.training.group import Group
    from assay.training.loop import train

    torch.set_num_threads(config["threads"])
    learning, judging = ray.get(config["rows"])
    place: Place = config["place"]
    several = distributed.is_initialized() and distributed.get_world_size() > 1
    world = (Group if several else World)(
        Drawer(place), _seldom(_noting(place)), device=str(get_device()), every_s=config["checkpoint_s"]
    )
    try:
        trained = train(replace(config["job"], learning=learning, judging=judging), world)
    except ValueError as error:  # every worker raises it: to try again would end the same way
        return {"failed": str(error)}
    return {"trained": trained} if world.rank == 0 else {}


def _noting(place: Place) -> Epochs:
    def note(metrics: Mapping[str, float]) -> None:
        place.run.write_json(place.epochs, [plain(metrics)])

    return note


def _watched(trainer: Any, place: Place, tell: Epochs | None) -> Json:
    """Fit in a thread, where Ray leaves Ctrl-C alone, and tell meanwhile what the workers note."""
    from ray.exceptions import RayError
    from ray.train import TrainingFailedError

    found: list[Any] = []

    def fit() -> None:
        try:
            found.append(trainer.fit().return_value)
        except (TrainingFailedError, RayError) as error:
            found.append(RuntimeError(f"its workers failed: {_cause(error)}"))

    thread = threading.Thread(target=fit, daemon=True)
    thread.start()
    told: Json = {}
    while thread.is_alive():
        thread.join(TELL_S)
        latest = place.run.read_json(place.epochs)[-1] if place.run.exists(place.epochs) else {}
        if tell is not None and latest.get("epoch", 0) > told.get("epoch", 0):
            told = latest
            tell(latest)
    if not found or isinstance(found[0], RuntimeError):
        raise found[0] if found else RuntimeError("its workers ended without a word")
    answer: Json = found[0]
    return answer


def _cause(error: Any) -> str:
    """Return what a worker raised, in one line."""
    failures = getattr(error, "worker_failures", None) or {}
    return described(original(next(iter(failures.values()), error)))
