"""Batches: what a choice of features keeps."""

from __future__ import annotations

import numpy as np
import pytest

from assay.batch import Batch, Column
from assay.vocabulary import ColumnKind


def batch() -> Batch:
    """Return a category, and three numbers in one array."""
    columns = {"town": np.array([0, 2], np.int32), "x": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])}
    number = Column(ColumnKind.NUMERIC, features=("a", "b", "c"))
    return Batch(columns, {"town": Column(ColumnKind.CATEGORY, 3), "x": number}, np.arange(2), np.array([0, 1]))


@pytest.mark.parametrize("index_f", [[0], [1, 3], [0, 2], [0, 1, 2, 3]])
def test_chosen_features_are_columns_of_the_matrix_packed_or_not(index_f: list[int]) -> None:
    for whole in (batch(), batch().packed()):
        kept = whole.of_features(index_f)
        np.testing.assert_array_equal(kept.matrix(), whole.matrix()[:, index_f])
        assert list(kept.features) == [whole.features[index] for index in index_f]
        assert kept.matrix().flags.c_contiguous


def test_a_feature_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        batch().of_features([1, 4])
