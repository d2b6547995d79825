"""From the winner to a model: members fitted on all rows, test opened once, packed, reloaded, registered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Batch
from assay.engines.budget import SAFETY, Budget
from assay.engines.fit_torch import LAST_FITS, Place
from assay.engines.fleet import Driver, Kept, Refit, judged
from assay.engines.generations import Plan, Tell, TrialRecord, refit_s
from assay.engines.growing import Ground
from assay.engines.search import is_network
from assay.engines.trial import Bench
from assay.errors import SpecFault, did_you_mean
from assay.evaluation.bootstrap import row_counts, score_interval
from assay.evaluation.calibration import losses
from assay.evaluation.leaderboard import Entry
from assay.forecasting.framing import Framed
from assay.forecasting.requests import CARD
from assay.model import Combination, Member, Model
from assay.parts import Json, Kind, Metric
from assay.recipe import Recipe
from assay.seeds import child
from assay.spec import Experiment
from assay.store import artifact, card, example, files, reference
from assay.store.runs import Run
from assay.store.verify import Prover
from assay.vocabulary import EntryKind, Shelf
from assay.workflows import choices, long_series
from assay.workflows.combine import Board, Combined
from assay.workflows.examples import examples_of
from assay.workflows.prepare import Prepared, Rows, recipe_for
from assay.workflows.settle import settle

NUM_TEST_RESAMPLES = 500
PROBE_ROWS = 200
NEGLIGIBLE = 2e-4
HURRIED = 0.02  # share of the gain over the baseline that being in time may cost
PROOF_S = 4.5  # of a time budget: writing the model, loading it in a fresh process, scoring
LATE_S = 2.5  # a good model this much late is better than a poor one in time


def winner(
    board: Board, metric: Metric, asked: str | None = None, in_time: Callable[[list[Entry]], list[Entry]] = list
) -> Entry:
    """Return the row that becomes the model: the one asked for, the best, or a cheaper one that is as good.

    Chosen by out-of-fold scores alone, among those that are as sure as their members. Within a time budget one that can
    still be fitted `in_time` is taken, when it is nearly as good (HURRIED). As good means within NEGLIGIBLE of what the
    best gains over the baseline; cheaper, of fewer members: measured times would choose otherwise on another day.

    Raises:
        SpecFault: the row that was asked for is not on the board.
    """
    models = [entry for entry in board.entries if entry.kind is not EntryKind.BASELINE and not entry.refused]
    if asked is not None:
        if asked not in (names := [entry.name for entry in models]):
            raise SpecFault.at("final.choose", f"no row is named '{asked}'", did_you_mean(asked, names))
        return models[names.index(asked)]
    sure = [entry for entry in models if _is_sure(entry, board)]
    floor = next(metric.gain(entry.score) for entry in board.entries if entry.kind is EntryKind.BASELINE)
    good = metric.gain(sure[0].score) - HURRIED * abs(metric.gain(sure[0].score) - floor)
    allowed = in_time([entry for entry in sure if metric.gain(entry.score) >= good])
    best = metric.gain(allowed[0].score)
    enough = best - NEGLIGIBLE * abs(best - floor)
    return min((entry for entry in allowed if metric.gain(entry.score) >= enough), key=lambda entry: len(entry.members))


def _is_sure(entry: Entry, board: Board) -> bool:
    """Whether the log loss of an ensemble, out of fold, is not worse than that of its best member.

    A vote that counts classes or an average of ranks may rank rows best and yet not be as sure as it should.
    """
    said = board.judged.prediction_NK
    members = [name for name in entry.members if name in said]
    if not members or said[entry.name].shape[1] == 1:
        return True
    y_N = board.judged.y_N
    return bool(losses(said[entry.name], y_N).mean() <= min(losses(said[name], y_N).mean() for name in members))


def in_time(entries: list[Entry], board: Board, plan: Plan, budget: Budget, num_probes: int) -> list[Entry]:
    """Return the rows that can be finalized in the time left; the quickest alone when none can."""
    if math.isinf(budget.left_s):
        return list(entries)

    def needed_s(entry: Entry) -> float:
        return PROOF_S + entry.predict_us_per_row * num_probes / 1e6 + fit_again_s(entry)

    def fit_again_s(entry: Entry) -> float:
        combined = board.ensembles.get(entry.name)
        if plan.keeps_models or (combined is not None and combined.task.part.grows):
            return 0.0
        fit_s_M = [board.trials[name].fit_s for name in entry.members or (entry.name,)]
        return SAFETY * refit_s(fit_s_M, plan.num_folds, budget.num_slots)

    room_s = max(budget.left_s, PROOF_S) + LATE_S
    found = [entry for entry in entries if needed_s(entry) <= room_s]
    return found or [min(entries, key=needed_s)]


@dataclass(frozen=True)
class Built:
    """A model whose members are sealed, what it must predict for the first of `probe_rows`, and its training labels."""

    model: Model
    prediction_nK: np.ndarray
    y_N: np.ndarray


def prover(records: Sequence[TrialRecord], threads: int) -> Prover:
    """Start the process that will prove the model, with what any of the trials may need."""
    keys = {record.proposal.algorithm for record in records if record.ended == "complete"}
    return Prover([(key, {}) for key in sorted(keys) if ":" not in key and "." not in key], threads)


def probe_rows(rows: Rows) -> pa.Table:
    """Return the rows that prove a model: the test rows, or training rows where none are kept for the test."""
    return rows.test if rows.test.num_rows else rows.train.slice(0, PROBE_ROWS)


def probe_batch(experiment: Experiment, rows: Rows) -> Batch:
    """Return the first of the rows that prove a model, as canonical columns."""
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    return kind.to_batch(probe_rows(rows).slice(0, PROBE_ROWS), rows.profile)


def ground_for(
    experiment: Experiment, plan: Plan, rows: Rows, prepared: Prepared, batches: Mapping[str, Batch]
) -> Ground:
    """Return what ensembles that fit their own members fit them on, and what these must predict to be proven."""
    probe = probe_batch(experiment, rows)
    return Ground(
        prepared.refs,
        plan.recipe_of,
        {algorithm: len(batches[recipe].features) for algorithm, recipe in plan.recipe_of.items()},
        {name: recipe.apply(probe) for name, recipe in prepared.recipes.items()},
        next(iter(batches.values())).label_N,
        plan.folds,
    )


@dataclass(frozen=True)
class Workshop:
    """What it takes to make a model from a row of the leaderboard."""

    experiment: Experiment
    plan: Plan
    rows: Rows
    prepared: Prepared
    fleet: Driver
    run: Run
    tell: Tell


def build(chosen: Entry, board: Board, shop: Workshop) -> Built:
    """Fit the winner's members on all training rows, or take up what was fitted before, and put the model together."""
    experiment, rows, prepared = shop.experiment, shop.rows, shop.prepared
    combined = board.ensembles.get(chosen.name)
    if combined is not None and combined.task.part.grows:
        members, prediction_MnK = _grown(combined, shop.plan)
    else:
        members, prediction_MnK = _members(chosen, board, shop)
    prediction_nK, combination = prediction_MnK[0], None
    if combined is not None:
        reads = combined.task.part.reads
        recipe = recipe_for(reads, experiment) if reads else ""
        combination = Combination(combined.task.key, combined.task.params, combined.learned, recipe)
        batch = prepared.recipes[recipe].apply(probe_batch(experiment, rows)).without_pending() if recipe else None
        prediction_nK = combination.part.combine_rows(combined.learned, prediction_MnK, batch)
    used = {*(member.recipe for member in members), *([combination.recipe] if combination else [])} - {""}
    recipes = {name: prepared.recipes[name] for name in sorted(used)}
    told: Json = {
        "experiment": experiment.experiment,
        "run": shop.run.id,
        "winner": chosen.name,
        "seed": experiment.seed,
        "metric": choices.metric_key(experiment, rows.profile.label.task),
        "out_of_fold": chosen.to_json(),
    }
    settled = settle(chosen.name, chosen.members, board.judged, experiment, shop.plan.metric)
    shop.tell("settled", {"metric": told["metric"], **settled.told})
    told |= settled.told
    if rows.frames is not None:
        told[CARD] = rows.frames.framing.to_json()
    if experiment.series is not None:
        told[long_series.CARD] = experiment.series.model_dump()
    kind_key, calibration, decision = experiment.kind or "tabular", settled.calibration, settled.decision
    model = Model(kind_key, rows.profile, recipes, members, combination, told, calibration, decision)
    return Built(model, model.calibrated(prediction_nK), board.judged.y_N)


