"""How the rows of an experiment are divided: a test that is not empty, and as many folds as can each be judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.engines.folds import Folds, divide
from assay.errors import DataFault
from assay.notices import notice
from assay.parts import Split
from assay.profile import Profile
from assay.spec import Experiment
from assay.vocabulary import NO_FOLD
from assay.workflows.choices import division


def folds_of(
    experiment: Experiment,
    profile: Profile,
    split: Split,
    train: pa.Table,
    row_N: np.ndarray,
    guide_N: np.ndarray | None,
    num_slots: int,
    unscored_N: np.ndarray | None = None,
) -> Folds:
    """Return the folds of the training rows: as many as the file asks for, else the usual number or fewer.

    Fewer are taken where the usual number would leave one without rows, or with one class of a label alone: few groups,
    few times, few rows of a class. Rows in time may be left with one fold. No fit is judged on the rows `unscored_N`.

    Raises:
        DataFault: a fold has no rows.
    """
    usual, repeats = division(experiment, profile, num_slots)
    given = experiment.split.folds != "auto"
    made = [usual] if given else list(_numbers(usual, least=1 if split.needs == "time" else 2))
    class_N = _classes(train, profile)
    needed = "a forecast of a whole horizon" if experiment.forecast is not None else "rows"
    first: Folds | None = None

    def of(number: int) -> Folds:
        folds = divide(split, row_N, guide_N, number, repeats, experiment.seed)
        return folds if unscored_N is None else _without(folds, unscored_N)

    for number in made:
        folds = of(number)
        if _num_empty(folds):
            continue
        if class_N is None or not _num_one_class(folds, class_N):
            _tell(number, usual, needed if first is None else "rows of two classes")
            return folds
        first = first or folds
    if first is not None:  # some are judged on one class whatever their number
        _tell(first.per_repeat, usual, needed)
        return first
    fewer = next((number for number in range(usual - 1, 0, -1) if not _num_empty(of(number))), None)
    raise DataFault.at(
        "split.folds",
        f"{usual} folds of {len(row_N):,} training rows leave {_num_empty(of(usual))} empty",
        ("" if fewer is None else f"write `split: {{folds: {fewer}}}`, ")
        + "give more rows, "
        + ("longer series" if experiment.forecast else "groups or times"),
    )


def tell_of_empty_test(test_mask_N: np.ndarray, experiment: Experiment) -> None:
    """Tell that no row is left for the test, where some were to be."""
    if experiment.split.test_fraction > 0 and not test_mask_N.any():
        notice(
            f"split.test_fraction: no row of {len(test_mask_N):,} is left for the test, so the model is judged on its "
            "folds alone. Give more rows, or a file of test rows: `data: {test: FILE}`"
        )


def _numbers(usual: int, least: int) -> Iterable[int]:
    """Yield numbers of folds to try, the usual one first; a holdout becomes folds where it is empty."""
    return range(usual, least - 1, -1) if usual > 1 else (1, 5, 4, 3, 2)


def _tell(number: int, usual: int, what: str) -> None:
    if number != usual:
        notice(f"split.folds: {number} and not {usual}, which would leave a fold without {what}")


def _num_empty(folds: Folds) -> int:
    return sum(not folds.held_N(fold).any() or not folds.learning_N(fold).any() for fold in range(folds.num))


def _num_one_class(folds: Folds, class_N: np.ndarray) -> int:
    """Return how many fits are judged on one class alone, or learn from one."""
    return sum(
        len(np.unique(class_N[mask_N])) < 2
        for fold in range(folds.num)
        for mask_N in (folds.held_N(fold), folds.learning_N(fold))
    )


def _classes(train: pa.Table, profile: Profile) -> np.ndarray | None:
    if not profile.label.classes:
        return None
    found = pc.dictionary_encode(train.column(profile.label.name).combine_chunks()).indices
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False))


def _without(folds: Folds, unscored_N: np.ndarray) -> Folds:
    """Return folds that judge no fit on some rows: these are learned from as rows that end in their stretch."""
    fold_RN = np.where(unscored_N & (folds.fold_RN > NO_FOLD), NO_FOLD - 1 - folds.fold_RN, folds.fold_RN)
    return replace(folds, fold_RN=fold_RN)
