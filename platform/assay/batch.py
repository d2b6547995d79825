"""What flows through the house: N rows as named numpy arrays, read-only, in a known order, with their row ids.

A batch starts as canonical columns (see `COLUMN_DTYPE`), is changed by steps, and ends as one matrix that algorithms
read. Large batches live in Ray's object store once; every array here may be a read-only view into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from assay.vocabulary import ColumnKind

COLUMN_DTYPE = {
    ColumnKind.NUMERIC: "float64, NaN where missing",
    ColumnKind.BOOLEAN: "float64 of 0 and 1, NaN where missing",
    ColumnKind.CATEGORY: "int32 codes of levels, -1 where missing, len(levels) where unseen in training",
    ColumnKind.DATETIME: "int64 microseconds since 1970 UTC, the smallest int64 where missing",
    ColumnKind.TEXT: "object of str, empty where missing",
    ColumnKind.IMAGE: "(N, height, width, channels) uint8",
    ColumnKind.SERIES: "(N, steps, channels) float32, NaN after the end of each series",
}


# No features of a matrix before a step makes some of them; algorithms that want "raw" columns read them as they are.
ROUGH = frozenset({ColumnKind.TEXT, ColumnKind.DATETIME, ColumnKind.IMAGE, ColumnKind.SERIES})


@dataclass(frozen=True)
class Feature:
    """The meaning of one column of a matrix."""

    name: str
    kind: ColumnKind
    num_levels: int = 0


@dataclass(frozen=True)
class Column:
    """What a column of a batch means; a column of shape (N, D) holds D features of one meaning."""

    kind: ColumnKind
    num_levels: int = 0  # of a category; codes run from -1 to num_levels
    features: tuple[str, ...] = ()  # names of the D features, when the array is (N, D)
    packed: tuple[Feature, ...] | None = None  # of a finished matrix, which no step takes: each of its D features
    view_of: str = ""  # the column that this one shows in another way, for the steps that ask for views

    def of(self, index_d: Sequence[int]) -> Column:
        """Return the meaning of some of the D features."""
        features = tuple(self.features[index] for index in index_d) if self.features else ()
        packed = None if self.packed is None else tuple(self.packed[index] for index in index_d)
        return replace(self, features=features, packed=packed)


@dataclass(frozen=True)
class Pending:
    """A step that is still to be learned, inside every fit, on the rows of that fit alone."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """N rows as named arrays.

    `columns[name]` has shape (N,) or (N, D); `row_N` are ids in file order; `y_N` is the label as int64 class codes or
    float64 values, None when it is not known; `num_classes` is 0 for regression. `pending` are steps that look at the
    label: a fit learns them on its own rows, and the batch has no matrix before.
    """

    columns: Mapping[str, np.ndarray]
    meaning: Mapping[str, Column]
    row_N: np.ndarray
    y_N: np.ndarray | None = None
    weight_N: np.ndarray | None = None
    num_classes: int = 0
    pending: tuple[Pending, ...] = ()

    def __len__(self) -> int:
        return len(self.row_N)

    @property
    def label_N(self) -> np.ndarray:
        """The label of a batch that must have one."""
        assert self.y_N is not None, "this batch carries no label"
        return self.y_N

    def take(self, index_n: np.ndarray) -> Batch:
        """Return the rows at `index_n` (positions or a mask) as a new batch, in that order."""
        return replace(
            self,
            columns={name: array[index_n] for name, array in self.columns.items()},
            row_N=self.row_N[index_n],
            y_N=None if self.y_N is None else self.y_N[index_n],
            weight_N=None if self.weight_N is None else self.weight_N[index_n],
        )

    def with_columns(
        self, columns: Mapping[str, np.ndarray], meaning: Mapping[str, Column], without: Sequence[str] = ()
    ) -> Batch:
        """Return a batch in which `columns` are new or replaced and `without` are gone."""
        kept = {name: array for name, array in self.columns.items() if name not in without}
        known = {name: column for name, column in self.meaning.items() if name not in without}
        return replace(self, columns={**kept, **columns}, meaning={**known, **meaning})

    def of_features(self, index_f: Sequence[int]) -> Batch:
        """Return a batch whose matrix has only the columns at `index_f` (ascending) of this one's.

        Raises:
            IndexError: the matrix does not have such a column.
        """
        columns, meaning, first = {}, {}, 0
        for name, array in self.columns.items():
            width = 1 if array.ndim == 1 else array.shape[1]
            kept = [index - first for index in index_f if first <= index < first + width]
            first += width
            if not kept:
                continue
            columns[name] = array if array.ndim == 1 else np.take(array, kept, axis=1)
            meaning[name] = self.meaning[name].of(kept) if array.ndim == 2 else self.meaning[name]
        if len(index_f) and not 0 <= min(index_f) <= max(index_f) < first:
            raise IndexError(f"columns {min(index_f)} to {max(index_f)} of a matrix with {first}")
        return replace(self, columns=columns, meaning=meaning)

    def without_pending(self) -> Batch:
        """Return the batch as the learned steps left it, for those who read columns without fitting steps."""
        return replace(self, pending=())

    def names(self, *kinds: ColumnKind) -> list[str]:
        """Return the names of the columns of these kinds, in order, without views and finished matrices."""
        return [
            name
            for name, column in self.meaning.items()
            if column.kind in kinds and column.packed is None and not column.view_of
        ]

    @property
    def views(self) -> list[str]:
        """The names of the columns that show another column in a second way."""
        return [name for name, column in self.meaning.items() if column.view_of]

    def packed(self, apart: Sequence[str] = ()) -> Batch:
        """Return the batch with all columns but those `apart` in one matrix; alone, `matrix()` gives it without a copy.

        Rough columns stay as they are too; views that no step took are left out.
        """
        apart = [*apart, *(name for name in self.names(*ROUGH) if name not in apart)]
        loose = [*apart, *(name for name in self.views if name not in apart)]
        rest = self.with_columns({}, {}, without=loose)
        name = "x"
        while name in apart:
            name += "_"
        columns, meaning = {other: self.columns[other] for other in apart}, {o: self.meaning[o] for o in apart}
        if not rest.columns and self.names(*ROUGH):  # nothing but images, series or texts: no matrix beside them
            return replace(self, columns=columns, meaning=meaning)
        matrix = Column(ColumnKind.NUMERIC, packed=tuple(rest.features))
        return replace(self, columns={name: rest.matrix(), **columns}, meaning={name: matrix, **meaning})

    def only(self, kind: ColumnKind) -> np.ndarray:
        """Return the array of the one column of a kind.

        Raises:
            ValueError: there is none, or more than one.
        """
        found = self.names(kind)
        if len(found) != 1:
            raise ValueError(f"{len(found)} columns hold {kind.value}, expected one: {', '.join(found[:5])}")
        return self.columns[found[0]]

    def beside(self, other: Batch) -> Batch:
        """Return this batch packed, with the columns of `other` (the same rows) after its own."""
        matrix = Column(ColumnKind.NUMERIC, packed=(*self.features, *other.features))
        return replace(self, columns={"x": np.hstack([self.matrix(), other.matrix()])}, meaning={"x": matrix})

    @property
    def features(self) -> Sequence[Feature]:
        """One entry per column of `matrix()`, in order."""
        found: list[Feature] = []
        for name, column in self.meaning.items():
            if column.packed is not None:  # none of them where the matrix is of no columns
                found += column.packed
                continue
            width = self.columns[name].shape[1] if self.columns[name].ndim == 2 else 1
            names = column.features or ((name,) if width == 1 else tuple(f"{name} {index}" for index in range(width)))
            found += [Feature(feature, column.kind, column.num_levels) for feature in names]
        return found

    def matrix(self) -> np.ndarray:
        """Return the columns side by side: x_NF, float32 when every column is, else float64.

        Codes of categories become numbers; a batch with text or datetime columns has no matrix.
        """
        assert not self.pending, f"steps {[step.key for step in self.pending]} are still to be learned"
        rough = [name for name, column in self.meaning.items() if column.kind in ROUGH]
        assert not rough, f"columns {rough} must pass a step before they are numbers"
        arrays = [
            array if array.dtype == np.float32 or array.dtype == np.float64 else array.astype(np.float32)
            for array in self.columns.values()
        ]
        if not arrays:
            return np.zeros((len(self), 0), np.float32)
        if len(arrays) == 1 and arrays[0].ndim == 2:
            return arrays[0]
        return np.hstack([array if array.ndim == 2 else array[:, None] for array in arrays])


def from_matrix(x_NF: np.ndarray, y_N: np.ndarray | None = None, num_classes: int = 0) -> Batch:
    """Return a batch of one numeric matrix, with row ids 0, 1, 2, …

    Example:
        >>> from_matrix(np.eye(3)).matrix().shape
        (3, 3)
    """
    names = tuple(f"x{index}" for index in range(x_NF.shape[1]))
    return Batch(
        {"x": x_NF},
        {"x": Column(ColumnKind.NUMERIC, features=names)},
        np.arange(len(x_NF)),
        y_N,
        num_classes=num_classes,
    )
