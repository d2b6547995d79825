"""Which rows each fit of a trial learns from, and on which it is judged: folds, repeated folds, or one holdout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.parts import Split
from assay.seeds import child, row_hash
from assay.vocabulary import NO_FOLD

HOLDOUT_PARTS = (10, 5, 2, 1)  # a holdout is the last of ten folds, or of fewer where that one would be empty
JUDGED_PARTS = 5  # into which the rows of a holdout are dealt, to judge ensembles on rows they did not learn from


@dataclass(frozen=True)
class Folds:
    """The fits of a trial, 0 to `num` - 1: `per_repeat` of them for each of R divisions of the rows.

    Example:
        >>> from assay import catalog
        >>> from assay.vocabulary import Shelf
        >>> folds = Folds(catalog.make(Shelf.SPLITS, "shuffled"), np.array([[0, 1, 1, 0]]), 2)
        >>> folds.num, folds.held_N(0).tolist(), folds.learning_N(0).tolist()
        (2, [True, False, False, True], [False, True, True, False])
    """

    split: Split
    fold_RN: np.ndarray
    per_repeat: int

    @property
    def num(self) -> int:
        """Fits of a trial."""
        return self.per_repeat * len(self.fold_RN)

    def held_N(self, fold: int) -> np.ndarray:
        """Return a mask of the rows that a fit is judged on."""
        repeat, part = divmod(fold, self.per_repeat)
        mask_N: np.ndarray = self.fold_RN[repeat] == part
        return mask_N

    def learning_N(self, fold: int) -> np.ndarray:
        """Return a mask of the rows that a fit learns from."""
        repeat, part = divmod(fold, self.per_repeat)
        mask_N: np.ndarray = self.split.train_rows(self.fold_RN[repeat], part)
        return mask_N

    @property
    def judged_N(self) -> np.ndarray:
        """A mask of the rows that are held out by some fit."""
        mask_N: np.ndarray = np.asarray((self.fold_RN > NO_FOLD).any(axis=0))
        return mask_N

    def joined(self, prediction_by_fold: list[np.ndarray]) -> np.ndarray:
        """Return prediction_nK of the judged rows, the mean over repeats, from what each fit said of its held rows."""
        num_rows, num_outputs = self.fold_RN.shape[1], prediction_by_fold[0].shape[1]
        dtype = prediction_by_fold[0].dtype  # float32 of probabilities; numbers may lie far from zero
        total_NK, count_N = np.zeros((num_rows, num_outputs), dtype), np.zeros(num_rows, dtype)
        for fold, prediction_hK in enumerate(prediction_by_fold):
            held_N = self.held_N(fold)
            total_NK[held_N] += prediction_hK
            count_N[held_N] += 1
        judged_N = self.judged_N
        joined_nK: np.ndarray = total_NK[judged_N] / count_N[judged_N, None]
        return joined_nK

    def parts_n(self, seed: int) -> np.ndarray:
        """Return, for each judged row, the part in which ensembles are judged on it: its first fold, else a draw."""
        judged_N = self.judged_N
        first_n: np.ndarray = self.fold_RN[0][judged_N]
        if self.per_repeat > 1:
            return first_n
        hash_n = row_hash(np.flatnonzero(judged_N), child(seed, "judged_parts"))
        place_n = np.empty(len(hash_n), np.int64)
        place_n[np.argsort(hash_n, kind="stable")] = np.arange(len(hash_n))
        part_n: np.ndarray = place_n % JUDGED_PARTS
        return part_n


def divide(split: Split, row_N: np.ndarray, guide_N: np.ndarray | None, folds: int, repeats: int, seed: int) -> Folds:
    """Return the folds of the rows; one fold is a holdout of a tenth of the rows (the newest, where time
    orders them), of more where a tenth holds nothing to judge on.

    Each repeat draws anew, so a split that leaves nothing to chance gives the same folds again.
    """
    if folds == 1:
        for parts in HOLDOUT_PARTS:
            fold_N = split.folds(row_N, guide_N, parts, child(seed, "folds"))
            learning_N = split.train_rows(fold_N, parts - 1)
            if (fold_N == parts - 1).any() and learning_N.any():
                break
        others_N = np.where(learning_N, NO_FOLD, NO_FOLD - 1)
        return Folds(split, np.where(fold_N == parts - 1, 0, others_N)[None], 1)
    seeds = [child(seed, "folds"), *(child(seed, "folds", repeat) for repeat in range(1, repeats))]
    return Folds(split, np.stack([split.folds(row_N, guide_N, folds, one) for one in seeds]), folds)
