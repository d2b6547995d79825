"""What trying ensembles costs: fifty combinations on a stored run of 16 members x 30,000 rows, in this process.

    python benchmarks/ensembles.py           # prints a table and exits with 1 when the bound is missed

The run's folder is made here from members that never were: two classes, five folds, predictions of falling quality.
Bound: `assay ensemble RUN --try FILE` within 10 s, the start of the program included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.engines.generations import fold_file, generation_file
from assay.engines.trial import FoldResult
from assay.parts import Proposal
from assay.seeds import child
from assay.store.runs import Run, Storage
from assay.vocabulary import Shelf
from assay.workflows.evidence import FILE

NUM_MEMBERS, NUM_ROWS, NUM_FOLDS, BOUND_S = 16, 30_000, 5, 10.0
SPEC = f"experiment: bench\ndata: {{train: rows.csv, label: y}}\nsplit: {{folds: {NUM_FOLDS}}}\n"


def stored_run(storage: Path) -> Run:
    """Return a run that looks as a finished search leaves it."""
    draw = np.random.default_rng(0)
    odds_N = draw.normal(size=NUM_ROWS)
    y_N = (draw.random(NUM_ROWS) < 1 / (1 + np.exp(-1.5 * odds_N))).astype(np.int64)
    fold_N = catalog.make(Shelf.SPLITS, "stratified").folds(np.arange(NUM_ROWS), y_N, NUM_FOLDS, child(0, "folds"))
    run = Storage(storage).new_run("bench")
    run.write_text("spec.yaml", SPEC)
    table = pa.table({"a": odds_N, "y": np.where(y_N == 1, "yes", "no")})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(table, np.arange(NUM_ROWS), 0), "y", None, {}, None)
    run.write_json("profile.json", profile.to_json())
    run.write_arrays(FILE, {"y": y_N, "fold": fold_N[None], "trials": np.arange(NUM_MEMBERS)})
    proposals = [vars(Proposal("lightgbm", {"num_leaves": 4 + member})) for member in range(NUM_MEMBERS)]
    run.write_json(generation_file(0), {"proposals": proposals, "bars": [None] * NUM_FOLDS})
    for member in range(NUM_MEMBERS):
        said_N = 1 / (1 + np.exp(-(1.2 * odds_N + (0.4 + 0.04 * member) * draw.normal(size=NUM_ROWS))))
        for fold in range(NUM_FOLDS):
            said_NK = np.column_stack([1 - said_N, said_N])[fold_N == fold].astype(np.float32)
            run.write_arrays(Run.fold_name(member, fold), {"prediction": said_NK})
            run.write_json(fold_file(member, fold), FoldResult(fold, 0.8, 0.8, 1.0, 1.0, NUM_ROWS).to_json())
    return run


def fifty() -> list[dict[str, Any]]:
    """Return fifty different ensembles, of every method that needs no new member."""

    def of(name: str, **params: Any) -> dict[str, Any]:
        return {"name": name, "params": params}

    sizes = (3, 5, 8, 12, 16)
    found = [of("vote", voting=voting, members=size) for voting in ("hard", "soft") for size in sizes]
    found += [of("vote", weights="learned", members=size) for size in sizes]
    found += [of("average", by=by, members=size) for by in ("mean", "median", "rank") for size in sizes]
    found += [of("average", weights="learned", members=size) for size in sizes]
    found += [of("greedy"), of("greedy", num_draws=10), of("greedy", num_draws=100), of("greedy", start=4)]
    found += [of("greedy", bags=5), of("greedy", bags=10, bag_fraction=0.3)]
    penalties = (0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2.0)
    found += [of("stack", learner="logistic_regression", params={"C": penalty}) for penalty in penalties]
    return [*found, of("stack"), of("stack", recalibrate=False)]


def main() -> int:
    """Measure, print, and say whether the bound holds."""
    with tempfile.TemporaryDirectory() as folder:
        run, file = stored_run(Path(folder)), Path(folder) / "fifty.yaml"
        file.write_text(json.dumps(fifty()))  # JSON is YAML
        started = time.monotonic()
        words = ["ensemble", run.id, "--try", str(file), "--storage", folder, "--json"]
        ended = subprocess.run([sys.executable, "-m", "assay", *words], capture_output=True, text=True, check=False)
        wall_s = time.monotonic() - started
        if ended.returncode:
            raise SystemExit(ended.stderr)
    rows = [row for row in json.loads(ended.stdout)["leaderboard"] if row["kind"] == "ensemble"]
    assert len(rows) == len(fifty()) == 50
    print(f"{'what':<60} {'wall s':>8} {'bound s':>8}")
    verdict = "ok" if wall_s <= BOUND_S else "MISSED"
    what = f"{len(rows)} ensembles, {NUM_MEMBERS} members x {NUM_ROWS:,} rows, {NUM_FOLDS} folds"
    print(f"{what:<60} {wall_s:8.1f} {BOUND_S:8.1f}  {verdict}")
    return int(wall_s > BOUND_S)


if __name__ == "__main__":
    sys.exit(main())
