"""Record a finished run in MLflow, register its model, and decide whether it becomes champion."""

from __future__ import annotations

from collections.abc import Mapping

from assay import catalog
from assay.engines.fit_torch import Place
from assay.engines.generations import Tell
from assay.errors import ClusterFault
from assay.parts import Json, Metric
from assay.spec import Experiment
from assay.store.registry import CHALLENGER, CHAMPION, Registry
from assay.store.runs import Run
from assay.store.tracking import Tracking, TrialRecord
from assay.vocabulary import EntryKind, Shelf


def register(experiment: Experiment, run: Run, tracking: Tracking, result: Json, tell: Tell) -> str | None:
    """Return the model as NAME/VERSION; a tracking server that is down is told, and never fails a run."""
    name = experiment.model_name
    try:
        _record(experiment, run, tracking, result)
        registry = Registry(tracking)
        version = registry.register(
            name, run.model, run_id=run.id, experiment=experiment.experiment, tags=_tags(result)
        )
        told = _promote(registry, experiment, version, result)
    except ClusterFault as fault:
        tell("tracking_failed", {"reason": str(fault), "next": f"assay resume {run.id}"})
        return None
    tell("registered", {"model": f"{name}/{version}", "as": told})
    return f"{name}/{version}"


def _record(experiment: Experiment, run: Run, tracking: Tracking, result: Json) -> None:
    metric, board = result["metric"], result["leaderboard"]
    trials = [
        TrialRecord(
            entry["name"],
            {"kind": entry["kind"], **(entry["params"] or {})},
            {
                f"out_of_fold.{metric}": entry["score"],
                "fit_s": entry["fit_s"],
                "predict_us_per_row": entry["predict_us_per_row"],
            },
            _epochs(run, entry),
        )
        for entry in board
        if entry["kind"] != EntryKind.BASELINE and entry["score"] is not None
    ]
    tracking.record_run(
        run.id,
        experiment.experiment,
        params={
            "seed": experiment.seed,
            "metric": metric,
            "winner": result["winner"],
            "folds": experiment.split.folds,
            "trials": result["trials"]["counted"],
        },
        metrics={
            f"out_of_fold.{metric}": board[0]["score"],
            **{f"test.{key}": entry["score"] for key, entry in result["test"].items()},
        },
        tags={"assay.task": result["task"]},
        artifacts=[run.path("spec.yaml"), run.path("profile.json")],
        trials=trials,
    )


def _epochs(run: Run, entry: Json) -> list[Json]:
    """Return what each epoch of a network's first fold gave; empty for all else."""
    number = str(entry["name"]).rpartition("-")[2]
    if entry["kind"] != EntryKind.TRIAL or not number.isdigit():
        return []
    file = Place(str(run.folder), f"trials/{int(number):04d}").epochs
    found: list[Json] = run.read_json(file) if run.exists(file) else []
    return found


def _tags(result: Json) -> dict[str, str]:
    """Return what two versions are compared by: the score, and the metric and test rows that it stands on."""
    metric = result["metric"]
    scored = result["test"].get(metric, result["leaderboard"][0])
    ends = {f"assay.score_{end}": repr(scored[end]) for end in ("low", "high") if scored.get(end) is not None}
    return {
        "assay.metric": metric,
        "assay.score": repr(scored["score"]),
        "assay.test_rows": result["test_rows_digest"],
        **ends,
    }


def _promote(registry: Registry, experiment: Experiment, version: int, result: Json) -> str:
    """Make the version champion as the file asks; returns what it is now, in words."""
    name, asked = experiment.model_name, experiment.register_.promote
    if asked == "never":
        return "not promoted yet"  # as the file asks, or since a retraining judges first
    champion = registry.champion(name)
    if champion is not None and champion.number == version:
        return CHAMPION
    reason = why_not_better(champion.tags, _tags(result)) if champion is not None and asked == "if_better" else ""
    registry.promote(name, version, CHALLENGER if reason else CHAMPION)
    return f"{CHALLENGER}: {reason}" if reason else CHAMPION


def why_not_better(champion: Mapping[str, str], challenger: Mapping[str, str]) -> str:
    """Return why a challenger does not take over, empty when it does: it must score better on the same test rows."""
    for tag, word in (("assay.metric", "another metric"), ("assay.test_rows", "other test rows")):
        if champion.get(tag) != challenger[tag]:
            return f"the champion was judged on {word}; compare with `assay evaluate`, then `assay promote`"
    metric: Metric = catalog.make(Shelf.METRICS, challenger["assay.metric"])
    try:
        old, new = float(champion["assay.score"]), float(challenger["assay.score"])
    except (KeyError, ValueError):
        return "the champion's tag assay.score holds no score; compare with `assay evaluate`, then `assay promote`"
    return "" if metric.gain(new) > metric.gain(old) else f"the champion scores {old:.5f}, this version {new:.5f}"
