"""Summaries of blocks merge, in any grouping, to the summary of all rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import catalog
from assay.profile import SAMPLE_SIZE, ColumnSummary, Moments
from assay.vocabulary import Shelf

numbers = st.lists(st.floats(-1e6, 1e6), max_size=30)
cells = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6)), max_size=40),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32)), max_size=40),
    st.lists(
        st.one_of(st.none(), st.sampled_from(["1", "x", "yes", "2024-02-29", "two words", " ", "inf"])), max_size=40
    ),
    st.lists(st.one_of(st.none(), st.booleans()), max_size=40),
)


def summarise(values: list[object], first_row: int = 0, type_: pa.DataType | None = None) -> ColumnSummary:
    table = pa.table({"x": pa.array(values, type_)})
    row_N = np.arange(first_row, first_row + len(values))
    return catalog.make(Shelf.KINDS, "tabular").summarise(table, row_N, 5)["x"]


def in_turn(blocks: list[ColumnSummary]) -> ColumnSummary:
    return reduce(ColumnSummary.merge, blocks)


def as_a_tree(blocks: list[ColumnSummary]) -> ColumnSummary:
    if len(blocks) == 1:
        return blocks[0]
    half = len(blocks) // 2
    return as_a_tree(blocks[:half]).merge(as_a_tree(blocks[half:]))


@given(left=numbers, right=numbers)
def test_moments_of_two_sets_are_those_of_all_numbers(left: list[float], right: list[float]) -> None:
    merged = Moments.of(np.array(left)).merge(Moments.of(np.array(right)))
    whole = Moments.of(np.array(left + right))
    assert (merged.count, merged.low, merged.high) == (whole.count, whole.low, whole.high)
    assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert merged.std == pytest.approx(whole.std, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("grouping", [in_turn, as_a_tree])
@given(values=cells, cuts=st.sets(st.integers(0, 40), max_size=5))
def test_a_summary_is_the_same_however_the_rows_were_cut(
    grouping: Callable[[list[ColumnSummary]], ColumnSummary], values: list[object], cuts: set[int]
) -> None:
    type_ = pa.array(values).type
    edges = [0, *sorted(cut for cut in cuts if cut <= len(values)), len(values)]
    blocks = [summarise(values[first:last], first, type_) for first, last in pairwise(edges)]
    found, whole = grouping(blocks), summarise(values)
    for name in ColumnSummary.__dataclass_fields__:
        if name != "moments":
            np.testing.assert_equal(getattr(found, name), getattr(whole, name), err_msg=name)
    assert found.moments.std == pytest.approx(whole.moments.std, rel=1e-9, abs=1e-6)


def test_distinct_values_are_counted_exactly_when_few_and_to_a_few_percent_when_many() -> None:
    assert summarise([row % 100 for row in range(5_000)]).num_distinct == 100
    blocks = [summarise(list(range(first, first + 20_000)), first) for first in (0, 20_000, 40_000)]
    assert in_turn(blocks).num_distinct == pytest.approx(60_000, rel=0.06)


def test_the_sample_is_a_uniform_one_of_all_rows() -> None:
    blocks = [summarise(list(range(first, first + 20_000)), first) for first in (0, 20_000, 40_000)]
    sample = [value for _, value in in_turn(blocks).sample]
    assert len(sample) == SAMPLE_SIZE
    assert np.mean(sample) == pytest.approx(30_000, rel=0.05)


def test_numbers_that_grow_over_blocks_are_seen_to_grow() -> None:
    assert summarise([1, 2]).merge(summarise([3, 4], 2)).increasing
    assert not summarise([1, 2]).merge(summarise([2, 3], 2)).increasing
    assert not summarise([1, 2]).merge(summarise([None], 2)).merge(summarise([0], 3)).increasing


def test_the_first_broken_row_is_told_by_its_id() -> None:
    merged = summarise([1.0, 2.0]).merge(summarise([None, float("inf")], 2)).merge(summarise([float("-inf")], 4))
    assert (merged.first_missing_row, merged.first_infinite_row, merged.num_infinite) == (2, 3, 2)
