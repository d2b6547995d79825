"""What assay adds to the fits themselves: wall time of a search against the ideal, and the time to a first model.

    python benchmarks/overhead.py            # prints a table and exits with 1 when a bound is missed

A fit that only sleeps measures the platform and nothing else: 20 trials x 5 folds of a known length, on two CPUs.
Bounds: 100 fits of 50 ms within 1.5 x ideal + 10 s; of 1 s within 1.1 x ideal + 10 s; first model within 30 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from assay.batch import Batch, from_matrix
from assay.parts import CLASSIFICATION, Algorithm, Files, Fitted
from assay.spec import PartSpec, Strict

NUM_TRIALS, NUM_FOLDS, NUM_CPUS = 20, 5, 2


class Sleeping(Algorithm):
    """Sleeps `fit_s` seconds instead of fitting."""

    tasks = CLASSIFICATION
    wants = "codes"

    class Params(Strict):
        fit_s: float = Field(0.05, ge=0, description="seconds of a fit")

    def fit(self, batch: Batch, seed: int, threads: int = 1) -> Fitted:
        time.sleep(self.params.fit_s)
        return Guess(batch.num_classes)


class Guess:
    """Says every class is as likely as another."""

    facts: Mapping[str, float] = {}

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def predict(self, batch: Batch) -> np.ndarray:
        """Return equal probabilities."""
        return np.full((len(batch), self.num_classes), 1 / self.num_classes)

    def files(self) -> Files:
        """Return nothing: a guess is not kept."""
        return {}


def search_wall_s(fit_s: float) -> float:
    """Return the seconds that a search of 100 sleeping fits takes, without the start of Ray and the data."""
    from assay import catalog
    from assay.engines import cluster, objects
    from assay.engines.folds import divide
    from assay.engines.generations import Plan
    from assay.engines.search import search
    from assay.profile import LabelProfile, Profile
    from assay.store.runs import Storage
    from assay.vocabulary import Shelf, Task
    from assay.workflows.choices import candidates_for

    cluster.connect(None, NUM_CPUS)
    label_N = np.arange(100) % 2
    batch = from_matrix(np.arange(100.0)[:, None], label_N, num_classes=2)
    split = catalog.make(Shelf.SPLITS, "stratified")
    key = "overhead:Sleeping"  # by its path, so that workers find it too
    profile = Profile((), LabelProfile("y", Task.BINARY, ("0", "1"), (50, 50)), len(label_N))
    plan = Plan(
        candidates_for([PartSpec(name=key, params={"fit_s": fit_s})], profile),
        {key: "codes"},
        catalog.make(Shelf.SEARCHES, "uniform"),
        catalog.make(Shelf.METRICS, "roc_auc"),
        divide(split, batch.row_N, label_N, NUM_FOLDS, 1, 0),
        num_trials=NUM_TRIALS,
        generation=4,
        threads=1,
        seed=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Storage(folder).new_run("overhead")
        started = time.monotonic()
        search(plan, run, {"codes": objects.put(batch)}, lambda *_: None, max_concurrent=NUM_CPUS)
        return time.monotonic() - started


def first_model_wall_s() -> float:
    """Return the seconds from `assay init` on a 1,000-row CSV to its leaderboard, with 10 trials."""
    chance = np.random.default_rng(0)
    frame = pd.DataFrame(chance.normal(size=(1_000, 6)), columns=[*"abcdef"]).round(4)
    frame["plan"] = chance.choice(["basic", "plus", "pro"], 1_000)
    frame["left"] = np.where(frame["a"] + frame["b"] * frame["c"] + chance.normal(size=1_000) > 0, "yes", "no")
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "customers.csv", index=False)
        started = time.monotonic()
        for arguments in (
            ["init", "customers.csv", "--label", "left"],
            ["run", "customers.yaml", "--trials", "10", "--json"],
        ):
            ended = subprocess.run(
                [sys.executable, "-m", "assay", *arguments], cwd=folder, capture_output=True, text=True, check=False
            )
            if ended.returncode:
                raise SystemExit(ended.stderr)
        assert json.loads(ended.stdout)["leaderboard"]
        return time.monotonic() - started


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    sys.path.insert(0, str(Path(__file__).parent))
    rows = [("first model, 1,000 rows, 10 trials", first_model_wall_s(), 30.0)]
    search_wall_s(0.0)  # the first search of a process imports and starts what later ones find
    for fit_s, factor in ((0.05, 1.5), (1.0, 1.1)):
        ideal_s = NUM_TRIALS * NUM_FOLDS * fit_s / NUM_CPUS
        rows.append((f"100 fits of {fit_s:g} s, ideal {ideal_s:g} s", search_wall_s(fit_s), factor * ideal_s + 10))
    print(f"{'what':<40} {'wall s':>8} {'bound s':>8}")
    for what, wall_s, bound_s in rows:
        print(f"{what:<40} {wall_s:8.1f} {bound_s:8.1f}  {'ok' if wall_s <= bound_s else 'MISSED'}")
    return int(any(wall_s > bound_s for _, wall_s, bound_s in rows))


if __name__ == "__main__":
    sys.exit(main())
