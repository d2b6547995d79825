"""From the winner to a model: members fitted on all rows, test opened once, packed, reloaded, registered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Batch
from assay.engines.fleet import Fleet, Refit
from assay.engines.generations import Plan, Tell, TrialRecord
from assay.evaluation.bootstrap import row_counts, score_interval
from assay.evaluation.leaderboard import Entry
from assay.model import Combination, Member, Model, Recipe
from assay.parts import Json, Kind, Metric
from assay.seeds import child
from assay.spec import Experiment
from assay.store import artifact, files
from assay.store.runs import Run
from assay.store.verify import verify
from assay.vocabulary import EntryKind, Shelf
from assay.workflows import choices
from assay.workflows.combine import Board
from assay.workflows.prepare import Prepared, Rows
from assay.workflows.settle import settle

NUM_TEST_RESAMPLES = 500
PROBE_ROWS = 200
NEGLIGIBLE = 2e-4


def winner(board: Board, metric: Metric) -> Entry:
    """Return the row that becomes the model: the best, or a cheaper one that is as good; by out-of-fold scores alone.

    As good means within NEGLIGIBLE of what the best gains over the baseline; cheaper, of fewer members. Measured times
    would choose otherwise on another day.
    """
    models = [entry for entry in board.entries if entry.kind is not EntryKind.BASELINE]
    floor = next(metric.gain(entry.score) for entry in board.entries if entry.kind is EntryKind.BASELINE)
    best = metric.gain(models[0].score)
    enough = best - NEGLIGIBLE * abs(best - floor)
    return min((entry for entry in models if metric.gain(entry.score) >= enough), key=lambda entry: len(entry.members))


@dataclass(frozen=True)
class Built:
    """A model whose members are sealed, and what it must predict for the first rows of `probe_rows`."""

    model: Model
    prediction_nK: np.ndarray


def probe_rows(rows: Rows) -> pa.Table:
    """Return the rows that prove a model: the test rows, or training rows where none are kept for the test."""
    return rows.test if rows.test.num_rows else rows.train.slice(0, PROBE_ROWS)


def build(
    board: Board, experiment: Experiment, plan: Plan, rows: Rows, prepared: Prepared, fleet: Fleet, run: Run, tell: Tell
) -> Built:
    """Fit the winner's members on all training rows, in parallel actors, and put the model together."""
    chosen = winner(board, plan.metric)
    combined = board.ensembles.get(chosen.name)
    names = [chosen.name]
    if combined is not None:
        names = [board.members[place] for place in combined.task.part.used(combined.learned, len(board.members))]
    tell("refit", {"members": names})
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    probe = kind.to_batch(probe_rows(rows).slice(0, PROBE_ROWS), rows.profile)
    orders = [_order(board.trials[name], plan, prepared.recipes, probe) for name in names]
    fitted = fleet.refit(orders, prepared.refs)
    members = tuple(
        Member(name, order.algorithm, found.params, order.recipe, found.sealed)
        for name, order, found in zip(names, orders, fitted, strict=True)
    )
    prediction_nK, combination = fitted[0].prediction_nK, None
    if combined is not None:
        combination = Combination(combined.task.key, combined.task.params, combined.learned)
        prediction_MnK = np.stack([found.prediction_nK for found in fitted])
        prediction_nK = combination.part.combine(combined.learned, prediction_MnK)
    recipes = {member.recipe: prepared.recipes[member.recipe] for member in members}
    card = {
        "experiment": experiment.experiment,
        "run": run.id,
        "winner": chosen.name,
        "seed": experiment.seed,
        "metric": choices.metric_key(experiment, rows.profile.label.task),
        "out_of_fold": chosen.to_json(),
    }
    settled = settle(chosen.name, chosen.members, board.judged, experiment, plan.metric)
    tell("settled", {"metric": card["metric"], **settled.told})
    card |= settled.told
    kind_key, calibration, decision = experiment.kind or "tabular", settled.calibration, settled.decision
    model = Model(kind_key, rows.profile, recipes, members, combination, card, calibration, decision)
    return Built(model, model.calibrated(prediction_nK))


def _order(record: TrialRecord, plan: Plan, recipes: Mapping[str, Recipe], probe: Batch) -> Refit:
    key = record.proposal.algorithm
    recipe, facts = plan.recipe_of[key], tuple(fold.facts for fold in record.folds)
    seed = child(plan.seed, "refit", record.number)
    return Refit(key, record.proposal.params, recipe, seed, facts, recipes[recipe].apply(probe))


def pack(built: Built, run: Run, rows: Rows, threads: int) -> np.ndarray:
    """Write the model's folder, load it in a fresh process, and return what it predicts there for `probe_rows`.

    Raises:
        ArtifactFault: the fresh process predicts otherwise than the processes that fitted the members.
    """
    if run.model.exists():  # of a session that was killed before the folder was proven
        files.remove_tree(run.model)
    artifact.pack(run.model, built.model)
    own = [member.algorithm.partition(":")[0] for member in built.model.members if ":" in member.algorithm]
    imports = [name for name in own if name.split(".")[0] != "sklearn"]
    return verify(run.model, probe_rows(rows), built.prediction_nK, imports=imports, threads=threads)


def score_test(model: Model, prediction_NK: np.ndarray, rows: Rows, experiment: Experiment) -> Json:
    """Score what the packed model predicted for the test rows; empty where no rows are kept for the test."""
    if rows.test.num_rows == 0:
        return {}
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    label_N = kind.to_batch(rows.test, rows.profile).label_N
    first = choices.metric_key(experiment, rows.profile.label.task)
    return scores(model, label_N, prediction_NK, first, experiment.seed)


def scores(model: Model, y_N: np.ndarray, prediction_NK: np.ndarray, first: str, seed: int) -> Json:
    """Return every metric of the task with its interval, the asked one first; one that has no value is left out.

    Metrics that judge answers see those that the model gives, with its threshold.
    """
    weighed_NK = model.weighed(prediction_NK)
    weight_BN = row_counts(len(y_N), NUM_TEST_RESAMPLES, child(seed, "test"))
    keys = [first, *(key for key in catalog.keys(Shelf.METRICS) if key != first)]
    found: Json = {}
    for key in keys:
        metric: Metric = catalog.make(Shelf.METRICS, key)
        if model.task not in metric.tasks:
            continue
        known = score_interval(metric, y_N, weighed_NK if metric.of_decisions else prediction_NK, weight_BN)
        if math.isfinite(known.score):
            found[key] = {"score": known.score, "low": _plain(known.low), "high": _plain(known.high)}
    return found


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
