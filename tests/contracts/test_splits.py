"""Promises of every split on the shelf; a new file is held to them without a word here."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from assay import catalog
from assay.errors import SpecFault
from assay.parts import Split
from assay.vocabulary import NO_FOLD, Shelf

NUM_ROWS, NUM_FOLDS, FRACTION = 240, 4, 0.25
KEYS = catalog.keys(Shelf.SPLITS)
every_split = pytest.mark.parametrize("key", KEYS)


def made(key: str) -> Split:
    return catalog.make(Shelf.SPLITS, key)


def frozen(array_N: np.ndarray) -> np.ndarray:
    array_N.setflags(write=False)
    return array_N


def rows() -> np.ndarray:
    """Return row ids with gaps, as they are where test rows were taken out."""
    return frozen(np.sort(np.random.default_rng(0).choice(1_000, NUM_ROWS, replace=False)))


def guide(key: str) -> np.ndarray | None:
    draw = np.random.default_rng(1)
    return {
        "": lambda: None,
        "label": lambda: frozen(draw.choice(3, NUM_ROWS, p=[0.7, 0.2, 0.1])),
        "group": lambda: frozen(draw.integers(0, 30, NUM_ROWS)),
        "time": lambda: frozen(draw.integers(0, 200, NUM_ROWS)),
    }[made(key).needs]()


def divided(key: str, order_N: np.ndarray | None = None, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return the test mask and the folds of all rows, given in some order."""
    order_N = np.arange(NUM_ROWS) if order_N is None else order_N
    row_N, guide_N = rows()[order_N], guide(key)
    guide_N = None if guide_N is None else guide_N[order_N]
    split = made(key)
    return split.test_rows(row_N, guide_N, FRACTION, seed), split.folds(row_N, guide_N, NUM_FOLDS, seed)


def digest(key: str) -> str:
    test_N, fold_N = divided(key)
    return hashlib.sha256(test_N.astype(bool).tobytes() + fold_N.astype(np.int64).tobytes()).hexdigest()


@cache
def other_process() -> dict[str, str]:
    script = f"""
import json, runpy
contract = runpy.run_path({str(__file__)!r})
print(json.dumps({{key: contract["digest"](key) for key in contract["KEYS"]}}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


@every_split
def test_the_same_seed_divides_the_same_in_another_process(key: str) -> None:
    assert digest(key) == other_process()[key]


@every_split
def test_another_seed_divides_otherwise_unless_time_decides(key: str) -> None:
    (test_N, fold_N), (other_test_N, other_fold_N) = divided(key, seed=5), divided(key, seed=6)
    same = bool((test_N == other_test_N).all() and (fold_N == other_fold_N).all())
    assert same is (made(key).needs == "time")


@every_split
def test_a_row_keeps_its_place_whatever_the_order_of_the_rows(key: str) -> None:
    order_N = np.random.default_rng(2).permutation(NUM_ROWS)
    for whole_N, turned_N in zip(divided(key), divided(key, order_N), strict=True):
        np.testing.assert_array_equal(turned_N, whole_N[order_N])


@every_split
def test_folds_are_numbered_from_zero_and_none_is_empty(key: str) -> None:
    _, fold_N = divided(key)
    assert set(fold_N.tolist()) - {NO_FOLD} == set(range(NUM_FOLDS))


@every_split
def test_no_model_learns_from_the_rows_it_is_judged_on(key: str) -> None:
    _, fold_N = divided(key)
    for fold in range(NUM_FOLDS):
        train_N = made(key).train_rows(fold_N, fold)
        assert train_N.any()
        assert not (train_N & (fold_N == fold)).any()


@every_split
def test_the_test_takes_about_the_share_that_was_asked_for(key: str) -> None:
    test_N, _ = divided(key)
    assert test_N.mean() == pytest.approx(FRACTION, abs=0.03)


@every_split
def test_no_share_takes_no_row(key: str) -> None:
    assert not made(key).test_rows(rows(), guide(key), 0.0, seed=5).any()


@every_split
def test_folds_hold_about_as_many_rows_each(key: str) -> None:
    _, fold_N = divided(key)
    size_K = np.bincount(fold_N[fold_N != NO_FOLD], minlength=NUM_FOLDS)
    assert size_K.max() - size_K.min() <= 0.2 * size_K.mean()


@every_split
def test_an_unknown_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.flods: unknown setting 'flods'"):
        catalog.make(Shelf.SPLITS, key, {"flods": 3})


def test_stratified_folds_hold_every_class_in_proportion() -> None:
    _, fold_N = divided("stratified")
    for level in range(3):
        size_K = np.bincount(fold_N[guide("stratified") == level], minlength=NUM_FOLDS)
        assert size_K.max() - size_K.min() <= 1


def test_a_class_of_two_rows_keeps_both_for_training_and_judging() -> None:
    label_N = np.array([0] * 98 + [1] * 2)
    split = made("stratified")
    assert not split.test_rows(np.arange(100), label_N, 0.5, seed=0)[98:].any()
    assert len(set(split.folds(np.arange(100), label_N, 5, seed=0)[98:])) == 2


def test_a_group_never_falls_on_both_sides() -> None:
    test_N, fold_N = divided("by_group")
    for group in range(30):
        mine_N = guide("by_group") == group
        assert len(set(test_N[mine_N])) == len(set(fold_N[mine_N])) == 1


def test_time_folds_learn_only_from_older_rows() -> None:
    test_N, fold_N = divided("by_time")
    time_N = guide("by_time")
    assert time_N[~test_N].max() < time_N[test_N].min()
    for fold in range(NUM_FOLDS):
        assert time_N[made("by_time").train_rows(fold_N, fold)].max() < time_N[fold_N == fold].min()
