"""What a drift watch finds and what it cries about: streams whose drift is known, against a real model of each.

    python benchmarks/drift.py               # prints a table and exits with 1 when a bound is missed

20 seeds; each trains LightGBM on rows of its own world and is then asked about windows of later, labelled rows.
Bounds: an alarm in at most 5 % of the windows without drift, and in at least 95 % of those whose numbers moved by a
standard deviation; below and above the 1,000 training rows at which the rule changes.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

import assay
from assay.store import artifact
from measuring.simulated import Stream, fitted

NUM_SEEDS, WINDOWS = 20, {"none": 10, "covariate": 1, "label": 1, "concept": 1}
TRAINING_ROWS, WINDOW_ROWS = (600, 4_000), (100, 500, 2_000)
MOST_FALSE, LEAST_FOUND = 0.05, 0.95
TEST_SHARE = 4  # a test row to each four training rows, as `split.test_fraction` keeps them
ALARMS = ("columns", "prediction", "label", "score")
Case = tuple[int, int, str]  # training rows, rows of the window, drift


def measured(home: Path) -> dict[Case, Counter[str]]:
    """Return how often each alarm was given, and any, by case."""
    found: dict[Case, Counter[str]] = {}
    for training_rows in TRAINING_ROWS:
        for seed in range(NUM_SEEDS):
            stream = Stream(seed)
            trained = fitted(stream.rows(training_rows), stream.rows(training_rows // TEST_SHARE))
            folder = artifact.pack(home / f"{training_rows}-{seed}", trained.model, trained.reference).folder
            for window_rows in WINDOW_ROWS:
                for drift, count in WINDOWS.items():
                    told = found.setdefault((training_rows, window_rows, drift), Counter())
                    for _ in range(count):
                        alarms = assay.drift(str(folder), stream.rows(window_rows, drift), home)["alarms"]
                        told.update([*alarms, "windows", *(["any"] if alarms else [])])
    return found


def verdict(drift: str, share: float) -> str:
    """Return whether a bound is kept; nothing where there is none."""
    if drift == "none":
        return "ok" if share <= MOST_FALSE else "MISSED"
    if drift == "covariate":
        return "ok" if share >= LEAST_FOUND else "MISSED"
    return ""


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    print(f"{'training':>8} {'window':>6}  {'drift':<10} {'windows':>7} {'alarm':>6}  " + "  ".join(ALARMS))
    missed = False
    for (training_rows, window_rows, drift), told in found.items():
        shares = {name: told[name] / told["windows"] for name in ("any", *ALARMS)}
        each = "  ".join(f"{shares[name]:{len(name)}.0%}" for name in ALARMS)
        said = verdict(drift, shares["any"])
        missed |= said == "MISSED"
        head = f"{training_rows:8,} {window_rows:6,}  {drift:<10} {told['windows']:7} {shares['any']:6.1%}"
        print(f"{head}  {each}  {said}".rstrip())
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
