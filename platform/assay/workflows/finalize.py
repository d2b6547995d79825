"""From the winner to a model: members fitted on all rows, test opened once, packed, reloaded, registered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Batch
from assay.engines.budget import SAFETY, Budget
from assay.engines.fleet import Fleet, Kept, Refit
from assay.engines.generations import Plan, Tell, TrialRecord, refit_s
from assay.errors import SpecFault, did_you_mean
from assay.evaluation.bootstrap import row_counts, score_interval
from assay.evaluation.leaderboard import Entry
from assay.model import Combination, Member, Model, Recipe
from assay.parts import Json, Kind, Metric
from assay.seeds import child
from assay.spec import Experiment
from assay.store import artifact, files
from assay.store.runs import Run
from assay.store.verify import Prover
from assay.vocabulary import EntryKind, Shelf, Task
from assay.workflows import choices
from assay.workflows.combine import Board
from assay.workflows.prepare import Prepared, Rows

NUM_TEST_RESAMPLES = 500
PROBE_ROWS = 200
NEGLIGIBLE = 2e-4
PROOF_S = 5.0  # of a time budget: writing the model, loading it in a fresh process, scoring


def winner(board: Board, plan: Plan, asked: str | None = None, budget: Budget | None = None) -> Entry:
    """Return the row that becomes the model: the one asked for, the best, or a cheaper one that is as good.

    Chosen by out-of-fold scores alone. As good means within NEGLIGIBLE of what the best gains over the baseline;
    cheaper, of fewer members: measured times would choose otherwise on another day. Within a time budget only rows
    count whose members can still be fitted.

    Raises:
        SpecFault: the row that was asked for is not on the board.
    """
    models = [entry for entry in board.entries if entry.kind is not EntryKind.BASELINE]
    if asked is not None:
        if asked not in (names := [entry.name for entry in models]):
            raise SpecFault.at("final.choose", f"no row is named '{asked}'", did_you_mean(asked, names))
        return models[names.index(asked)]
    metric = plan.metric
    in_time = _in_time(models, board, plan, budget or Budget())
    floor = next(metric.gain(entry.score) for entry in board.entries if entry.kind is EntryKind.BASELINE)
    best = metric.gain(in_time[0].score)
    enough = best - NEGLIGIBLE * abs(best - floor)
    return min((entry for entry in in_time if metric.gain(entry.score) >= enough), key=lambda entry: len(entry.members))


def _in_time(entries: Sequence[Entry], board: Board, plan: Plan, budget: Budget) -> list[Entry]:
    """Return the rows that can be finalized in the time left; the quickest alone when none can."""
    if plan.keeps_models or math.isinf(budget.left_s):
        return list(entries)

    def needed_s(entry: Entry) -> float:
        fit_s_M = [board.trials[name].fit_s for name in entry.members or (entry.name,)]
        return SAFETY * refit_s(fit_s_M, plan.num_folds, budget.num_slots) + PROOF_S

    found = [entry for entry in entries if needed_s(entry) <= budget.left_s]
    return found or [min(entries, key=needed_s)]


@dataclass(frozen=True)
class Built:
    """A model whose members are sealed, and what it must predict for the first rows of `probe_rows`."""

    model: Model
    prediction_nK: np.ndarray


def prover(records: Sequence[TrialRecord], threads: int) -> Prover:
    """Start the process that will prove the model, with what any of the trials may need."""
    keys = {record.proposal.algorithm for record in records if record.ended == "complete"}
    return Prover([(key, {}) for key in sorted(keys) if ":" not in key and "." not in key], threads)


def probe_rows(rows: Rows) -> pa.Table:
    """Return the rows that prove a model: the test rows, or training rows where none are kept for the test."""
    return rows.test if rows.test.num_rows else rows.train.slice(0, PROBE_ROWS)


def build(
    chosen: Entry,
    board: Board,
    experiment: Experiment,
    plan: Plan,
    rows: Rows,
    prepared: Prepared,
    fleet: Fleet,
    run: Run,
    tell: Tell,
) -> Built:
    """Fit the winner's members on all training rows, or take up their folds' models, and put the model together."""
    combined = board.ensembles.get(chosen.name)
    names = [chosen.name]
    if combined is not None:
        names = [board.members[place] for place in combined.task.part.used(combined.learned, len(board.members))]
    tell("refit", {"members": names})
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    probe = kind.to_batch(probe_rows(rows).slice(0, PROBE_ROWS), rows.profile)
    if plan.keeps_models:
        taken = fleet.take_up([_kept(board.trials[name], plan, prepared.recipes, probe, run) for name in names])
    else:
        orders = [_order(board.trials[name], plan, prepared.recipes, probe) for name in names]
        taken = [[found] for found in fleet.refit(orders, prepared.refs)]
    members = tuple(
        Member(name, board.trials[name].proposal.algorithm, one.params, _recipe(board.trials[name], plan), one.sealed)
        for name, found in zip(names, taken, strict=True)
        for one in found
    )
    prediction_MnK = np.stack([np.mean([one.prediction_nK for one in found], axis=0) for found in taken])
    prediction_nK, combination = prediction_MnK[0], None
    if combined is not None:
        combination = Combination(combined.task.key, combined.task.params, combined.learned)
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
    model = Model(experiment.kind or "tabular", rows.profile, recipes, members, combination, card)
    return Built(model, prediction_nK)


def _recipe(record: TrialRecord, plan: Plan) -> str:
    return plan.recipe_of[record.proposal.algorithm]


def _order(record: TrialRecord, plan: Plan, recipes: Mapping[str, Recipe], probe: Batch) -> Refit:
    facts = tuple(fold.facts for fold in record.folds)
    seed, recipe = child(plan.seed, "refit", record.number), _recipe(record, plan)
    return Refit(record.proposal.algorithm, record.proposal.params, recipe, seed, facts, recipes[recipe].apply(probe))


def _kept(record: TrialRecord, plan: Plan, recipes: Mapping[str, Recipe], probe: Batch, run: Run) -> Kept:
    facts = tuple(fold.facts for fold in record.folds)
    recipe = recipes[_recipe(record, plan)]
    return Kept(
        str(run.folder), record.number, record.proposal.algorithm, record.proposal.params, facts, recipe.apply(probe)
    )


def pack(built: Built, run: Run, rows: Rows, prover: Prover) -> np.ndarray:
    """Write the model's folder, load it in a fresh process, and return what it predicts there for `probe_rows`.

    Raises:
        ArtifactFault: the fresh process predicts otherwise than the processes that fitted the members.
    """
    if run.model.exists():  # of a session that was killed before the folder was proven
        files.remove_tree(run.model)
    artifact.pack(run.model, built.model)
    own = [member.algorithm.partition(":")[0] for member in built.model.members if ":" in member.algorithm]
    imports = [name for name in own if name.split(".")[0] != "sklearn"]
    return prover.verify(run.model, probe_rows(rows), built.prediction_nK, imports=imports)


def score_test(prediction_NK: np.ndarray, rows: Rows, experiment: Experiment) -> Json:
    """Score what the packed model predicted for the test rows; empty where no rows are kept for the test."""
    if rows.test.num_rows == 0:
        return {}
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    label_N = kind.to_batch(rows.test, rows.profile).label_N
    task = rows.profile.label.task
    return scores(task, label_N, prediction_NK, choices.metric_key(experiment, task), experiment.seed)


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
