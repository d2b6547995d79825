"""The evidence of a run: what its trials said out of fold, who of them joins ensembles, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from assay.batch import Batch
from assay.engines.generations import Plan, TrialRecord
from assay.evaluation.diversity import error_correlation
from assay.parts import Evidence, Metric, Split
from assay.store.runs import Run
from assay.vocabulary import Task

MAX_MEMBERS = 16  # trials that ensembles may draw from: the best of each family, then the best of all
MIN_MEMBERS = 2
TOO_ALIKE = 0.995  # correlation of errors from which on a member says nothing new
WORTHLESS = 0.4  # share of the best trial's gain over the baseline below which a member is not worth its cost
FILE = "evidence.safetensors"


@dataclass(frozen=True)
class Ground:
    """The training rows that everything on a leaderboard is judged on, and how."""

    y_N: np.ndarray
    fold_N: np.ndarray  # NO_FOLD for rows that are never held out
    num_folds: int
    num_classes: int  # 0 for regression
    task: Task
    metric: Metric
    split: Split
    seed: int
    columns: Mapping[str, Batch] = field(default_factory=dict)  # the rows, by what `Ensemble.reads` asks for

    @classmethod
    def of(cls, plan: Plan, batch: Batch, task: Task, columns: Mapping[str, Batch]) -> Ground:
        """Return the ground of a search."""
        label_N, num_classes = batch.label_N, batch.num_classes
        return cls(label_N, plan.fold_N, plan.num_folds, num_classes, task, plan.metric, plan.split, plan.seed, columns)


def evidence_of(records: Sequence[TrialRecord], run: Run, ground: Ground) -> Evidence:
    """Bring the out-of-fold predictions of complete trials together, the best trial first."""
    held_N = ground.fold_N >= 0
    complete = [record for record in records if record.ended == "complete"]
    shape = (len(complete), len(ground.fold_N), max(ground.num_classes, 1))
    prediction_MNK = np.zeros(shape, np.float32)
    for place, record in enumerate(complete):
        for fold in range(ground.num_folds):
            found = run.read_arrays(Run.fold_name(record.number, fold))
            prediction_MNK[place, ground.fold_N == fold] = found["prediction"]
    evidence = Evidence(
        tuple(record.name for record in complete),
        prediction_MNK[:, held_N],
        ground.y_N[held_N],
        ground.fold_N[held_N],
        ground.task,
        ground.metric,
        {reads: batch.take(held_N) for reads, batch in ground.columns.items()},
    )
    return members_at(evidence, np.argsort(-gains_of(evidence), kind="stable").tolist())


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


def keep(run: Run, ground: Ground, trials: Sequence[int]) -> None:
    """Write what trying ensembles later takes beside the folds of the trials: labels, folds, the trials given."""
    arrays = {"y": ground.y_N, "fold": ground.fold_N, "trials": np.array(trials, np.int64)}
    run.write_arrays(FILE, arrays)
