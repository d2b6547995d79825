"""From finished trials to a leaderboard: out-of-fold evidence, ensembles judged as trials are, paired intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay import catalog
from assay.batch import Batch, from_matrix
from assay.engines.fleet import Driver, Failure, Task, predictions_of
from assay.engines.generations import Plan, Tell, TrialRecord
from assay.engines.growing import Ground
from assay.engines.trial import algorithm_of, fit_fold
from assay.evaluation.bootstrap import gain_interval, interval, row_counts
from assay.evaluation.diversity import Diversity, diversity
from assay.evaluation.leaderboard import Entry, ranked
from assay.parts import Evidence, Learned, Metric
from assay.seeds import child
from assay.spec import PartSpec
from assay.store.runs import Run
from assay.vocabulary import EntryKind, Shelf
from assay.vocabulary import Task as TaskWord
from assay.workflows.choices import BASELINE
from assay.workflows.evidence import Judging, chosen_members, evidence_of, keep, members_at
from assay.workflows.settle import Judged

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
    diversity: Diversity


def judge(
    records: Sequence[TrialRecord],
    specs: Sequence[PartSpec],
    run: Run,
    plan: Plan,
    batch: Batch,
    task: TaskWord,
    fleet: Driver,
    tell: Tell,
    columns: Mapping[str, Batch],
    ground: Ground,
) -> Board:
    """Judge every ensemble fold after fold, score everything on the same rows, and rank it."""
    with one_thread():
        return _judge(records, specs, run, Judging.of(plan, batch, task, columns), fleet, tell, ground)


def one_thread() -> AbstractContextManager[Any]:
    """Keep this process to one thread: sums over many have other last bits, and small ones are slower."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def _judge(
    records: Sequence[TrialRecord],
    specs: Sequence[PartSpec],
    run: Run,
    judging: Judging,
    driver: Driver,
    tell: Tell,
    ground: Ground,
) -> Board:
    evidence = evidence_of(records, run, judging)
    trials = {record.name: record for record in records}
    family_of = {name: record.proposal.algorithm for name, record in trials.items()}
    scored = Scored(judging, evidence.y_N)
    baseline = baseline_entry(judging, scored)
    given = members_at(evidence, chosen_members(evidence, family_of, judging.metric.gain(baseline.score)))
    keep(run, judging, [trials[name].number for name in given.names])
    rows = trial_entries(trials, evidence, scored)
    joined, ensembles = ensemble_entries(specs, given, rows, judging, scored, driver, tell, ground)
    entries = scored.with_gaps(ranked([*rows, *joined, baseline], judging.metric))
    judged = Judged(evidence.y_N, evidence.fold_N, scored.prediction_NK)
    found = diversity(given.names, given.prediction_MNK, given.y_N)
    return Board(tuple(entries), trials, ensembles, given.names, judged, found)


