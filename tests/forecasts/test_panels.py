"""Panels as people have them: ids that look alike, series that never move, values that lack, few values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay import catalog
from assay.engines.folds import divide
from assay.errors import DataFault
from assay.forecasting.framing import Framing
from assay.forecasting.series import series_codes
from assay.spec import ForecastSpec
from assay.vocabulary import Shelf


def panel(num_days: int = 60, **values: Any) -> pa.Table:
    """Return one series for each name, of daily values."""
    days = pd.date_range("2024-01-01", periods=num_days).date.tolist()
    parts = [pa.table({"shop": [name] * num_days, "day": days, "sold": value}) for name, value in values.items()]
    return pa.concat_tables(parts).combine_chunks()


def learn(table: pa.Table, **told: Any) -> Framing:
    """Return the framing of a panel."""
    scaled = told.pop("scaled", True)
    spec = ForecastSpec(**{"horizon": 3, "series": ["shop"], **told})
    return Framing.learn(table, spec, "sold", "day", scaled=scaled)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("EU", "tea / mint"), ("EU / tea", "mint")),
        (("a /", "b"), ("a", "/ b")),
        (("a", ""), ("", "a")),
        (("a//b", "c"), ("a/", "/b / c")),
    ],
)
def test_series_are_told_apart_by_their_values_and_not_by_their_joined_text(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    table = pa.table({"region": [one[0], other[0], one[0]], "product": [one[1], other[1], one[1]]})
    code_N, names = series_codes(table, ["region", "product"])
    assert code_N.tolist() == [0, 1, 0]
    assert len(set(names)) == 2


@pytest.mark.parametrize("scaled", [True, False])
def test_a_series_that_never_moved_is_forecast_by_what_it_always_was(scaled: bool) -> None:
    draw = np.random.default_rng(0)
    table = panel(zero=np.zeros(60), five=np.full(60, 5.0), large=3000 + 500 * draw.normal(size=60))
    learned = learn(table, scaled=scaled)
    framed = learned.future(table)
    told = learned.answer(framed, np.full(9, 3.0)).column("prediction").to_numpy()
    np.testing.assert_allclose(told[:6], [0, 0, 0, 5, 5, 5], atol=0.01)
    assert abs(told[6:]).min() > 100


def test_a_series_that_begins_to_move_after_the_training_is_measured_by_its_history() -> None:
    draw = np.random.default_rng(0)
    moving = 50 + draw.normal(size=60)
    learned = learn(panel(shop=np.zeros(60), other=moving))
    framed = learned.future(panel(shop=moving, other=moving))
    assert framed.unit_N[0] == pytest.approx(framed.unit_N[3], rel=0.01)


@pytest.mark.parametrize(("gaps", "value"), [("zero", 0.0), ("last", 51.0)])
def test_a_value_that_lacks_is_filled_in_as_a_time_that_lacks_is_and_not_scored(gaps: str, value: float) -> None:
    sold_N = 50 + np.arange(60.0) % 7
    sold_N[30] = np.nan
    table = panel(shop=sold_N)
    table = table.set_column(2, "sold", pa.array(sold_N, from_pandas=True))
    learned = learn(table, gaps=gaps)
    made = learned.repaired(table)
    assert made.table.column("sold")[30].as_py() == value
    judged = learned.judged(table)
    assert 30 not in judged.row_N
    assert len(judged.row_N) == 60 - learned.past.fewest - 1


def test_with_the_last_value_a_series_begins_at_its_first_value() -> None:
    sold_N = 50 + np.arange(60.0) % 7
    sold_N[:4] = np.nan
    table = panel(shop=sold_N).set_column(2, "sold", pa.array(sold_N, from_pandas=True))
    assert learn(table, gaps="last").repaired(table).table.num_rows == 56


@pytest.mark.parametrize(("twice", "value"), [("sum", 4.0), ("mean", 4.0), ("last", 4.0)])
def test_of_two_rows_of_one_time_a_missing_value_counts_for_nothing(twice: str, value: float) -> None:
    table = panel(shop=np.arange(60.0))
    again = pa.table(
        {"shop": ["shop"], "day": table.column("day").slice(4, 1).to_pylist(), "sold": pa.array([None], pa.float64())}
    )
    table = pa.concat_tables([table, again]).combine_chunks()
    assert learn(table, twice=twice).repaired(table).table.column("sold")[4].as_py() == value


def test_a_column_known_in_advance_that_lacks_where_it_never_did_is_named_with_series_time_and_row() -> None:
    table = panel(63, shop=50 + np.arange(63.0) % 7).append_column("promo", pa.array(np.arange(63) % 3 == 0))
    learned = learn(table, known=["promo"])
    sold = pa.array([*range(60), None, None, None], pa.float64())
    promo = pa.array([True] * 61 + [None, True])
    asked = table.set_column(2, "sold", sold).set_column(3, "promo", promo)
    with pytest.raises(DataFault, match=r"series 'shop': has no 'promo' in 1 rows .*2024-03-02 in row 61"):
        learned.future(asked)


def test_a_column_known_in_advance_may_lack_where_it_did_in_training() -> None:
    holiday = pa.array([None if day % 9 else "feast" for day in range(63)])
    table = panel(63, shop=50 + np.arange(63.0) % 7).append_column("holiday", holiday)
    learned = learn(table, known=["holiday"])
    asked = table.set_column(2, "sold", pa.array([*range(60), None, None, None], pa.float64()))
    assert learned.future(asked).table.num_rows == 3


def test_a_short_panel_is_judged_on_one_fold() -> None:
    table = panel(20, a=50 + np.arange(20.0) % 3, b=20 + np.arange(20.0) % 5)
    framed = learn(table, season=1, horizon=5).to_learn(table)
    split = catalog.make(Shelf.SPLITS, "rolling_origin", {"horizon": 5})
    folds = divide(split, np.arange(len(framed.origin_N)), framed.origin_N, 1, 1, seed=0)
    assert folds.held_N(0).any()
    assert folds.learning_N(0).any()
    target_N = framed.origin_N + framed.step_N
    assert target_N[folds.learning_N(0)].max() <= framed.origin_N[folds.held_N(0)].min()