Proven = tuple[tuple[Member, ...], np.ndarray]  # members, and prediction_MnK of the rows that prove them


def _grown(combined: Combined, plan: Plan) -> Proven:
    """Return the members that were fitted on all training rows when the ensemble learned from them."""
    grown = combined.learned.grown
    members = []
    for place, one in enumerate(grown):
        assert one.fitted is not None, "the ensemble learned from all rows"
        name, recipe = f"{one.name} ({place + 1} of {len(grown)})", plan.recipe_of[one.algorithm]
        members.append(Member(name, one.algorithm, one.params, recipe, one.fitted, one.features))
    return tuple(members), judged(combined.learned)


def _members(chosen: Entry, board: Board, shop: Workshop) -> Proven:
    """Fit the trials that the winner needs on all training rows, or take up the models of their folds."""
    plan, recipes = shop.plan, shop.prepared.recipes
    combined, names = board.ensembles.get(chosen.name), [chosen.name]
    if combined is not None:
        names = [board.members[place] for place in combined.task.part.used(combined.learned, len(board.members))]
    shop.tell("refit", {"members": names, "fit": "folds" if plan.keeps_models else "all_rows"})
    trials, probe = [board.trials[name] for name in names], probe_batch(shop.experiment, shop.rows)
    if plan.keeps_models:
        made = shop.fleet.take_up([_kept(trial, plan, recipes, probe, shop.run) for trial in trials])
    else:
        long_first = sorted(range(len(trials)), key=lambda place: -trials[place].fit_s)  # none is left to wait for
        orders = [_order(trials[place], plan, recipes, probe, shop.run) for place in long_first]
        found_by = dict(zip(long_first, shop.fleet.refit(orders, shop.prepared.refs), strict=True))
        made = [[found_by[place]] for place in range(len(trials))]
    members = tuple(
        Member(trial.name, trial.proposal.algorithm, one.params, _recipe(trial, plan), one.sealed)
        for trial, found in zip(trials, made, strict=True)
        for one in found
    )
    return members, np.stack([np.mean([one.prediction_nK for one in found], axis=0) for found in made])


