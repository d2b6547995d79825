"""How often a retraining promotes: where nothing is gained, and where the world has changed.

    python benchmarks/retraining.py          # prints a table and exits with 1 when a bound is missed

Each retraining has a world of its own: LightGBM on old rows is the champion, LightGBM on as many of the newest rows the
challenger, both are judged by the real rule with all its guards on the newest of the new rows.

`alike`: old and new rows are drawn alike, so a challenger is better or worse by the luck of its rows alone, about half
each. `no gain`: those of them whose challenger is no better on 40,000 further rows, 200 of them. `concept`: what the
label follows turned round in the new rows. Bounds: at most 5 % promoted with no true gain, at least 95 % with the world
turned round.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from assay.model import Model
from assay.spec import DataSpec
from assay.spec.retraining import RetrainSpec
from assay.workflows.choices import metric_part
from assay.workflows.retraining.division import gather
from assay.workflows.retraining.judging import verdict
from assay.workflows.windows import Window
from measuring.simulated import METRIC, Stream, model_of

NUM_OLD, NUM_NEW, NUM_TURNED = 2_000, 1_000, 4_000  # rows
NUM_WITHOUT_GAIN, NUM_CONCEPT = 200, 40  # retrainings
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


def drawn_alike() -> list[Retrained]:
    """Retrain in worlds that stay as they are, until so many challengers were no better."""
    found: list[Retrained] = []
    while sum(not one.better for one in found) < NUM_WITHOUT_GAIN:
        found.append(retrained(20_000 + len(found), "none", NUM_OLD, NUM_NEW))
    return found


def line(name: str, found: list[Retrained], verdict: str = "") -> str:
    """Return a line of the table."""
    counts = "  ".join(f"{sum(condition in one.failed for one in found):{len(condition)}}" for condition in CONDITIONS)
    num_promoted = sum(one.promoted for one in found)
    return f"{name:<8} {len(found):5} {num_promoted:8} {num_promoted / len(found):7.1%}   {counts}  {verdict}".rstrip()


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    print(
        f"{'world':<8} {'times':>5} {'promoted':>8} {'share':>7}   "
        + "  ".join(CONDITIONS)
        + "  (conditions that failed)"
    )
    alike = drawn_alike()
    no_gain = [one for one in alike if not one.better]
    concept = [retrained(40_000 + seed, "concept", NUM_OLD, NUM_TURNED) for seed in range(NUM_CONCEPT)]
    is_true = sum(one.promoted for one in no_gain) <= MOST_FALSE * len(no_gain)
    finds = sum(one.promoted for one in concept) >= LEAST_FOUND * len(concept)
    print(line("alike", alike))
    print(line("no gain", no_gain, "ok" if is_true else "MISSED"))
    print(line("concept", concept, "ok" if finds else "MISSED"))
    return int(not (is_true and finds))


if __name__ == "__main__":
    sys.exit(main())
