"""How good, how fast and how large: every tabular set of a folder under a time budget, beside what peers reached there.

    python benchmarks/accuracy.py DATA_DIR --budget 60                 # all sets; exits with 1 when one failed
    python benchmarks/accuracy.py DATA_DIR --only credit --out a.json  # one set, everything kept as JSON

A set is a folder with train.parquet, test.parquet and meta.json; docs/benchmarks.md says what is in them, and what the
columns of the table mean. Each run is a process of its own, `assay run`, and each model is measured in a fresh one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from assay.store.files import write_file
from assay.store.runs import Run, Storage
from measuring import packed, peers, table
from measuring.sets import DataSet, experiment_text, read_sets
from measuring.watched import Watched, watch

SLACK_S = 5.0  # a budget is kept when the model is there so soon after it
NUM_TRIALS = 500  # more than the time allows
MEASURE_S = 600.0
ELSEWHERE = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "ASSAY_STORAGE")  # a benchmark stays on this machine
Row = dict[str, Any]


class Failed(Exception):
    """A run or a measurement that gave nothing to compare, and why."""


def row_of(data: DataSet, baselines: list[peers.Baseline], arguments: argparse.Namespace) -> Row:
    """Run one set and measure its model; what fails is said in the row."""
    row: Row = {"set": data.name, "metric": data.meta.get("metric", "?"), "task": data.meta.get("task"), "failed": None}
    with tempfile.TemporaryDirectory(prefix="assay-accuracy-") as folder:
        try:
            if data.unusable:
                raise Failed(data.unusable)
            row |= run_row(data, Path(folder), arguments)
        except Failed as failed:
            return row | {"failed": str(failed)}
    known = peers.peers_of(baselines, data.name, row["metric"], arguments.budget)
    return row | peers.against_peers(row["metric"], row["ours"], known)


def run_row(data: DataSet, folder: Path, arguments: argparse.Namespace) -> Row:
    """Run the experiment of a set as a process, then measure the packed model in another."""
    trials = arguments.trials or (None if arguments.preset else NUM_TRIALS)
    file, storage = folder / "experiment.yaml", folder / "storage"
    text = experiment_text(data, arguments.budget, trials, arguments.preset, arguments.seed)
    write_file(file, text.encode())
    ended = watch(
        [sys.executable, "-m", "assay", "run", str(file), "--json", "--storage", str(storage)],
        folder,
        {name: value for name, value in os.environ.items() if name not in ELSEWHERE},
        patience_s=10 * arguments.budget + MEASURE_S,
    )
    result = result_of(ended)
    metric = data.meta["metric"]
    if metric not in result["test"]:
        raise Failed(f"the run has no {metric} on the test rows")
    run = Storage(storage).open_run(result["run"])
    finalized_s = seconds_to(run, "packed", ended)
    return {
        "experiment": text,
        "ours": result["test"][metric],
        "test": result["test"],
        "test_rows": result["test_rows"],
        "winner": result["winner"],
        "trials": result["trials"],
        "leaderboard": result["leaderboard"],
        "finalized_s": finalized_s,
        "wall_s": ended.wall_s,
        "budget_kept": finalized_s <= arguments.budget + SLACK_S,
        "peak_mb": ended.peak_mb,
        **measured(run.model, data),
    }


def result_of(ended: Watched) -> Row:
    """Return what a run printed."""
    if ended.code is None:
        raise Failed(f"stopped after {ended.wall_s:.0f} s")
    if ended.code:
        said = [line for line in ended.stderr.strip().splitlines() if line.strip()]
        raise Failed(f"exit code {ended.code}: {' | '.join(said[-3:])[-500:]}")
    found: Row = json.loads(ended.stdout)
    return found


def seconds_to(run: Run, event_type: str, ended: Watched) -> float:
    """Return the seconds from the start of the process to an event of its run."""
    at = next(event.at for event in run.events.read() if event.type == event_type)
    return datetime.fromisoformat(at).timestamp() - ended.started_s


def measured(model: Path, data: DataSet) -> Row:
    """Return what a fresh process finds out about a packed model."""
    command = [sys.executable, packed.__file__, str(model), str(data.test), data.meta["metric"]]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=MEASURE_S, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"the packed model took more than {MEASURE_S:g} s to measure") from None
    if told.returncode:
        raise Failed(f"the packed model cannot be measured: {told.stderr.strip()[-500:]}")
    found: Row = json.loads(told.stdout.splitlines()[-1])
    return found


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data_dir", type=Path, metavar="DATA_DIR", help="a folder of data sets")
    parser.add_argument("--budget", type=float, default=60.0, metavar="SECONDS", help="for each set")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="some sets only")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--baselines", type=Path, metavar="CSV", help="what peers reached; DATA_DIR/baselines.csv")
    parser.add_argument("--preset", help="preset of the experiments; none when left out")
    parser.add_argument("--trials", type=int, help=f"most trials; {NUM_TRIALS}, or what the preset says")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


def read_peers(arguments: argparse.Namespace) -> list[peers.Baseline]:
    """Return what peers reached: of the file that is named, or of the one that lies beside the sets."""
    usual = arguments.data_dir / "baselines.csv"
    file = arguments.baselines or (usual if usual.is_file() else None)
    return [] if file is None else peers.read_baselines(file)


def main() -> int:
    """Run, print, and say whether every set ran."""
    arguments = parsed()
    found, skipped = read_sets(arguments.data_dir, arguments.only)
    baselines = read_peers(arguments)
    for word in skipped:
        print(word, file=sys.stderr)
    rows: list[Row] = []
    for data in found:
        row = row_of(data, baselines, arguments)
        rows.append(row)
        said = (
            row["failed"] or f"{row['metric']} {row['ours']['score']:.5f}, {row['winner']}, {row['finalized_s']:.1f} s"
        )
        print(f"{data.name}: {said}", file=sys.stderr, flush=True)
        summed = peers.summary(rows, arguments.budget)
        if arguments.out:  # after each set: an hour of runs is not lost to a Ctrl-C
            kept = {"machine": machine(), "arguments": vars(arguments), "sets": rows, "summary": summed}
            write_file(arguments.out.absolute(), json.dumps(kept, indent=1, default=str).encode())
    if not rows:
        print(f"no tabular set in {arguments.data_dir}", file=sys.stderr)
        return 1
    print(table.printed(rows, summed, arguments.budget))
    return int(summed["failed"] > 0)


def machine() -> Row:
    """Return what the numbers were measured on."""
    return {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


if __name__ == "__main__":
    sys.exit(main())
