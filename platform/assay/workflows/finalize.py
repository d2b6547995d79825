"""From the winner to a model: members fitted on all rows, test opened once, packed, reloaded, registered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from assay import catalog
from assay.engines.fleet import Fleet, Refit
from assay.engines.search import Plan, Tell
from assay.engines.trial import algorithm_of
from assay.evaluation.bootstrap import row_counts, score_interval
from assay.evaluation.leaderboard import Entry
from assay.model import Combination, Member, Model, Recipe
from assay.parts import Json, Metric
from assay.profile import Profile
from assay.seeds import child
from assay.spec import Experiment
from assay.store import artifact
from assay.store.runs import Run
from assay.store.verify import verify
from assay.vocabulary import EntryKind, Shelf, Task
from assay.workflows.combine import Board
from assay.workflows.prepare import Rows

NUM_TEST_RESAMPLES = 500
VERIFY_ROWS = 200
NEGLIGIBLE = 2e-4


def winner(board: Board, metric: Metric) -> Entry:
    """Return the row that becomes the model: the best, or a cheaper one that is as good; by out-of-fold scores alone.

    As good means within NEGLIGIBLE of what the best gains over the baseline; cheaper, in time to predict a row.
    """
    models = [entry for entry in board.entries if entry.kind is not EntryKind.BASELINE]
    floor = next(metric.gain(entry.score) for entry in board.entries if entry.kind is EntryKind.BASELINE)
    best = metric.gain(models[0].score)
    enough = best - NEGLIGIBLE * abs(best - floor)
    return min((entry for entry in models if metric.gain(entry.score) >= enough), key=lambda e: e.predict_us_per_row)


def build(
    board: Board,
    experiment: Experiment,
    plan: Plan,
    profile: Profile,
    recipes: Mapping[str, Recipe],
    refs: Mapping[str, Any],
    fleet: Fleet,
    run: Run,
    tell: Tell,
) -> Model:
    """Fit the winner's members on all training rows, in parallel actors, and put the model together."""
    chosen = winner(board, plan.metric)
    combined = board.ensembles.get(chosen.name)
    names = [chosen.name]
    if combined is not None:
        names = [board.members[place] for place in combined.task.part.used(combined.learned, len(board.members))]
    members = tuple(_fit_members(names, board, plan, refs, fleet, tell))
    combination = None
    if combined is not None:
        combination = Combination(combined.task.key, combined.task.params, combined.learned)
    card = {
        "experiment": experiment.experiment,
        "run": run.id,
        "winner": chosen.name,
        "seed": experiment.seed,
        "members": names,
        "out_of_fold": chosen.to_json(),
    }
    used = {member.recipe for member in members}
    slim = {name: recipe for name, recipe in recipes.items() if name in used}
    return Model(experiment.kind or "tabular", profile, slim, members, combination, card)


def _fit_members(
    names: list[str], board: Board, plan: Plan, refs: Mapping[str, Any], fleet: Fleet, tell: Tell
) -> list[Member]:
    orders = []
    for name in names:
        record = board.trials[name]
        facts = tuple(fold.facts for fold in record.folds)
        orders.append(
            Refit(
                record.proposal.algorithm,
                record.proposal.params,
                plan.recipe_of[record.proposal.algorithm],
                child(plan.seed, "refit", record.number),
                facts,
            )
        )
    tell("refit", {"members": names})
    found = fleet.refit(orders, refs)
    members = []
    for name, order, (files, params) in zip(names, orders, found, strict=True):
        fitted = algorithm_of(order.algorithm, params).load(files)
        members.append(Member(name, order.algorithm, params, order.recipe, fitted))
    return members


def score_test(model: Model, rows: Rows, metric_key: str, seed: int) -> Json:
    """Score the model once on the test rows: every metric of the task, each with its 95 % interval."""
    if rows.test.num_rows == 0:
        return {}
    batch = model.batch(rows.test)
    prediction_NK = model.predict_batch(batch)
    return scores(model.task, batch.label_N, prediction_NK, metric_key, seed)


def scores(task: Task, y_N: np.ndarray, prediction_NK: np.ndarray, first: str, seed: int) -> Json:
    """Return every metric of the task with its interval, the asked one first; one that has no value is left out."""
    weight_BN = row_counts(len(y_N), NUM_TEST_RESAMPLES, child(seed, "test"))
    keys = [first, *(key for key in catalog.keys(Shelf.METRICS) if key != first)]
    found: Json = {}
    for key in keys:
        metric: Metric = catalog.make(Shelf.METRICS, key)
        if task not in metric.tasks:
            continue
        known = score_interval(metric, y_N, prediction_NK, weight_BN)
        if math.isfinite(known.score):
            found[key] = {"score": known.score, "low": _plain(known.low), "high": _plain(known.high)}
    return found


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def pack(model: Model, run: Run, rows: Rows, test: Json) -> artifact.Artifact:
    """Write the model's folder and prove that a fresh process predicts the same from it."""
    model = replace(model, card={**model.card, "test": test})
    if run.model.exists():  # a session that was killed after packing
        return artifact.open_artifact(run.model)
    packed = artifact.pack(run.model, model)
    source = rows.test if rows.test.num_rows else rows.train
    few = source.slice(0, VERIFY_ROWS)
    own = [member.algorithm.partition(":")[0] for member in model.members if ":" in member.algorithm]
    verify(run.model, few, model.predict(few), imports=[name for name in own if name.split(".")[0] != "sklearn"])
    return packed
