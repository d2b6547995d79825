"""Other systems on the same test rows: read from a table, compared set by set, and summed up."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from assay import catalog
from assay.vocabulary import Shelf

OURS = "assay"
DEFAULTS, STRONG = "lgbm", "autogluon"  # a library as it comes, and a system that spends the budget to beat it
DIGITS = 6  # peers' values are written with so many; closer than that is equal
WIN, TIE, LOSS = "+", "=", "-"
WORTH = {WIN: 1.0, TIE: 0.5, LOSS: 0.0}
Row = dict[str, Any]


@dataclass(frozen=True)
class Baseline:
    """One value of one system on one set."""

    system: str
    set: str
    metric: str
    value: float
    budget_s: float
    costs: Mapping[str, float]  # wall_s, predict_1row_ms, … as far as they are given


COSTS = ("wall_s", "predict_1row_ms", "predict_rows_per_s", "peak_rss_mb", "model_mb")


def read_baselines(file: Path) -> list[Baseline]:
    """Read the table: system, set, metric, value, budget_s, and costs that may be empty."""
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            Baseline(
                row["system"],
                row["set"],
                row["metric"],
                float(row["value"]),
                float(row.get("budget_s") or 0),
                {name: float(row[name]) for name in COSTS if row.get(name)},
            )
            for row in csv.DictReader(lines)
            if row["value"]
        ]


def peers_of(baselines: Sequence[Baseline], name: str, metric: str, budget_s: float) -> dict[str, Baseline]:
    """Return each system's value on a set; of several the one with the most budget that is not above ours."""
    found: dict[str, Baseline] = {}
    for entry in baselines:
        if (entry.set, entry.metric) != (name, metric):
            continue
        known = found.get(entry.system)
        if known is None or _preferred(entry, budget_s) > _preferred(known, budget_s):
            found[entry.system] = entry
    return found


def _preferred(entry: Baseline, budget_s: float) -> tuple[bool, float]:
    fair = entry.budget_s <= budget_s
    return fair, entry.budget_s if fair else -entry.budget_s


def loss_of(metric: str, score: float) -> float:
    """Return the score as a loss: its distance to a perfect one, or itself where less is better."""
    part = catalog.find(Shelf.METRICS, metric)
    return float(part.best - score if part.greater_is_better else score)


def standard_error(low: float | None, high: float | None) -> float:
    """Return the standard error that a 95 % interval stands for; 0 where there is none.

    Example:
        >>> round(standard_error(0.70, 0.70 + 2 * 1.96 * 0.03), 6)
        0.03
    """
    return 0.0 if low is None or high is None else (high - low) / 2 / 1.96


def compared(metric: str, score: float, other: float, error: float = 0.0) -> str:
    """Return WIN, LOSS, or TIE when the scores differ by no more than `error`.

    Example:
        >>> compared("roc_auc", 0.80, 0.79), compared("rmse", 3.0, 2.0), compared("roc_auc", 0.80, 0.79, error=0.03)
        ('+', '-', '=')
    """
    gap = round(loss_of(metric, other) - loss_of(metric, score), DIGITS)
    if abs(gap) <= error:
        return TIE
    return WIN if gap > 0 else LOSS


def normalised(losses: Mapping[str, float]) -> dict[str, float]:
    """Return each system's loss as 0 for the best and 1 for the worst on a set; 0 for all when they are equal.

    Example:
        >>> normalised({"a": 1.0, "b": 3.0, "c": 2.0})
        {'a': 0.0, 'b': 1.0, 'c': 0.5}
    """
    best, worst = min(losses.values()), max(losses.values())
    return {name: (loss - best) / (worst - best) if worst > best else 0.0 for name, loss in losses.items()}