class Scored:
    """Scores and intervals on the same resampled rows, so that gaps between rows of the board are paired."""

    def __init__(self, judging: Judging, y_N: np.ndarray) -> None:
        self.metric, self.y_N = judging.metric, y_N
        self.weight_BN = row_counts(len(y_N), NUM_RESAMPLES, child(judging.seed, "leaderboard"))
        self.score_B: dict[str, np.ndarray] = {}
        self.prediction_NK: dict[str, np.ndarray] = {}

    def entry(self, name: str, kind: EntryKind, prediction_NK: np.ndarray) -> Entry:
        """Return a row of the leaderboard with its score and interval."""
        self.prediction_NK[name] = prediction_NK
        self.score_B[name] = self.metric.resampled(self.y_N, prediction_NK, self.weight_BN)
        found = interval(float(self.metric.score(self.y_N, prediction_NK)), self.score_B[name])
        return Entry(name, kind, found.score, found.low, found.high)

    def with_gaps(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the rows with how much worse each is than the first."""
        best = self.score_B[entries[0].name]
        gaps = [gain_interval(self.metric, best, self.score_B[entry.name]) for entry in entries]
        return [
            replace(entry, gap_low=low, gap_high=high) if place else entry
            for place, (entry, (low, high)) in enumerate(zip(entries, gaps, strict=True))
        ]


def baseline_entry(judging: Judging, scored: Scored) -> Entry:
    """Judge the dummy, which looks at no column, on the same folds: what anything must beat.

    A forecast must beat the seasonal naive one, which learns nothing.
    """
    if judging.naive_NK is not None:
        return scored.entry("seasonal_naive", EntryKind.BASELINE, judging.naive_NK[judging.folds.judged_N])
    algorithm, folds, found = algorithm_of(BASELINE, {}), judging.folds, []
    batch = from_matrix(np.zeros((len(judging.y_N), 0), np.float32), judging.y_N, judging.num_classes)
    for fold in range(folds.num):
        learning_N, held_N = folds.learning_N(fold), folds.held_N(fold)
        found.append(fit_fold(algorithm, batch, learning_N, held_N, fold, judging.seed, 1, judging.metric)[1])
    return scored.entry(BASELINE, EntryKind.BASELINE, folds.joined(found))


def trial_entries(trials: Mapping[str, TrialRecord], evidence: Evidence, scored: Scored) -> list[Entry]:
    """Return a row for each trial of the evidence."""
    return [
        _trial_entry(trials[name], scored.entry(name, EntryKind.TRIAL, evidence.prediction_MNK[place]))
        for place, name in enumerate(evidence.names)
    ]


def ensemble_entries(
    specs: Sequence[PartSpec],
    given: Evidence,
    rows: Sequence[Entry],
    judging: Judging,
    scored: Scored,
    driver: Driver,
    tell: Tell,
    ground: Ground | None = None,
) -> tuple[list[Entry], dict[str, Combined]]:
    """Return a row for each ensemble that could be learned, and what it learned; `rows` are those of the trials."""
    costs, entries, ensembles = {row.name: row for row in rows}, [], {}
    wanted = [spec for spec in specs if len(given.names) >= (1 if _grows(spec) else 2)]
    for name, (combined, prediction_NK) in _learn(wanted, given, judging, driver, tell, ground).items():
        ensembles[name], part = combined, combined.task.part
        entry = scored.entry(name, EntryKind.ENSEMBLE, prediction_NK)
        tell("ensemble", {"name": name, "score": entry.score})
        if part.grows:
            entries.append(_grown_entry(entry, combined))
            continue
        members = [costs[given.names[place]] for place in part.used(combined.learned, len(given.names))]
        entry = _ensemble_entry(entry, members)
        entries.append(doubted(entry, costs[given.names[0]], judging.metric) if part.doubted else entry)
    return entries, ensembles


def doubted(entry: Entry, best: Entry, metric: Metric) -> Entry:
    """Return the row of an ensemble that may overfit, refused when it is worse than the best member it was given."""
    if metric.gain(entry.score) >= metric.gain(best.score):
        return entry
    return replace(entry, refused=True, note=f"refused: worse out of fold than {best.name}")


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
    specs: Sequence[PartSpec], given: Evidence, judging: Judging, driver: Driver, tell: Tell, ground: Ground | None
) -> dict[str, tuple[Combined, np.ndarray]]:
    """Learn each ensemble once without each fold, to judge it there, and once from all rows, to keep it."""
    judged_on = [_judged_on(spec, given, judging) for spec in specs]
    tasks = [
        Task(spec.name, spec.params, part)
        for spec, fold_n in zip(specs, judged_on, strict=True)
        for part in (*np.unique(fold_n).tolist(), None)
    ]
    outcomes = iter(zip(tasks, driver.learn(tasks, given, child(judging.seed, "ensembles"), ground), strict=True))
    found: dict[str, tuple[Combined, np.ndarray]] = {}
    held: dict[tuple[bool, int | None], Evidence] = {}
    for spec, fold_n in zip(specs, judged_on, strict=True):
        name = ensemble_name(spec)
        learned = list(itertools.islice(outcomes, len(np.unique(fold_n)) + 1))
        failures = [outcome.reason for _, outcome in learned if isinstance(outcome, Failure)]
        if failures:
            tell("ensemble", {"name": name, "failed": failures[0]})
            continue
        *folds, (task, whole) = [(task, outcome) for task, outcome in learned if isinstance(outcome, Learned)]
        prediction_NK = np.zeros(given.prediction_MNK.shape[1:], given.prediction_MNK.dtype)
        for part, state in folds:
            held_N = fold_n == part.without_fold
            key = fold_n is given.fold_N, part.without_fold
            if key not in held:  # cut out once for all ensembles that are judged on it
                held[key] = given.rows(held_N)
            prediction_NK[held_N] = predictions_of(part, state, held[key])
        found[name] = (Combined(task, whole, tuple(state for _, state in folds)), prediction_NK)
    return found


def _judged_on(spec: PartSpec, given: Evidence, judging: Judging) -> np.ndarray:
    """Return the part of each row in which an ensemble is judged on it.

    One that fits members of its own is judged as trials are, on the folds; a holdout has but one.
    """
    return np.zeros_like(given.fold_N) if _grows(spec) and judging.folds.per_repeat == 1 else given.fold_N


def ensemble_name(spec: PartSpec) -> str:
    """Return the name on the leaderboard: the key, and the settings that were given.

    Example:
        >>> ensemble_name(PartSpec(name="vote", params={"voting": "hard"}))
        'vote(voting=hard)'
    """
    settings = ", ".join(f"{key}={value}" for key, value in spec.params.items())
    return f"{spec.name}({settings})" if settings else spec.name
