"""From finished trials to a leaderboard: out-of-fold evidence, ensembles judged as trials are, paired intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay import catalog
from assay.batch import Batch
from assay.engines.fleet import Failure, Fleet, Task, predictions_of
from assay.engines.generations import Plan, Tell, TrialRecord
from assay.engines.growing import Ground
from assay.engines.trial import algorithm_of, fit_fold
from assay.evaluation.bootstrap import gain_interval, interval, row_counts
from assay.evaluation.leaderboard import Entry, ranked
from assay.parts import Evidence, Json, Learned, Metric
from assay.seeds import child
from assay.spec import PartSpec
from assay.store.runs import Run
from assay.vocabulary import EntryKind, Shelf
from assay.vocabulary import Task as TaskWord
from assay.workflows.choices import BASELINE
from assay.workflows.settle import Judged

MAX_MEMBERS = 16  # trials that ensembles may draw from: the best of each family, then the best of all
NUM_RESAMPLES = 200


@dataclass(frozen=True)
class Combined:
    """An ensemble that was judged, and what it learned from all rows."""

    task: Task
    learned: Learned
    folds: tuple[Learned, ...] = ()  # what it learned without each fold


@dataclass(frozen=True)
class Board:
    """The leaderboard and what stands behind each row."""

    entries: tuple[Entry, ...]
    trials: Mapping[str, TrialRecord]
    ensembles: Mapping[str, Combined]
    members: tuple[str, ...]  # names of the trials that ensembles were given, the best first
    judged: Judged


def evidence_of(records: Sequence[TrialRecord], run: Run, plan: Plan, batch: Batch, task: TaskWord) -> Evidence:
    """Bring the out-of-fold predictions of complete trials together, the best trial first."""
    judged_N, complete = plan.folds.judged_N, [record for record in records if record.ended == "complete"]
    prediction_MNK = np.stack([_said(record, run, plan) for record in complete])
    names = tuple(record.name for record in complete)
    parts_n = plan.folds.parts_n(plan.seed)
    evidence = Evidence(names, prediction_MNK, batch.label_N[judged_N], parts_n, task, plan.metric)
    gain_M = np.array([plan.metric.gain(plan.metric.score(evidence.y_N, p_NK)) for p_NK in evidence.prediction_MNK])
    evidence = replace(evidence, learners=tuple(_learner_of(record) for record in complete))
    return members_at(evidence, np.argsort(-gain_M, kind="stable").tolist())


def _said(record: TrialRecord, run: Run, plan: Plan) -> np.ndarray:
    """Return prediction_nK of a trial for the rows that were held out, float32."""
    names = [Run.fold_name(record.number, fold) for fold in range(plan.num_folds)]
    return plan.folds.joined([run.read_arrays(name)["prediction"] for name in names])


def _learner_of(record: TrialRecord) -> tuple[str, Json]:
    """Return the algorithm of a trial, and its settings with what the fits on the folds settled."""
    key = record.proposal.algorithm
    settled = algorithm_of(key, record.proposal.params).settled(tuple(fold.facts for fold in record.folds))
    return key, settled.params.model_dump(mode="json", exclude_unset=True)


def members_at(evidence: Evidence, places: Sequence[int]) -> Evidence:
    """Return the evidence of some members, in that order."""
    return replace(
        evidence,
        names=tuple(evidence.names[place] for place in places),
        prediction_MNK=evidence.prediction_MNK[list(places)],
        learners=tuple(evidence.learners[place] for place in places if evidence.learners),
    )


def chosen_members(evidence: Evidence, family_of: Mapping[str, str]) -> list[int]:
    """Return the places of the members that ensembles get: the best of each family, then the best of all."""
    best_of: dict[str, int] = {}
    for place, name in enumerate(evidence.names):
        best_of.setdefault(family_of[name], place)
    first = sorted(best_of.values())[:MAX_MEMBERS]
    others = [place for place in range(len(evidence.names)) if place not in first]
    return sorted(first + others[: MAX_MEMBERS - len(first)])


def judge(
    records: Sequence[TrialRecord],
    specs: Sequence[PartSpec],
    run: Run,
    plan: Plan,
    batch: Batch,
    task: TaskWord,
    fleet: Fleet,
    tell: Tell,
    ground: Ground,
) -> Board:
    """Judge every ensemble fold after fold, score everything on the same rows, and rank it."""
    evidence = evidence_of(records, run, plan, batch, task)
    trials = {record.name: record for record in records}
    family_of = {name: record.proposal.algorithm for name, record in trials.items()}
    given = members_at(evidence, chosen_members(evidence, family_of))
    weight_BN = row_counts(len(evidence.y_N), NUM_RESAMPLES, child(plan.seed, "leaderboard"))
    scored = _Scored(plan.metric, evidence.y_N, weight_BN)
    baseline = _baseline(plan, batch, scored)
    rows = [
        _trial_entry(trials[name], scored.entry(name, EntryKind.TRIAL, evidence.prediction_MNK[place]))
        for place, name in enumerate(evidence.names)
    ]
    costs = {row.name: row for row in rows}
    ensembles: dict[str, Combined] = {}
    wanted = [spec for spec in specs if len(given.names) >= (1 if _grows(spec) else 2)]
    if wanted:
        found = _learn(wanted, given, plan, fleet, tell, ground)
        for name, (combined, prediction_NK) in found.items():
            ensembles[name] = combined
            entry = scored.entry(name, EntryKind.ENSEMBLE, prediction_NK)
            if combined.task.part.grows:
                rows.append(_grown_entry(entry, combined))
                continue
            used = combined.task.part.used(combined.learned, len(given.names))
            rows.append(_ensemble_entry(entry, [costs[given.names[place]] for place in used]))
    entries = scored.with_gaps(ranked([*rows, baseline], plan.metric))
    judged = Judged(evidence.y_N, evidence.fold_N, scored.prediction_NK)
    return Board(tuple(entries), trials, ensembles, given.names, judged)


class _Scored:
    """Scores and intervals on the same resampled rows, so that gaps between rows of the board are paired."""

    def __init__(self, metric: Metric, y_N: np.ndarray, weight_BN: np.ndarray) -> None:
        self.metric, self.y_N, self.weight_BN = metric, y_N, weight_BN
        self.score_B: dict[str, np.ndarray] = {}
        self.prediction_NK: dict[str, np.ndarray] = {}

    def entry(self, name: str, kind: EntryKind, prediction_NK: np.ndarray) -> Entry:
        self.prediction_NK[name] = prediction_NK
        self.score_B[name] = self.metric.resampled(self.y_N, prediction_NK, self.weight_BN)
        found = interval(float(self.metric.score(self.y_N, prediction_NK)), self.score_B[name])
        return Entry(name, kind, found.score, found.low, found.high)

    def with_gaps(self, entries: Sequence[Entry]) -> list[Entry]:
        best = self.score_B[entries[0].name]
        gaps = [gain_interval(self.metric, best, self.score_B[entry.name]) for entry in entries]
        return [
            replace(entry, gap_low=low, gap_high=high) if place else entry
            for place, (entry, (low, high)) in enumerate(zip(entries, gaps, strict=True))
        ]


def _baseline(plan: Plan, batch: Batch, scored: _Scored) -> Entry:
    """Judge the dummy on the same folds: what anything must beat."""
    algorithm, batch = algorithm_of(BASELINE, {}), replace(batch, weight_N=None)  # the shares as they are
    found = []
    for fold in range(plan.num_folds):
        learning_N, held_N = plan.folds.learning_N(fold), plan.folds.held_N(fold)
        found.append(fit_fold(algorithm, batch, learning_N, held_N, fold, plan.seed, 1, plan.metric)[1])
    return scored.entry(BASELINE, EntryKind.BASELINE, plan.folds.joined(found))


def _trial_entry(record: TrialRecord, entry: Entry) -> Entry:
    return replace(
        entry,
        fit_s=float(np.mean([fold.fit_s for fold in record.folds])),
        predict_us_per_row=float(np.mean([fold.predict_us_per_row for fold in record.folds])),
        num_rows=max(fold.num_rows for fold in record.folds),
        params=record.proposal.params,
        note=_cap_note(record),
    )


def _cap_note(record: TrialRecord) -> str:
    cap = catalog.find(Shelf.ALGORITHMS, record.proposal.algorithm).row_cap
    rows = max(fold.num_rows for fold in record.folds)
    return f"fitted on a sample of {rows:,} rows" if cap is not None and rows >= cap else ""


def _ensemble_entry(entry: Entry, members: Sequence[Entry]) -> Entry:
    return replace(
        entry,
        fit_s=sum(member.fit_s for member in members),
        predict_us_per_row=sum(member.predict_us_per_row for member in members),
        num_rows=max(member.num_rows for member in members),
        members=tuple(member.name for member in members),
    )


def _grows(spec: PartSpec) -> bool:
    return bool(catalog.find(Shelf.ENSEMBLES, spec.name).grows)


def _grown_entry(entry: Entry, combined: Combined) -> Entry:
    """Return the row of an ensemble that fitted its own members: each is listed by its learner."""
    return replace(
        entry,
        fit_s=float(np.mean([sum(member.fit_s for member in fold.grown) for fold in combined.folds])),
        predict_us_per_row=float(
            np.mean([sum(member.predict_us_per_row for member in fold.grown) for fold in combined.folds])
        ),
        num_rows=max(member.num_rows for fold in combined.folds for member in fold.grown),
        members=tuple(member.name for member in combined.learned.grown),
    )


def _learn(
    specs: Sequence[PartSpec], given: Evidence, plan: Plan, fleet: Fleet, tell: Tell, ground: Ground
) -> dict[str, tuple[Combined, np.ndarray]]:
    """Learn each ensemble once without each fold, to judge it there, and once from all rows, to keep it."""
    judged_on = [_judged_on(spec, given, plan) for spec in specs]
    tasks = [
        Task(spec.name, spec.params, part)
        for spec, fold_n in zip(specs, judged_on, strict=True)
        for part in (*np.unique(fold_n).tolist(), None)
    ]
    outcomes = iter(zip(tasks, fleet.learn(tasks, given, child(plan.seed, "ensembles"), ground), strict=True))
    found: dict[str, tuple[Combined, np.ndarray]] = {}
    for spec, fold_n in zip(specs, judged_on, strict=True):
        name = ensemble_name(spec)
        learned = list(itertools.islice(outcomes, len(np.unique(fold_n)) + 1))
        failures = [outcome.reason for _, outcome in learned if isinstance(outcome, Failure)]
        if failures:
            tell("ensemble", {"name": name, "failed": failures[0]})
            continue
        *folds, (task, whole) = [(task, outcome) for task, outcome in learned if isinstance(outcome, Learned)]
        prediction_NK = np.zeros(given.prediction_MNK.shape[1:], np.float32)
        for part, state in folds:
            held_N = fold_n == part.without_fold
            prediction_NK[held_N] = predictions_of(part, state, given.prediction_MNK[:, held_N])
        found[name] = (Combined(task, whole, tuple(state for _, state in folds)), prediction_NK)
        tell("ensemble", {"name": name, "score": float(plan.metric.score(given.y_N, prediction_NK))})
    return found


def _judged_on(spec: PartSpec, given: Evidence, plan: Plan) -> np.ndarray:
    """Return the part of each row in which an ensemble is judged on it.

    One that fits members of its own is judged as trials are, on the folds; a holdout has but one.
    """
    return np.zeros_like(given.fold_N) if _grows(spec) and plan.folds.per_repeat == 1 else given.fold_N


def ensemble_name(spec: PartSpec) -> str:
    """Return the name on the leaderboard: the key, and the settings that were given.

    Example:
        >>> ensemble_name(PartSpec(name="vote", params={"voting": "hard"}))
        'vote(voting=hard)'
    """
    settings = ", ".join(f"{key}={value}" for key, value in spec.params.items())
    return f"{spec.name}({settings})" if settings else spec.name