def against_peers(metric: str, ours: Mapping[str, float], peers: Mapping[str, Baseline]) -> Row:
    """Return how our score stands against each peer on one set."""
    error = standard_error(ours["low"], ours["high"])
    losses = {OURS: ours["score"], **{name: entry.value for name, entry in peers.items()}}
    return {
        "standard_error": error,
        "peers": {
            name: {
                "value": entry.value,
                "raw": compared(metric, ours["score"], entry.value),
                "within_se": compared(metric, ours["score"], entry.value, error),
                "budget_s": entry.budget_s,
                **entry.costs,
            }
            for name, entry in peers.items()
        },
        "normalised_loss": normalised({name: loss_of(metric, score) for name, score in losses.items()}),
    }


def systems_of(rows: Sequence[Row]) -> list[str]:
    """Return the peers of any set, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.get("peers", {})))


def summary(rows: Sequence[Row], budget_s: float) -> Row:
    """Return what all sets say together; rows that failed count only as failed."""
    done = [row for row in rows if not row["failed"]]
    joined = [row["members"] for row in done if row["members"]]
    trusted = [against_trusted(row) for row in done if row["members"]]
    probable = [entry["log_loss_not_worse"] for entry in joined if entry["log_loss_not_worse"] is not None]
    return {
        "sets": len(rows),
        "failed": len(rows) - len(done),
        "against": {name: _record(done, name) for name in systems_of(done)},
        "normalised_loss": {
            name: {"mean": fmean(known), "sets": len(known)}
            for name in (OURS, *systems_of(done))
            if (known := [row["normalised_loss"][name] for row in done if name in row["normalised_loss"]])
        },
        "where_strong_beats_defaults": _where_strong(done),
        "budget_kept": sum(row["budget_kept"] for row in done),
        "largest_overrun_s": max((row["finalized_s"] - budget_s for row in done), default=None),
        "ensembles": {
            "sets": len(joined),
            "at_least_best_member": sum(entry["at_least_best_member"] for entry in joined),
            "within_interval": sum(entry["within_interval"] for entry in joined),
            "not_significantly_worse": sum(entry["gain_over_best_member"]["high"] >= 0 for entry in joined),
            "classification_sets": len(probable),
            "log_loss_not_worse": sum(probable),
            "at_least_trusted_member": sum(entry["score"] for entry in trusted),
            "trusted_log_loss_not_worse": sum(entry["log_loss"] is True for entry in trusted),
        },
    }


def against_trusted(row: Row) -> dict[str, bool | None]:
    """Say whether an ensemble is at least as good, on the test rows, as the member that was best out of fold.

    That is the model which one would have had without ensembles; the best on the test rows is known only afterwards.
    """
    scores, metric = row["members"]["scores"], catalog.make(Shelf.METRICS, row["metric"])
    name = next(entry["name"] for entry in row["leaderboard"] if entry["name"] in scores and entry["kind"] == "trial")
    whole, member = scores["ensemble"], scores[name]
    return {
        "score": bool(metric.gain(whole[row["metric"]]) >= metric.gain(member[row["metric"]])),
        "log_loss": whole["log_loss"] <= member["log_loss"] if "log_loss" in whole else None,
    }


def _record(rows: Sequence[Row], system: str) -> Row:
    found: Row = {}
    for way in ("raw", "within_se"):
        marks = [row["peers"][system][way] for row in rows if system in row["peers"]]
        found[way] = {
            "wins": marks.count(WIN),
            "ties": marks.count(TIE),
            "losses": marks.count(LOSS),
            "win_rate": fmean(WORTH[mark] for mark in marks),
        }
    return found


def _where_strong(rows: Sequence[Row]) -> Row:
    both = [row for row in rows if {DEFAULTS, STRONG} <= row["peers"].keys()]
    harder = [
        row
        for row in both
        if compared(row["metric"], row["peers"][STRONG]["value"], row["peers"][DEFAULTS]["value"]) == WIN
    ]
    won = [row["set"] for row in harder if row["peers"][DEFAULTS]["raw"] == WIN]
    return {"sets": [row["set"] for row in harder], "won": won}
