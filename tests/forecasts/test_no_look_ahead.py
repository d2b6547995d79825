"""The past alone makes a forecast: whatever happens after an origin, its features and its forecast do not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay import catalog
from assay.forecasting.requests import forecast, framing_of
from assay.model import Model
from assay.vocabulary import Shelf

NUM_DAYS = 90


def day_N(table: pa.Table) -> np.ndarray:
    """Return the place of each row's day in its series."""
    return np.tile(np.arange(NUM_DAYS), table.num_rows // NUM_DAYS)


def other_after(table: pa.Table, day: int, revalue: Any) -> pa.Table:
    """Return the table with entirely other sales after a day."""
    value_N = table.column("sold").to_numpy().copy()
    later_N = day_N(table) > day
    value_N[later_N] = 1e6 * np.random.default_rng(9).normal(size=later_N.sum())
    return revalue(table, value_N)


@pytest.mark.parametrize("origin", [20, 47, 80, 88])
def test_features_of_an_origin_do_not_change_with_what_comes_after_it(
    make_sales: Any, learn: Any, revalue: Any, origin: int
) -> None:
    table = make_sales(NUM_DAYS)
    framing = learn(table)
    one, other = framing.to_learn(table), framing.to_learn(other_after(table, origin, revalue))
    known_N = one.origin_N - framing.clock.index(table.column("day"), "day")[0].min() <= origin
    assert known_N.any()
    features, others = (found.table.drop_columns(["sold"]).to_pandas()[known_N] for found in (one, other))
    pd.testing.assert_frame_equal(features, others, check_exact=True)
    assert (one.level_N[known_N] == other.level_N[known_N]).all()


@pytest.mark.parametrize("origin", [54, 64, 79])
def test_forecasts_of_an_origin_do_not_change_with_what_comes_after_it(
    make_sales: Any, model: Model, revalue: Any, origin: int
) -> None:
    table, framing = make_sales(NUM_DAYS), framing_of(model.card)
    assert framing is not None
    said = []
    for rows in (table, other_after(table, origin, revalue)):
        framed = framing.judged(rows)
        prediction_N = model.predict(framed.table.drop_columns(["sold"]))[:, 0]
        said.append(framed.natural(prediction_N)[framed.origin_N - framed.origin_N.min() <= origin - 14])
    assert len(said[0])
    np.testing.assert_array_equal(*said)


def test_a_forecast_is_that_of_the_rolling_window_that_begins_there(
    make_sales: Any, model: Model, revalue: Any
) -> None:
    table, framing = make_sales(NUM_DAYS), framing_of(model.card)
    assert framing is not None
    framed = framing.judged(table)
    last_N = framed.origin_N == framed.origin_N.max()
    rolled_N = framed.natural(model.predict(framed.table.drop_columns(["sold"]))[:, 0])[last_N]
    value_N = table.column("sold").to_numpy().copy()
    value_N[framed.row_N[last_N]] = np.nan
    told = forecast(framing, revalue(table, value_N), model.predict)
    np.testing.assert_allclose(told.column("prediction").to_numpy(), rolled_N, rtol=1e-6)


def test_no_fold_learns_from_a_target_after_the_first_origin_that_judges_it(make_sales: Any, learn: Any) -> None:
    framing = learn(make_sales(NUM_DAYS))
    framed = framing.to_learn(make_sales(NUM_DAYS))
    split = catalog.make(Shelf.SPLITS, "rolling_origin", {"horizon": framing.past.horizon})
    fold_N = split.folds(np.arange(len(framed.origin_N)), framed.origin_N, 4, seed=0)
    for fold in range(4):
        learns_N, held_N = split.train_rows(fold_N, fold), fold_N == fold
        assert (framed.origin_N + framed.step_N)[learns_N].max() <= framed.origin_N[held_N].min()


@pytest.mark.parametrize("gaps", ["zero", "last"])
def test_repairs_do_not_change_with_what_comes_after_them(make_sales: Any, learn: Any, revalue: Any, gaps: str) -> None:
    table = make_sales(NUM_DAYS)
    holes = table.filter(pa.array(~np.isin(day_N(table), [30, 31, 60])))
    framing = learn(table, gaps=gaps)
    value_N = holes.column("sold").to_numpy().copy()
    value_N[framing.clock.index(holes.column("day"), "day")[0] > 40] = 0.5
    one, other = framing.repaired(holes).table, framing.repaired(revalue(holes, value_N)).table
    early = pa.array(framing.clock.index(one.column("day"), "day")[0] <= 40)
    assert one.num_rows == table.num_rows
    assert one.filter(early).equals(other.filter(early))
