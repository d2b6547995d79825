"""From finished trials to a leaderboard: out-of-fold evidence, ensembles judged as trials are, paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay import catalog
from assay.batch import Batch, from_matrix
from assay.engines.fleet import Driver, Failure, Task, predictions_of
from assay.engines.generations import Plan, Tell, TrialRecord
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
from assay.workflows.evidence import Ground, chosen_members, evidence_of, keep, members_at

NUM_RESAMPLES = 200


@dataclass(frozen=True)
class Combined:
    """An ensemble that was judged, and what it learned from all rows."""

    task: Task
    learned: Learned


@dataclass(frozen=True)
class Board:
    """The leaderboard and what stands behind each row."""

    entries: tuple[Entry, ...]
    trials: Mapping[str, TrialRecord]
    ensembles: Mapping[str, Combined]
    members: tuple[str, ...]  # names of the trials that ensembles were given, the best first
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
) -> Board:
    """Judge every ensemble fold after fold, score everything on the same rows, and rank it."""
    with one_thread():
        return _judge(records, specs, run, Ground.of(plan, batch, task, columns), fleet, tell)


def one_thread() -> AbstractContextManager[Any]:
    """Keep this process to one thread: sums over many have other last bits, and small ones are slower."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def _judge(
    records: Sequence[TrialRecord], specs: Sequence[PartSpec], run: Run, ground: Ground, fleet: Driver, tell: Tell
) -> Board:
    evidence = evidence_of(records, run, ground)
    trials = {record.name: record for record in records}
    family_of = {name: record.proposal.algorithm for name, record in trials.items()}
    scored = Scored(ground, evidence.y_N)
    baseline = baseline_entry(ground, scored)
    given = members_at(evidence, chosen_members(evidence, family_of, ground.metric.gain(baseline.score)))
    keep(run, ground, [trials[name].number for name in given.names])
    rows = trial_entries(trials, evidence, scored)
    joined, ensembles = ensemble_entries(specs, given, rows, ground, scored, fleet, tell)
    entries = scored.with_gaps(ranked([*rows, *joined, baseline], ground.metric))
    found = diversity(given.names, given.prediction_MNK, given.y_N)
    return Board(tuple(entries), trials, ensembles, given.names, found)


class Scored:
    """Scores and intervals on the same resampled rows, so that gaps between rows of the board are paired."""

    def __init__(self, ground: Ground, y_N: np.ndarray) -> None:
        self.metric, self.y_N = ground.metric, y_N
        self.weight_BN = row_counts(len(y_N), NUM_RESAMPLES, child(ground.seed, "leaderboard"))
        self.score_B: dict[str, np.ndarray] = {}

    def entry(self, name: str, kind: EntryKind, prediction_NK: np.ndarray) -> Entry:
        """Return a row of the leaderboard with its score and interval."""
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


def baseline_entry(ground: Ground, scored: Scored) -> Entry:
    """Judge the dummy, which looks at no column, on the same folds: what anything must beat."""
    algorithm = algorithm_of(BASELINE, {})
    batch = from_matrix(np.zeros((len(ground.y_N), 0), np.float32), ground.y_N, ground.num_classes)
    prediction_NK = np.zeros((len(batch), max(ground.num_classes, 1)), np.float32)
    for fold in range(ground.num_folds):
        train_N, fold_N = ground.split.train_rows(ground.fold_N, fold), ground.fold_N == fold
        _, prediction_NK[fold_N] = fit_fold(algorithm, batch, train_N, fold_N, fold, ground.seed, 1, ground.metric)
    return scored.entry(BASELINE, EntryKind.BASELINE, prediction_NK[ground.fold_N >= 0])


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
    ground: Ground,
    scored: Scored,
    driver: Driver,
    tell: Tell,
) -> tuple[list[Entry], dict[str, Combined]]:
    """Return a row for each ensemble that could be learned, and what it learned; `rows` are those of the trials."""
    if len(given.names) < 2 or not specs:
        return [], {}
    costs = {row.name: row for row in rows}
    entries, ensembles = [], {}
    for name, (combined, prediction_NK) in _learn(specs, given, ground, driver, tell).items():
        ensembles[name] = combined
        part = combined.task.part
        members = [costs[given.names[place]] for place in part.used(combined.learned, len(given.names))]
        entry = _ensemble_entry(scored.entry(name, EntryKind.ENSEMBLE, prediction_NK), members)
        tell("ensemble", {"name": name, "score": entry.score})
        entries.append(doubted(entry, costs[given.names[0]], ground.metric) if part.doubted else entry)
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


def _learn(
    specs: Sequence[PartSpec], given: Evidence, ground: Ground, driver: Driver, tell: Tell
) -> dict[str, tuple[Combined, np.ndarray]]:
    """Learn each ensemble once without each fold, to judge it there, and once from all rows, to keep it."""
    tasks = [Task(spec.name, spec.params, fold) for spec in specs for fold in (*range(ground.num_folds), None)]
    outcomes = driver.learn(tasks, given, child(ground.seed, "ensembles"))
    found: dict[str, tuple[Combined, np.ndarray]] = {}
    stride, held = ground.num_folds + 1, [given.rows(given.fold_N == fold) for fold in range(ground.num_folds)]
    for place, spec in enumerate(specs):
        name = ensemble_name(spec)
        learned = outcomes[place * stride : (place + 1) * stride]
        failures = [outcome.reason for outcome in learned if isinstance(outcome, Failure)]
        if failures:
            tell("ensemble", {"name": name, "failed": failures[0]})
            continue
        prediction_NK = _out_of_fold(tasks[place * stride], learned[:-1], given, held)
        whole = learned[-1]
        assert isinstance(whole, Learned)
        found[name] = (Combined(tasks[(place + 1) * stride - 1], whole), prediction_NK)
    return found


def _out_of_fold(
    task: Task, learned: Sequence[Learned | Failure], given: Evidence, held: Sequence[Evidence]
) -> np.ndarray:
    prediction_NK = np.zeros(given.prediction_MNK.shape[1:], np.float32)
    for fold, (state, rows) in enumerate(zip(learned, held, strict=True)):
        assert isinstance(state, Learned)
        prediction_NK[given.fold_N == fold] = predictions_of(task, state, rows)
    return prediction_NK


def ensemble_name(spec: PartSpec) -> str:
    """Return the name on the leaderboard: the key, and the settings that were given.

    Example:
        >>> ensemble_name(PartSpec(name="vote", params={"voting": "hard"}))
        'vote(voting=hard)'
    """
    settings = ", ".join(f"{key}={value}" for key, value in spec.params.items())
    return f"{spec.name}({settings})" if settings else spec.name
