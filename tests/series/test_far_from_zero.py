"""Channels far from zero, such as coordinates or seconds since 1970, are centred before they become float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.profile import Profile
from assay.spec import SeriesSpec
from assay.vocabulary import Shelf
from assay.workflows.long_series import joined

KIND = catalog.make(Shelf.KINDS, "series")
DRAW = np.random.default_rng(0)


def profiled(value_NTC: np.ndarray) -> tuple[Profile, pa.Table]:
    """Return the profile of series and their table."""
    rows = pa.table({"walk": value_NTC.tolist(), "y": ["a", "b"] * (len(value_NTC) // 2)})
    return KIND.profile(KIND.summarise(rows, np.arange(len(value_NTC)), 0), "y", None, {}, None), rows


@pytest.mark.parametrize("offset", [5_411_234.0, 1.7e9, -3e7])
def test_small_moves_far_from_zero_are_seen(offset: float) -> None:
    move_NTC = DRAW.normal(0, 0.2, (20, 30, 2))
    profile, rows = profiled(move_NTC + np.array([offset, 0.0]))
    seen_NTC = KIND.to_batch(rows, profile).columns["walk"]
    expected_NTC = move_NTC - [move_NTC[:, :, 0].mean(), 0.0]
    np.testing.assert_allclose(seen_NTC, expected_NTC, atol=1e-5)
    assert profile.column("walk").note == ""


def test_ordinary_channels_are_as_they_were() -> None:
    value_NTC = DRAW.normal(3, 2, (20, 30, 2))
    profile, rows = profiled(value_NTC)
    assert profile.column("walk").centres == ()
    np.testing.assert_array_equal(KIND.to_batch(rows, profile).columns["walk"], value_NTC.astype(np.float32))


def test_moves_that_float32_cannot_hold_even_so_are_told_of() -> None:
    start_N = DRAW.uniform(0, 1e9, 20)
    profile, _ = profiled((start_N[:, None] + 0.01 * np.arange(30))[:, :, None])
    assert "channel 0 moves by 0.01 on average" in profile.column("walk").note


def test_a_request_of_such_series_holds_all_digits() -> None:
    profile, rows = profiled(DRAW.normal(0, 0.2, (20, 30, 2)) + np.array([5_411_234.0, 0.0]))
    sent = pa.Table.from_pylist(KIND.as_request(rows.slice(0, 2), profile))
    again: Any = KIND.to_batch(sent, profile).columns["walk"]
    np.testing.assert_array_equal(again, KIND.to_batch(rows.slice(0, 2), profile).columns["walk"])


def test_series_of_a_long_table_keep_their_digits() -> None:
    value_S = 1.7e9 + DRAW.normal(0, 0.2, 60)
    table = pa.table({"id": np.repeat(np.arange(6), 10), "x": value_S, "y": np.repeat([*"ababab"], 10)})
    found = joined(table, SeriesSpec(id="id", channels=["x"]), "y").table.column("series")
    assert found[0].as_py()[3] == [value_S[3]]
