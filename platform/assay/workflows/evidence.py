"""The evidence of a run: what its trials said out of fold, who of them joins ensembles, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.batch import Batch
from assay.engines.folds import Folds
from assay.engines.generations import Plan, TrialRecord
from assay.engines.trial import algorithm_of
from assay.evaluation.diversity import error_correlation
from assay.parts import Evidence, Json, Metric
from assay.store.runs import Run
from assay.vocabulary import Task

MAX_MEMBERS = 16  # trials that ensembles may draw from: the best of each family, then the best of all
MIN_MEMBERS = 2
TOO_ALIKE = 0.995  # correlation of errors from which on a member says nothing new
WORTHLESS = 0.4  # share of the best trial's gain over the baseline below which a member is not worth its cost
FILE = "evidence.safetensors"


@dataclass(frozen=True)
class Judging:
    """The training rows that everything on a leaderboard is judged on, and how."""

    y_N: np.ndarray
    folds: Folds
    num_classes: int  # 0 for regression
    task: Task
    metric: Metric
    seed: int
    columns: Mapping[str, Batch] = field(default_factory=dict)  # the rows, by what `Ensemble.reads` asks for
    naive_NK: np.ndarray | None = None  # predictions of the baseline for all rows; those of the dummy when None

    @classmethod
    def of(cls, plan: Plan, batch: Batch, task: Task, columns: Mapping[str, Batch]) -> Judging:
        """Return how a search is judged."""
        return cls(batch.label_N, plan.folds, batch.num_classes, task, plan.metric, plan.seed, columns, plan.naive_NK)


def evidence_of(records: Sequence[TrialRecord], run: Run, judging: Judging) -> Evidence:
    """Bring the out-of-fold predictions of complete trials together, the best trial first."""
    complete, judged_N = [record for record in records if record.ended == "complete"], judging.folds.judged_N
    evidence = Evidence(
        tuple(record.name for record in complete),
        np.stack([_said(record, run, judging.folds) for record in complete]),
        judging.y_N[judged_N],
        judging.folds.parts_n(judging.seed),
        judging.task,
        judging.metric,
        tuple(_learner_of(record) for record in complete),
        columns={reads: batch.take(judged_N) for reads, batch in judging.columns.items()},
    )
    return members_at(evidence, np.argsort(-gains_of(evidence), kind="stable").tolist())


def _said(record: TrialRecord, run: Run, folds: Folds) -> np.ndarray:
    """Return prediction_nK of a trial for the rows that were held out."""
    names = [Run.fold_name(record.number, fold) for fold in range(folds.num)]
    return folds.joined([run.read_arrays(name)["prediction"] for name in names])


def _learner_of(record: TrialRecord) -> tuple[str, Json]:
    """Return the algorithm of a trial, and its settings with what the fits on the folds settled."""
    key = record.proposal.algorithm
    settled = algorithm_of(key, record.proposal.params).settled(tuple(fold.facts for fold in record.folds))
    return key, settled.params.model_dump(mode="json", exclude_unset=True)


def gains_of(evidence: Evidence) -> np.ndarray:
    """Return gain_M, the score of each member turned so that more is better."""
    metric = evidence.metric
    return np.array([metric.gain(metric.score(evidence.y_N, said_NK)) for said_NK in evidence.prediction_MNK])


def members_at(evidence: Evidence, places: Sequence[int]) -> Evidence:
    """Return the evidence of some members, in that order."""
    return replace(
        evidence,
        names=tuple(evidence.names[place] for place in places),
        prediction_MNK=evidence.prediction_MNK[list(places)],
        learners=tuple(evidence.learners[place] for place in places if evidence.learners),
    )


def chosen_members(evidence: Evidence, family_of: Mapping[str, str], floor: float) -> list[int]:
    """Return the places of the members that ensembles get: the best of each family, then the best of all.

    Left out are those that err as a better one does (`TOO_ALIKE`), and those that gain too little over the baseline's
    `floor` (`WORTHLESS`): they cost a fit and a prediction for each row and change nothing. Two are there at least.
    """
    best_of: dict[str, int] = {}
    for place, name in enumerate(evidence.names):
        best_of.setdefault(family_of[name], place)
    first = sorted(best_of.values())
    others = [place for place in range(len(evidence.names)) if place not in first]
    gain_M = gains_of(evidence)
    correlation_MM = error_correlation(evidence.prediction_MNK, evidence.y_N)
    enough = floor + WORTHLESS * (gain_M[0] - floor) if len(gain_M) and gain_M[0] > floor else -np.inf
    chosen: list[int] = []
    for place in (*first, *others):
        alike = any(correlation_MM[place, better] > TOO_ALIKE for better in chosen if better < place)
        if len(chosen) < MAX_MEMBERS and gain_M[place] >= enough and not alike:
            chosen.append(place)
    spare = [place for place in range(len(evidence.names)) if place not in chosen]
    return sorted([*chosen, *spare[: max(0, MIN_MEMBERS - len(chosen))]])


def keep(run: Run, judging: Judging, trials: Sequence[int]) -> None:
    """Write what trying ensembles later takes beside the folds of the trials: labels, folds, the trials given."""
    arrays = {"y": judging.y_N, "fold": judging.folds.fold_RN, "trials": np.array(trials, np.int64)}
    if judging.naive_NK is not None:
        arrays["naive"] = judging.naive_NK
    run.write_arrays(FILE, arrays)