def _recipe(record: TrialRecord, plan: Plan) -> str:
    return plan.recipe_of[record.proposal.algorithm]


def _order(record: TrialRecord, plan: Plan, recipes: Mapping[str, Recipe], probe: Batch, run: Run) -> Refit:
    key, bench = record.proposal.algorithm, None
    if is_network(key):
        bench = Bench(plan.training, Place(str(run.folder), LAST_FITS, record.number))
    facts = tuple(fold.facts for fold in record.folds)
    seed, recipe = child(plan.seed, "refit", record.number), _recipe(record, plan)
    return Refit(key, record.proposal.params, recipe, seed, facts, recipes[recipe].apply(probe), bench)


def _kept(record: TrialRecord, plan: Plan, recipes: Mapping[str, Recipe], probe: Batch, run: Run) -> Kept:
    facts = tuple(fold.facts for fold in record.folds)
    recipe = recipes[_recipe(record, plan)]
    return Kept(
        str(run.folder), record.number, record.proposal.algorithm, record.proposal.params, facts, recipe.apply(probe)
    )


def pack(built: Built, run: Run, rows: Rows, prover: Prover, experiment: Experiment) -> Json:
    """Write the model's folder, load it in a fresh process, and return the scores of what it predicts for test rows.

    Packed with it are then what it predicts for test rows, the scores, and a few training rows as a client sends them.
    A session that is killed in between packs again.

    Raises:
        ArtifactFault: the fresh process predicts otherwise than the processes that fitted the members.
    """
    if run.model.exists():  # of a session that was killed before the folder was proven
        files.remove_tree(run.model)
    artifact.pack(run.model, built.model)
    own = [_module(member.algorithm) or _module(member.params.get("module")) for member in built.model.members]
    imports = sorted({name for name in own if name and name.split(".")[0] not in ("sklearn", "assay")})
    prediction_NK = prover.verify(run.model, probe_rows(rows), built.prediction_nK, imports=imports)
    files.remove_tree(run.model)
    test = score_test(built.model, prediction_NK, rows, experiment)
    beside = {
        **reference.content(prediction_NK[: rows.test.num_rows], built.y_N, seed=0),
        **card.scores(built.model.card["metric"], test, rows.test.num_rows),
        **example.content(examples_of(experiment, rows)),
    }
    artifact.pack(run.model, built.model, beside)
    return test


def _module(key: Any) -> str:
    """Return the module of a key such as `my_module:Net`, empty where it names none."""
    return key.partition(":")[0] if isinstance(key, str) and ":" in key else ""


def score_test(model: Model, prediction_NK: np.ndarray, rows: Rows, experiment: Experiment) -> Json:
    """Score what the packed model predicted for the test rows; empty where no rows are kept for the test."""
    if rows.test.num_rows == 0:
        return {}
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    label_N = kind.to_batch(rows.test, rows.profile).label_N
    first = choices.metric_key(experiment, rows.profile.label.task)
    framed = None if rows.frames is None else rows.frames.test
    return scores(model, label_N, prediction_NK, first, experiment.seed, framed)


def scores(
    model: Model, y_N: np.ndarray, prediction_NK: np.ndarray, first: str, seed: int, framed: Framed | None = None
) -> Json:
    """Return every metric of the task with its interval, the asked one first; one that has no value is left out.

    Metrics that judge answers see those that the model gives, with its threshold. `framed` are the rows of a forecast:
    metrics see them in units of the label, and those of forecasts in units of the scale.
    """
    weighed_NK = model.weighed(prediction_NK)
    weight_BN = row_counts(len(y_N), NUM_TEST_RESAMPLES, child(seed, "test"))
    keys = [first, *(key for key in catalog.keys(Shelf.METRICS) if key != first)]
    found: Json = {}
    for key in keys:
        metric: Metric = catalog.make(Shelf.METRICS, key)
        of_forecasts = getattr(metric, "of_forecasts", False)
        if model.task not in metric.tasks or (of_forecasts and framed is None):
            continue
        true_N, said_NK = y_N, weighed_NK if metric.of_decisions else prediction_NK
        if framed is not None:
            told = framed.scaled if of_forecasts else framed.natural
            true_N, said_NK = told(y_N), told(prediction_NK[:, 0])[:, None]
        known = score_interval(metric, true_N, said_NK, weight_BN)
        if math.isfinite(known.score):
            found[key] = {"score": known.score, "low": _plain(known.low), "high": _plain(known.high)}
    return found


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
