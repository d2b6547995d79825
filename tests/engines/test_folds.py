"""Which rows a fit learns from and is judged on: no row is on both sides, and repeats average to one say per row."""

from __future__ import annotations

import numpy as np
import pytest

from assay import catalog
from assay.engines.folds import JUDGED_PARTS, Folds, divide
from assay.vocabulary import Shelf

NUM_ROWS = 200
GUIDE = {"shuffled": None, "by_time": np.arange(NUM_ROWS), "by_group": np.arange(NUM_ROWS) // 5}


def divided(key: str, folds: int, repeats: int = 1, seed: int = 0) -> Folds:
    return divide(catalog.make(Shelf.SPLITS, key), np.arange(NUM_ROWS), GUIDE[key], folds, repeats, seed)


@pytest.mark.parametrize("key", GUIDE)
@pytest.mark.parametrize(("folds", "repeats"), [(1, 1), (4, 1), (4, 3)])
def test_no_fit_is_judged_on_rows_it_learned_from(key: str, folds: int, repeats: int) -> None:
    found = divided(key, folds, repeats)
    for fold in range(found.num):
        assert found.held_N(fold).any()
        assert found.learning_N(fold).any()
        assert not (found.held_N(fold) & found.learning_N(fold)).any()


@pytest.mark.parametrize("key", GUIDE)
def test_a_holdout_is_about_a_tenth_of_the_rows(key: str) -> None:
    found = divided(key, 1)
    assert found.num == 1
    assert NUM_ROWS // 20 <= found.judged_N.sum() <= NUM_ROWS // 5


def test_the_holdout_of_rows_in_time_is_the_newest() -> None:
    assert divided("by_time", 1).held_N(0)[-1]
    assert not divided("by_time", 1).held_N(0)[: NUM_ROWS // 2].any()


def test_each_repeat_divides_the_rows_anew() -> None:
    first_N, second_N = divided("shuffled", 4, 2).fold_RN
    assert (first_N != second_N).mean() > 0.5


def test_the_first_repeat_is_the_division_without_repeats() -> None:
    assert (divided("shuffled", 4, 3).fold_RN[0] == divided("shuffled", 4).fold_RN[0]).all()


def test_what_repeats_say_of_a_row_is_averaged() -> None:
    found = divided("shuffled", 2, 2)
    said = [np.full((found.held_N(fold).sum(), 1), float(fold // 2)) for fold in range(found.num)]
    assert found.joined(said).ravel().tolist() == [0.5] * NUM_ROWS


def test_the_rows_of_a_holdout_are_dealt_into_parts_to_judge_ensembles() -> None:
    parts_n = divided("shuffled", 1).parts_n(seed=0)
    assert np.bincount(parts_n, minlength=JUDGED_PARTS).min() >= len(parts_n) // JUDGED_PARTS
