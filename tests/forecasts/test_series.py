"""Series as they come: gaps, doubles, any order, too short; each is named by series and time, or made good as asked."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay import catalog
from assay.errors import DataFault
from assay.forecasting.clock import Clock
from assay.forecasting.repair import repaired
from assay.forecasting.requests import forecast, framing_of, wanted
from assay.forecasting.written import DAY_US, ISO, Written
from assay.model import Model
from assay.vocabulary import Shelf
from assay.workflows.forecasts import recent_of


def without(table: pa.Table, *rows: int) -> pa.Table:
    """Return the table without some rows."""
    return table.filter(pa.array(~np.isin(np.arange(table.num_rows), rows)))


def test_a_gap_is_named_by_series_and_time(make_sales: Any, learn: Any) -> None:
    with pytest.raises(DataFault, match=r"series 'south': lacks 2 times .*between 2024-01-10 in row.*and 2024-01-13"):
        learn(without(make_sales(), 100, 101))


def test_a_time_that_is_there_twice_is_named_by_series_and_time(make_sales: Any, learn: Any) -> None:
    table = make_sales()
    with pytest.raises(DataFault, match=r"series 'north': has 2024-01-03 twice \(rows 2 and 180\)"):
        learn(pa.concat_tables([table, table.slice(2, 1)]))


def test_a_value_that_lacks_is_named_by_series_and_time(make_sales: Any, learn: Any, revalue: Any) -> None:
    value_N = make_sales().column("sold").to_numpy().copy()
    value_N[95] = np.nan
    with pytest.raises(DataFault, match=r"series 'south': has no value in 1 rows.*2024-01-06 in row 95"):
        learn(revalue(make_sales(), value_N))


def test_every_series_at_fault_is_named_at_once(make_sales: Any, learn: Any) -> None:
    with pytest.raises(DataFault, match=r"(?s)'north': lacks 1 .*'south': lacks 1 "):
        learn(without(make_sales(), 5, 120))


def test_rows_may_come_in_any_order(make_sales: Any, learn: Any) -> None:
    table = make_sales()
    order_N = np.random.default_rng(3).permutation(table.num_rows)
    framed, turned = (learn(rows).to_learn(rows) for rows in (table, table.take(pa.array(order_N))))
    told = [one.table.append_column("origin", pa.array(one.origin_N)) for one in (framed, turned)]
    keys = [(name, "ascending") for name in ("shop", "origin", "step")]
    one, other = (found.sort_by(keys).to_pandas() for found in told)
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_series_that_is_too_short_is_named(make_sales: Any, learn: Any) -> None:
    table = without(make_sales(), *range(95, 180))
    with pytest.raises(DataFault, match=r"series 'south': has 5 values from 2024-01-01 on .*short: skip"):
        learn(table).to_learn(table)


def test_a_series_that_is_too_short_is_left_out_when_asked(make_sales: Any, learn: Any) -> None:
    table = without(make_sales(), *range(95, 180))
    framed = learn(table, short="skip").to_learn(table)
    assert set(framed.table.column("shop").to_pylist()) == {"north"}


def test_series_that_are_all_too_short_are_refused_even_so(make_sales: Any, learn: Any) -> None:
    table = make_sales(10)
    with pytest.raises(DataFault, match="'north': has 10 values"):
        learn(table, short="skip").to_learn(table)


@pytest.mark.parametrize(("gaps", "value"), [("zero", [0.0, 0.0]), ("last", [7.0, 7.0])])
def test_gaps_are_filled_with_nothing_or_the_value_before(
    make_sales: Any, learn: Any, revalue: Any, gaps: str, value: list[float]
) -> None:
    value_N = make_sales().column("sold").to_numpy().copy()
    value_N[99] = 7.0
    table = without(revalue(make_sales(), value_N), 100, 101)
    rows = learn(table, gaps=gaps).repaired(table)
    made = rows.table
    assert made.slice(100, 2).column("sold").to_pylist() == value
    assert made.slice(100, 2).column("day").to_pylist() == [date(2024, 1, 11), date(2024, 1, 12)]
    assert np.flatnonzero(rows.filled_N).tolist() == [100, 101]
    assert rows.source_N[98:103].tolist() == [98, 99, 99, 99, 100]


@pytest.mark.parametrize(("twice", "value"), [("sum", 12.0), ("mean", 6.0), ("last", 2.0)])
def test_doubles_are_joined_as_asked(make_sales: Any, learn: Any, revalue: Any, twice: str, value: float) -> None:
    value_N = np.append(make_sales().column("sold").to_numpy(), 2.0)
    value_N[2] = 10.0
    table = revalue(pa.concat_tables([make_sales(), make_sales().slice(2, 1)]).combine_chunks(), value_N)
    made = learn(table, twice=twice).repaired(table).table
    assert made.num_rows == 180
    assert made.column("sold")[2].as_py() == value


def test_windows_are_judged_after_training_rows_alone(make_sales: Any, learn: Any) -> None:
    mask_N = np.zeros(180, bool)
    mask_N[:20] = True
    with pytest.raises(DataFault, match="series 'north': has test rows before training rows"):
        learn(make_sales()).windows(make_sales(), mask_N)


def test_rows_to_come_beyond_the_horizon_are_refused(model: Any, learn: Any, make_sales: Any, revalue: Any) -> None:
    value_N = make_sales().column("sold").to_numpy().copy()
    value_N[80:90] = np.nan
    with pytest.raises(DataFault, match="series 'north': has 10 rows without a label at its end, the horizon is 5"):
        learn(make_sales()).future(revalue(make_sales(), value_N))


def test_columns_known_in_advance_must_be_told(make_sales: Any, learn: Any) -> None:
    with pytest.raises(DataFault, match="series 'north': has no row after its last value to read holiday from"):
        learn(make_sales()).future(make_sales())


def test_without_columns_known_in_advance_history_is_enough(make_sales: Any, learn: Any) -> None:
    framing = learn(make_sales(), known=[])
    framed = framing.future(make_sales())
    told = framing.answer(framed, np.zeros(10))
    assert told.column("day").to_pylist()[:2] == [date(2024, 3, 31), date(2024, 4, 1)]
    assert told.column("shop").to_pylist() == ["north"] * 5 + ["south"] * 5


def test_the_example_of_a_run_is_a_history_that_a_forecast_can_be_made_of(model: Model, make_sales: Any) -> None:
    framing = framing_of(model.card)
    assert framing is not None
    recent = recent_of(framing, make_sales(), seed=0)
    sent = catalog.make(Shelf.KINDS, "tabular").as_request(recent, wanted(framing, model.profile))
    table = pa.Table.from_pylist(json.loads(json.dumps(sent, allow_nan=False)))
    told = forecast(framing, table, model.predict)
    assert told.num_rows == framing.past.horizon
    assert set(told.column("shop").to_pylist()) < {"north", "south"}
    asked = [row["day"] for row in sent if row["sold"] is None]
    assert told.column("day").to_pylist() == asked


@pytest.mark.parametrize("day", ["0000-01-05", "9999-12-31"])
def test_times_that_python_has_no_years_for_are_refused(day: str) -> None:
    clock = Clock("us", DAY_US, 0, written=Written("text", ISO))
    with pytest.raises(DataFault, match=r"too far off.*row 0"):
        clock.index(pa.chunked_array([[day]]), "column 'day'")


def test_two_times_thousands_of_years_apart_are_not_filled_in() -> None:
    table = pa.table({"day": ["0002-01-01", "8000-01-01"], "sold": [1.0, 2.0]})
    clock = Clock("us", DAY_US, 0, written=Written("text", ISO))
    with pytest.raises(DataFault, match=r"lack 2,9\d\d,\d\d\d times"):
        repaired(table, [], "day", "sold", clock, gaps="zero", twice="error")
