"""How often a retraining promotes: where nothing is gained, and where the world has changed.

    python benchmarks/retraining.py          # prints a table and exits with 1 when a bound is missed

Each retraining has a world of its own: LightGBM on old rows is the champion, LightGBM on as many of the newest rows the
challenger, both are judged by the real rule with all its guards on the newest new rows. `none`: old and new rows are
drawn alike, so a challenger is better or worse only by the luck of its rows. `concept`: what the label follows turned
round in the new rows. `better` of the promoted are those that also score higher on 40,000 further rows.
Bounds: at most 5 % promoted without a gain, at least 95 % with one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from assay.model import Model
from assay.spec import DataSpec
from assay.spec.retraining import RetrainSpec
from assay.workflows.choices import metric_part
from assay.workflows.judging import verdict
from assay.workflows.new_rows import gather
from assay.workflows.windows import Window
from measuring.simulated import METRIC, Stream, model_of

CASES = (("none", 2_000, 1_000, 200), ("concept", 2_000, 4_000, 40))  # drift, old rows, new rows, retrainings
FURTHER_ROWS = 40_000
MOST_FALSE, LEAST_FOUND = 0.05, 0.95
DATA = DataSpec(train="memory", label="y")
CONDITIONS = ("gain", "calibration", "slices", "schema", "latency")


@dataclass(frozen=True)
class Retrained:
    """What came of one retraining."""

    promoted: bool
    better: bool  # on further rows
    failed: tuple[str, ...]  # conditions


def retrained(seed: int, drift: str, num_old: int, num_new: int) -> Retrained:
    """Fit and judge in the world of a seed."""
    stream, rule = Stream(seed), RetrainSpec()
    old, new = stream.rows(num_old), stream.rows(num_new, drift)
    champion = replace(model_of(old), card={"metric": METRIC})
    rows = gather(old, new, DATA, rule, [column.name for column in champion.profile.used], Window(rows=num_old))
    challenger = model_of(rows.train)
    judged = verdict(champion, challenger, rows.held, rule, seed)
    further = stream.rows(FURTHER_ROWS, drift)
    failed = tuple(check.name for check in judged.checks if not check.passed)
    scores = [score(model, further) for model in (champion, challenger)]
    return Retrained(judged.promote, scores[1] > scores[0], failed)


def score(model: Model, rows: object) -> float:
    """Return the area under the curve on rows."""
    batch = model.batch(rows)
    return float(metric_part(METRIC).score(batch.label_N, model.predict_batch(batch)))


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    print(
        f"{'drift':<8} {'old':>6} {'new':>6} {'times':>5} {'promoted':>8} {'better':>6}  failed: "
        + "  ".join(CONDITIONS)
    )
    missed = False
    for drift, num_old, num_new, times in CASES:
        found = [retrained(20_000 + seed, drift, num_old, num_new) for seed in range(times)]
        num_promoted = sum(one.promoted for one in found)
        num_better = sum(one.promoted and one.better for one in found)
        share = num_promoted / times
        missed_here = share > MOST_FALSE if drift == "none" else share < LEAST_FOUND
        missed |= missed_here
        counts = "  ".join(f"{sum(name in one.failed for one in found):{len(name)}}" for name in CONDITIONS)
        head = f"{drift:<8} {num_old:6,} {num_new:6,} {times:5} {share:8.1%} {num_better:6}"
        print(f"{head}          {counts}  {'MISSED' if missed_here else 'ok'}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
