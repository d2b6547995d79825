"""What our training loop costs beside a plain loop of torch: alone, on two workers, and on a GPU.

    python benchmarks/training.py            # prints a table and exits with 1 when a bound is missed
    python benchmarks/training.py --gpu      # needs torch and a GPU, and no Ray

The same network, images and optimizer in both; runs alternate, and the median of their ratios counts, without the first
epoch.
Bounds: alone at least 0.95 of a plain loop; two workers under Ray Train at least 0.9 of torchrun with DDP.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
for source in (str(HERE), str(HERE.parent / "platform")):  # a machine with a GPU may have nothing installed but torch
    if source not in sys.path:
        sys.path.insert(0, source)

from assay.batch import Batch  # noqa: E402
from assay.training.feed import Feed  # noqa: E402
from assay.training.job import Job, Plan, Trained  # noqa: E402
from assay.training.loop import train  # noqa: E402
from assay.training.network import Network, torch_threads  # noqa: E402
from assay.training.world import ALONE, World  # noqa: E402
from measuring.plain_training import Load, build, images, plain, prepare  # noqa: E402

ALONE_BOUND, WORKERS_BOUND = 0.95, 0.9
ON_GPU = Load(65_536, 32, 64, 1_024, num_epochs=8, norm="batch")
Speeds = list[float]


def job_of(load: Load) -> Job:
    """Return our job of the same work."""
    plan = Plan(load.num_epochs, load.batch_size, load.learning_rate, precision=load.precision)  # type: ignore[arg-type]
    return Job(build, asdict(load), ("x",), images(load), plan, seed=0, prepare=prepare)


class Measured(Network):
    """A network whose model is how fast it was trained."""

    def __init__(self, load: Load) -> None:
        self.load = load

    def job(self, batch: Any, seed: int) -> Job:
        """Return the job."""
        return job_of(self.load)

    def trained(self, job: Job, trained: Trained) -> Any:
        """Return what was told of the epochs."""
        return trained.history


def ours(load: Load, world: World = ALONE) -> Speeds:
    """Return the images a second of each epoch after the first, in this process."""
    return [entry["rows_per_s"] for entry in train(job_of(load), world).history[1:]]


def by_torchrun(load: Load) -> Speeds:
    """Return them of two workers that torchrun starts."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = [str(HERE / "measuring/plain_training.py"), json.dumps(asdict(load))]
    ended = subprocess.run(
        [sys.executable, *command, *program], env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise SystemExit(ended.stderr)
    found: Speeds = json.loads(ended.stdout.partition("TOLD")[2])
    return found


def by_ray(load: Load, folder: str, number: int) -> tuple[Speeds, float]:
    """Return them of two workers under Ray Train, and the seconds of the fit that were no training."""
    from assay.engines.fit_torch import Place, Training, fit_torch
    from assay.store.runs import Storage

    place = Place(str(Storage(folder).new_run("training").folder), "trials/0000", number)
    started = time.monotonic()
    nothing = Batch({}, {}, np.arange(0))
    history: Any = fit_torch(Measured(load), nothing, 0, 1, Training(2, 2), place)
    around_s = time.monotonic() - started - sum(entry["seconds"] for entry in history)
    return [entry["rows_per_s"] for entry in history[1:]], around_s


def feed_speed(load: Load) -> float:
    """Return the images a second that the feed hands out, shuffled and as numbers from 0 to 1."""
    feed = Feed(images(load), load.batch_size, 0, ALONE)
    started, num_epochs = time.perf_counter(), 10
    for epoch in range(num_epochs):
        for rows in feed.batches(epoch):
            prepare(rows)
    return num_epochs * feed.per_epoch * feed.batch_size / (time.perf_counter() - started)


def alternated(one: Callable[[], Speeds], other: Callable[[], Speeds], num_rounds: int) -> tuple[float, float, float]:
    """Run both in turn, each first as often as the other; return the median of each, and that of the rounds' ratios.

    What else runs on the machine slows both runs of a round alike, so their ratio says more than that of the medians.
    """
    found: tuple[Speeds, Speeds] = ([], [])
    for round_ in range(num_rounds):
        for place in (0, 1) if round_ % 2 == 0 else (1, 0):
            found[place].append(statistics.median((one, other)[place]()))
    ratio = statistics.median(first / second for first, second in zip(*found, strict=True))
    return statistics.median(found[0]), statistics.median(found[1]), ratio


def told(what: str, ours_per_s: float, plain_per_s: float, ratio: float, bound: float) -> bool:
    """Print a row; returns whether the bound holds."""
    word = "" if not bound else "ok" if ratio >= bound else "MISSED"
    print(f"{what:<44} {ours_per_s:12,.0f} {plain_per_s:12,.0f} {ratio:7.3f}  {bound or '':>5} {word}", flush=True)
    return ratio >= bound


def on_cpu(num_rounds: int, *, alone: bool) -> bool:
    """Measure alone, then on two workers; returns whether the bounds hold."""
    load = Load()
    print(f"{'what':<44} {'ours img/s':>12} {'plain img/s':>12} {'ratio':>7}  bound")
    short = replace(load, num_images=load.num_images // 2, num_epochs=3)
    with torch_threads(1):
        speeds = alternated(lambda: ours(short), lambda: plain(short)[1:], 3 * num_rounds)
    held = told("one worker, in this process", *speeds, ALONE_BOUND)
    print(f"{'the feed alone, shuffled':<44} {feed_speed(load):12,.0f}", flush=True)
    return held if alone else on_workers(load, num_rounds) and held


def on_workers(load: Load, num_rounds: int) -> bool:
    """Measure two workers; returns whether the bound holds."""
    from assay.engines import cluster

    cluster.connect(None, 4)
    around_s: Speeds = []
    with tempfile.TemporaryDirectory() as folder:

        def fit(load: Load) -> Speeds:
            speeds, seconds = by_ray(load, folder, len(around_s))
            around_s.append(seconds)
            return speeds

        held = told(
            "two workers, Ray Train against torchrun",
            *alternated(lambda: fit(load), lambda: by_torchrun(load), num_rounds),
            WORKERS_BOUND,
        )
        norms = replace(load, norm="batch")
        speeds = alternated(lambda: fit(norms), lambda: by_torchrun(norms), 1)
        told("the same, batch norm over all workers", *speeds, 0.0)
    print(f"a fit under Ray Train costs {around_s[0]:.1f} s beside its epochs, the next ones "
          f"{statistics.median(around_s[1:]):.1f} s", flush=True)  # fmt: skip
    cluster.disconnect()
    return held


@contextlib.contextmanager
def watched() -> Iterator[list[int]]:
    """Look at the GPU four times a second; the list holds its utilisation in percent."""
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not done.wait(0.25):
            with contextlib.suppress(OSError, ValueError):
                ended = subprocess.run(command, capture_output=True, text=True, check=False)
                seen.append(int(ended.stdout.splitlines()[0]) if ended.stdout.strip() else 0)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    done.set()
    thread.join()


def on_gpu(num_rounds: int, load: Load = ON_GPU, device: str = "cuda") -> bool:
    """Measure one GPU against a plain loop; returns whether the bound holds."""
    name = torch.cuda.get_device_name() if device == "cuda" else "this CPU"
    print(f"{name}, torch {torch.__version__}")
    print(f"{'what':<44} {'ours img/s':>12} {'plain img/s':>12} {'ratio':>7}  bound")
    held = True
    for precision in ("float32", "bfloat16"):
        asked = replace(load, precision=precision)
        speeds = alternated(lambda: ours(asked, World(device=device)), lambda: plain(asked, device)[1:], num_rounds)  # noqa: B023
        held = told(f"one GPU, {precision}", *speeds, ALONE_BOUND) and held
        with watched() as seen:
            ours(replace(asked, num_epochs=3 * asked.num_epochs), World(device=device))
        busy = f"{statistics.median(seen):.0f} % (median of {len(seen)} looks)" if seen else "not known"
        print(f"{'  GPU utilisation of ours':<44} {busy}", flush=True)
    return held


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--gpu", action="store_true", help="measure one GPU; needs no Ray")
    asking.add_argument("--alone", action="store_true", help="leave out the workers; needs no Ray")
    asking.add_argument("--rounds", type=int, default=3, help="runs of each, in turn (default 3)")
    asked = asking.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    if asked.gpu and not torch.cuda.is_available():
        print("--gpu: torch sees no GPU here", file=sys.stderr)
        return 2
    held = on_gpu(asked.rounds) if asked.gpu else on_cpu(asked.rounds, alone=asked.alone)
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
