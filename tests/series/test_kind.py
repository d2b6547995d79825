"""Series as files and requests bring them: what is bridged, what is cut, and what is refused by its row."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.batch import Batch
from assay.errors import DataFault, Fault
from assay.kinds import _ragged
from assay.profile import Profile
from assay.vocabulary import ColumnKind, Shelf, Task

KIND = catalog.make(Shelf.KINDS, "series")


def profile_of(table: pa.Table, label: str = "way") -> Profile:
    return KIND.profile(KIND.summarise(table, np.arange(table.num_rows), 0), label, None, {}, None)


def with_series(rows: pa.Table, place: int, series: Any) -> pa.Table:
    walks = rows.column("walk").to_pylist()
    walks[place] = series
    return rows.set_column(0, "walk", pa.array(walks))


def read(table: pa.Table, profile: Profile) -> Batch:
    return KIND.to_batch(table, profile, np.arange(100, 100 + table.num_rows))


def test_rows_of_lists_are_claimed_and_plain_tables_are_not(rows: pa.Table) -> None:
    assert KIND.claims(rows, "way")
    assert not KIND.claims(pa.table({"x": [1, 2], "way": ["a", "b"]}), "way")


def test_steps_after_the_end_are_nan_and_none_before(rows: pa.Table) -> None:
    x_NTC = read(rows, profile_of(rows)).columns["walk"]
    lengths = [len(walk) for walk in rows.column("walk").to_pylist()]
    assert x_NTC.shape == (40, max(lengths), 2)
    assert (~np.isnan(x_NTC[:, :, 0])).sum(axis=1).tolist() == lengths


def test_fixed_windows_are_read_as_lists_are(rows: pa.Table) -> None:
    flat = np.arange(40 * 6, dtype=np.float32)
    window = pa.FixedSizeListArray.from_arrays(pa.array(flat), 6)
    table = pa.table({"walk": window, "way": rows.column("way")})
    np.testing.assert_array_equal(read(table, profile_of(table)).columns["walk"][:, :, 0], flat.reshape(40, 6))


def test_a_gap_inside_is_bridged_by_a_straight_line(rows: pa.Table) -> None:
    table = with_series(rows, 3, [[1.0, 5.0], [None, math.nan], [3.0, 9.0]])
    assert read(table, profile_of(table)).columns["walk"][3, :3].tolist() == [[1.0, 5.0], [2.0, 7.0], [3.0, 9.0]]


def test_padding_at_the_end_is_no_part_of_a_series(rows: pa.Table) -> None:
    table = with_series(rows, 3, [[1.0, 5.0], [2.0, 6.0], [math.nan, math.nan]])
    x_TC = read(table, profile_of(table)).columns["walk"][3]
    assert np.isnan(x_TC[2:]).all()


@pytest.mark.parametrize("series", [None, [], [[1.0, 2.0]], [[math.nan, math.nan]]])
def test_a_series_of_no_or_one_step_is_refused_by_its_row(rows: pa.Table, series: Any) -> None:
    with pytest.raises(DataFault, match=r"column 'walk'.*fewer than 2 steps \(first: row 107\)"):
        read(with_series(rows, 7, series), profile_of(rows))
    with pytest.raises(DataFault, match=r"fewer than 2 steps \(first: row 7\)"):
        profile_of(with_series(rows, 7, series))


def test_an_infinite_number_is_refused_by_its_row(rows: pa.Table) -> None:
    table = with_series(rows, 9, [[1.0, math.inf], [1.0, 2.0]])
    with pytest.raises(DataFault, match=r"hold infinite numbers \(first: row 109\)"):
        read(table, profile_of(rows))
    assert np.flatnonzero(KIND.wordless(table, "way", {})).tolist() == [9]


def test_another_number_of_channels_is_refused(rows: pa.Table) -> None:
    with pytest.raises(DataFault, match="found 3 channels, expected 2"):
        read(pa.table({"walk": [[[1.0, 2.0, 3.0]] * 4]}), profile_of(rows))
    with pytest.raises(DataFault, match=r"steps have 1 to 2 channels \(first change: row 2\)"):
        profile_of(with_series(rows, 2, [[1.0], [2.0]]))


def test_the_few_far_longer_series_are_cut(rows: pa.Table) -> None:
    many = pa.table({"walk": [[1.0, 2.0, 3.0]] * 999 + [[1.0] * 500], "way": ["a", "b"] * 500})
    assert profile_of(many).column("walk").shape == (3, 1)


def test_series_as_json_text_are_read_as_lists_are(rows: pa.Table) -> None:
    texts = pa.table({"walk": [json.dumps(walk) for walk in rows.column("walk").to_pylist()]})
    profile = profile_of(rows)
    np.testing.assert_array_equal(read(texts, profile).columns["walk"], read(rows, profile).columns["walk"])
    with pytest.raises(DataFault, match=r"'\[1, 2' in row 101, expected a list of numbers as JSON"):
        read(pa.table({"walk": ["[[1, 2], [3, 4]]", "[1, 2"]}), profile)


def test_numbers_beside_a_series_are_read_too_and_two_series_are_not(rows: pa.Table) -> None:
    table = rows.append_column("size", pa.array(np.random.default_rng(0).normal(size=40)))
    assert read(table, profile_of(table)).meaning["size"].kind is ColumnKind.NUMERIC
    with pytest.raises(DataFault, match="2 hold series"):
        profile_of(table.append_column("again", table.column("walk")))


def test_a_number_can_be_predicted_from_series(rows: pa.Table) -> None:
    table = rows.set_column(1, "way", pa.array(np.linspace(0, 1, 40)))
    assert profile_of(table).label.task is Task.REGRESSION


def test_a_series_as_text_nested_a_thousand_lists_deep_is_named_and_not_a_crash() -> None:
    text = pa.chunked_array([["[" * 5_000 + "1" + "]" * 5_000]])
    found = _ragged.read(text, "walk", np.arange(1))
    assert isinstance(found, Fault)
    assert "expected a list of numbers" in found.found
