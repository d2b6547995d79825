"""Categories of many levels as the smoothed mean of the label in each level, learned inside every fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.seeds import child, row_hash
from assay.spec.strict import Strict
from assay.steps._content import from_text, to_text
from assay.vocabulary import ColumnKind


class TargetMean(Step):
    """Adds, per category, how far the label's mean in a level lies from the mean of all rows, in deviations.

    The mean of a level of n rows is drawn to that of all rows by n b / (n b + w), where w is the variance within
    levels and b the one between them, both told from the data (empirical Bayes; analysis of variance). So levels that
    say nothing vanish, and a level of one row counts little. Missing and unseen levels are 0.

    A training row is encoded by rows of other inner folds only; equal row ids share a fold, so copies of a row do not
    tell each other's label.

    Beside the codes, on three tables: ROC AUC of boosted trees 0.689 instead of 0.666 (2,000 levels) and 0.870 instead
    of 0.857 (500 levels), error 6 % less (22 levels); of logistic regression beside one-hot 0.881 instead of 0.870.
    With 11 levels in 200 rows it did harm, 0.648 instead of 0.681, so categories of few levels are left as they are.

    Source: Micci-Barreca 2001, "A preprocessing scheme for high-cardinality categorical attributes"; cross-fitting as
    in scikit-learn's TargetEncoder, whose weight per level trusts levels of one row.

    Example:
        >>> plan = {"plan": Column(ColumnKind.CATEGORY, 2)}
        >>> codes, paid = np.array([0, 0, 0, 1, 1, 1], np.int32), np.array([1.0, 2, 1, 8, 9, 8])
        >>> batch = Batch({"plan": codes}, plan, np.arange(6), paid)
        >>> state, _ = TargetMean(TargetMean.Params(min_levels=2)).learn(batch, seed=0)
        >>> TargetMean(TargetMean.Params(min_levels=2)).apply(state, batch).columns["plan mean"].tolist()
        [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]
    """

    takes = frozenset({ColumnKind.CATEGORY})
    looks_at_label = True

    class Params(Strict):
        min_levels: int = Field(20, ge=2, le=100_000, description="categories of fewer levels are left as they are")
        max_classes: int = Field(10, ge=2, le=1_000, description="with more classes nothing is added: one mean a class")
        num_folds: int = Field(5, ge=2, le=50, description="inner folds that training rows are encoded across")
        keep: bool = Field(True, description="leave the codes beside the means")

    def columns(self, batch: Batch) -> list[str]:
        if batch.num_classes > self.params.max_classes:
            return []
        return [name for name in batch.names(*self.takes) if batch.meaning[name].num_levels >= self.params.min_levels]

    def measure(self, batch: Batch) -> Json:
        y_CN = _targets(batch)
        found = {}
        for name in self.columns(batch):
            place_N, size = batch.columns[name] + 1, batch.meaning[name].num_levels + 2
            known_N = (place_N > 0) & (place_N < size - 1)
            found[name] = {
                "count": np.bincount(place_N, minlength=size).tolist(),
                "sum": [np.bincount(place_N, y_N, size).tolist() for y_N in y_CN],
                "square": [float((y_N[known_N] ** 2).sum()) for y_N in y_CN],
            }
        return found

    def merge(self, states: Sequence[Json]) -> Json:
        return {
            name: {word: np.sum([state[name][word] for state in states], axis=0).tolist() for word in states[0][name]}
            for name in states[0]
        }

    def finish(self, state: Json) -> Json:
        return {name: to_text(_Law(known).table(known)) for name, known in state.items()}

    def apply(self, state: Json, batch: Batch) -> Batch:
        tables = {
            name: from_text(text, "<f4").reshape(batch.meaning[name].num_levels + 2, -1) for name, text in state.items()
        }
        return self._with_means(batch, {name: _looked_up(table, batch, name) for name, table in tables.items()})

    def learn(self, batch: Batch, seed: int) -> tuple[Json, Batch]:
        fold_N = row_hash(batch.row_N, child(seed, "folds")) % np.uint64(self.params.num_folds)
        narrow = batch.with_columns({}, {}, without=[name for name in batch.meaning if name not in self.columns(batch)])
        parts = [self.measure(narrow.take(fold_N == fold)) for fold in range(self.params.num_folds)]
        whole = self.merge(parts)
        means = {}
        for name in whole:
            # One law for all inner folds: a mean of all rows that differed from fold to fold would tell the folds
            # apart, and through them the labels.
            law = _Law(whole[name])
            width = len(whole[name]["sum"])
            means[name] = np.zeros((len(batch), width), np.float32)
            for fold in range(self.params.num_folds):
                others = self.merge([part for place, part in enumerate(parts) if place != fold])[name]
                held_N = fold_N == fold
                means[name][held_N] = law.table(others)[batch.columns[name][held_N] + 1]
        return self.finish(whole), self._with_means(batch, means)

    def _with_means(self, batch: Batch, means: dict[str, np.ndarray]) -> Batch:
        columns, meaning = {}, {}
        for name, mean_NC in means.items():
            made = f"{name} mean"
            if mean_NC.shape[1] == 1:
                columns[made], meaning[made] = mean_NC[:, 0], Column(ColumnKind.NUMERIC)
            else:
                features = tuple(f"{name} mean of class {index}" for index in range(mean_NC.shape[1]))
                columns[made], meaning[made] = mean_NC, Column(ColumnKind.NUMERIC, features=features)
        return batch.with_columns(columns, meaning, without=() if self.params.keep else tuple(means))


def _targets(batch: Batch) -> np.ndarray:
    """Return what is averaged: the number, whether the row is positive, or for each class whether it is that."""
    if not batch.num_classes:
        return batch.label_N[None].astype(np.float64)
    classes = [1] if batch.num_classes == 2 else range(batch.num_classes)
    return np.array([batch.label_N == one for one in classes], np.float64)


def _looked_up(table_LC: np.ndarray, batch: Batch, name: str) -> np.ndarray:
    return np.asarray(table_LC[np.clip(batch.columns[name] + 1, 0, len(table_LC) - 1)])


class _Law:
    """How much a level is believed: the mean of all rows, and the variances within and between levels."""

    def __init__(self, known: Json) -> None:
        count_L, sum_CL = np.array(known["count"], np.float64), np.array(known["sum"], np.float64)
        self.mean_C = sum_CL.sum(axis=1) / max(count_L.sum(), 1)
        seen_L = count_L > 0
        seen_L[[0, -1]] = False  # missing and unseen are no levels
        n_l, sum_Cl = count_L[seen_L], sum_CL[:, seen_L]
        total, num_levels = n_l.sum(), len(n_l)
        mean_Cl = sum_Cl / n_l
        centre_C = sum_Cl.sum(axis=1) / max(total, 1)
        between_C = (n_l * (mean_Cl - centre_C[:, None]) ** 2).sum(axis=1)
        within_C = np.maximum(np.array(known["square"]) - (sum_Cl**2 / n_l).sum(axis=1), 0)
        self.within_C = within_C / max(total - num_levels, 1)
        freedom = max(total - (n_l**2).sum() / max(total, 1), 1e-12)
        self.between_C = np.maximum(between_C - (num_levels - 1) * self.within_C, 0) / freedom
        if total <= num_levels:  # every level has one row: nothing tells levels from noise
            self.between_C = np.zeros_like(self.mean_C)
        shift_CL = self._shift(count_L, sum_CL)
        self.deviation_C = np.sqrt((count_L * shift_CL**2).sum(axis=1) / max(count_L.sum(), 1))

    def _shift(self, count_L: np.ndarray, sum_CL: np.ndarray) -> np.ndarray:
        """Return how far each level lies from the mean of all rows, drawn to it by how little is known of it."""
        own_CL = sum_CL / np.maximum(count_L, 1)
        belief_CL = count_L * self.between_C[:, None]
        belief_CL = belief_CL / np.maximum(belief_CL + self.within_C[:, None], 1e-300)
        shift_CL: np.ndarray = belief_CL * (own_CL - self.mean_C[:, None])
        shift_CL[:, [0, -1]] = 0
        return shift_CL

    def table(self, known: Json) -> np.ndarray:
        """Return the encoding of each code + 1: table_LC, float32."""
        shift_CL = self._shift(np.array(known["count"], np.float64), np.array(known["sum"], np.float64))
        scaled_CL = shift_CL / np.where(self.deviation_C > 0, self.deviation_C, 1)[:, None]
        return np.asarray(scaled_CL.T, "<f4", order="C")
