"""Nothing leaks: where labels are shuffled, every algorithm and every ensemble scores at chance out of fold.

A new file on a shelf is held to it without a word here. One shuffle in ten or twenty lies outside its interval by
chance, a leak shows in every shuffle; so only a part that is off in three shuffles fails.
"""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch, Column
from assay.engines.fleet import Task as Learning
from assay.engines.fleet import predictions_of
from assay.engines.local_fleet import LocalFleet
from assay.engines.trial import fit_fold
from assay.evaluation.bootstrap import Interval, row_counts, score_interval
from assay.parts import Evidence, Learned
from assay.vocabulary import ColumnKind, Shelf, Task

tiny = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["tiny"]
NUM_ROWS, NUM_FOLDS, NUM_RESAMPLES = 300, 3, 200
SHUFFLES = (3, 4, 5)  # 0 is one of the unlucky twenty: there everything scores about 0.58
TREES = [
    ("decision_tree", {"max_depth": depth, "min_samples_leaf": leaf}) for depth in (2, 4, 6) for leaf in (1, 5, 20)
]
MEMBERS = {Task.BINARY: [("logistic_regression", {}), *TREES], Task.REGRESSION: [("ridge", {}), *TREES]}
METRIC = {Task.BINARY: "roc_auc", Task.REGRESSION: "r2"}
CHANCE = {Task.BINARY: 0.5, Task.REGRESSION: 0.0}
ALGORITHMS = [key for key in catalog.keys(Shelf.ALGORITHMS) if "tabular" in catalog.find(Shelf.ALGORITHMS, key).kinds]
PAIRS = {
    shelf: [
        (key, task)
        for key in keys
        for task in METRIC
        # Ensembles that fit members of their own do it on rows: tests/engines/test_growing.py shuffles their labels.
        if task in catalog.find(shelf, key).tasks and not getattr(catalog.find(shelf, key), "grows", False)
    ]
    for shelf, keys in ((Shelf.ALGORITHMS, ALGORITHMS), (Shelf.ENSEMBLES, catalog.keys(Shelf.ENSEMBLES)))
}


@cache
def shuffled(task: Task, wants: str, shuffle: int) -> Batch:
    """Return rows whose label belongs to another row."""
    batch = tiny(task, wants, seed=5, num_rows=NUM_ROWS)
    return replace(batch, y_N=np.random.default_rng(shuffle).permutation(batch.label_N))


def folds_of(batch: Batch) -> np.ndarray:
    split = catalog.make(Shelf.SPLITS, "stratified" if batch.num_classes else "shuffled")
    return split.folds(batch.row_N, batch.label_N, NUM_FOLDS, seed=0)


def out_of_fold(key: str, batch: Batch, task: Task, params: Mapping[str, Any] | None = None) -> np.ndarray:
    """Return what an algorithm says about rows it has not seen, fitted as a trial fits it."""
    algorithm, metric = (
        catalog.make(Shelf.ALGORITHMS, key, dict(params or {})),
        catalog.make(Shelf.METRICS, METRIC[task]),
    )
    fold_N, prediction_NK = folds_of(batch), np.zeros((len(batch), max(batch.num_classes, 1)), np.float32)
    for fold in range(NUM_FOLDS):
        held_N = fold_N == fold
        _, prediction_NK[held_N], _ = fit_fold(algorithm, batch, ~held_N, held_N, fold, 0, 1, metric)
    return prediction_NK


@cache
def evidence(task: Task, shuffle: int) -> Evidence:
    """Return what quick algorithms said out of fold; many of them, since a leak grows with what may be chosen from."""
    said = []
    for key, params in MEMBERS[task]:
        batch = shuffled(task, catalog.find(Shelf.ALGORITHMS, key).wants, shuffle)
        said.append(out_of_fold(key, batch, task, params))
    names = tuple(f"{key}-{place:02d}" for place, (key, _) in enumerate(MEMBERS[task]))
    metric = catalog.make(Shelf.METRICS, METRIC[task])
    return Evidence(names, np.stack(said), batch.label_N, folds_of(batch), task, metric)


def combined(key: str, known: Evidence, leaking: bool = False) -> np.ndarray:
    """Return what an ensemble says about the rows of each fold, learned from the others, as it is judged in a run."""
    tasks = [Learning(key, {}, None if leaking else fold) for fold in range(NUM_FOLDS)]
    prediction_NK = np.zeros(known.prediction_MNK.shape[1:])
    for fold, (learning, state) in enumerate(zip(tasks, LocalFleet().learn(tasks, known, seed=0), strict=True)):
        assert isinstance(state, Learned)
        held_N = known.fold_N == fold
        prediction_NK[held_N] = predictions_of(learning, state, known.rows(held_N))
    return prediction_NK


def interval_of(task: Task, y_N: np.ndarray, prediction_NK: np.ndarray) -> Interval:
    metric = catalog.make(Shelf.METRICS, METRIC[task])
    return score_interval(metric, y_N, prediction_NK, row_counts(len(y_N), NUM_RESAMPLES, seed=0))


def at_chance(task: Task, found: Interval) -> bool:
    """Whether a score is that of guessing; a regression may be worse, since noise in its predictions costs r2."""
    return found.low <= CHANCE[task] and (task is Task.REGRESSION or found.high >= CHANCE[task])


@pytest.mark.parametrize(("key", "task"), PAIRS[Shelf.ALGORITHMS])
def test_an_algorithm_finds_nothing_in_shuffled_labels(key: str, task: Task) -> None:
    def found(shuffle: int) -> Interval:
        batch = shuffled(task, catalog.find(Shelf.ALGORITHMS, key).wants, shuffle)
        return interval_of(task, batch.label_N, out_of_fold(key, batch, task))

    assert any(at_chance(task, found(shuffle)) for shuffle in SHUFFLES)


@pytest.mark.parametrize(("key", "task"), PAIRS[Shelf.ENSEMBLES])
def test_an_ensemble_finds_nothing_in_shuffled_labels(key: str, task: Task) -> None:
    def found(shuffle: int) -> Interval:
        known = evidence(task, shuffle)
        return interval_of(task, known.y_N, combined(key, known))

    assert any(at_chance(task, found(shuffle)) for shuffle in SHUFFLES)


@pytest.mark.parametrize("task", METRIC)
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_a_column_that_hints_at_the_label_is_seen_in_every_shuffle(task: Task, shuffle: int) -> None:
    batch = shuffled(task, "codes", shuffle)
    hint_N = batch.label_N + np.random.default_rng(0).normal(0, batch.label_N.std(), len(batch))
    leaking = batch.with_columns({"hint": hint_N}, {"hint": Column(ColumnKind.NUMERIC)})
    leaking = Batch(leaking.columns, leaking.meaning, batch.row_N, batch.y_N, num_classes=batch.num_classes)
    assert not at_chance(task, interval_of(task, batch.label_N, out_of_fold("extra_trees", leaking, task)))


def test_an_ensemble_that_learned_from_the_rows_it_is_judged_on_is_seen() -> None:
    seen = []
    for shuffle in SHUFFLES:
        known = evidence(Task.BINARY, shuffle)
        seen.append(
            not at_chance(Task.BINARY, interval_of(Task.BINARY, known.y_N, combined("stack", known, leaking=True)))
        )
    assert all(seen)
