"""Times as people have them: business days, weeks of any day, month ends, zones, fractions; answered as they came."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay.errors import DataFault
from assay.forecasting.framing import Framing
from assay.notices import listening
from assay.spec import ForecastSpec


def rows(day: Any, num: int | None = None) -> pa.Table:
    """Return one series of numbers at some times."""
    column = day if isinstance(day, pa.Array) else pa.array(day)
    count = len(column) if num is None else num
    return pa.table({"day": column, "sold": 50 + np.arange(count) % 7 + 0.1 * np.arange(count)})


def framing(table: pa.Table, **told: Any) -> Framing:
    """Return the framing of a table for three steps ahead."""
    return Framing.learn(table, ForecastSpec(**{"horizon": 3, **told}), "sold", "day", scaled=True)


def coming(table: pa.Table, **told: Any) -> list[Any]:
    """Return the times that a forecast of a table names."""
    learned = framing(table, **told)
    framed = learned.future(table)
    return learned.answer(framed, np.zeros(len(framed.step_N))).column("day").to_pylist()


def texts(begin: str, periods: int, freq: str, form: str) -> pa.Array:
    """Return times as text."""
    return pa.array(pd.date_range(begin, periods=periods, freq=freq).strftime(form).tolist())


def test_business_days_go_on_after_the_weekend() -> None:
    days = pd.bdate_range("2023-01-02", "2023-06-30")
    assert coming(rows(pa.array(days.date))) == [date(2023, 7, 3), date(2023, 7, 4), date(2023, 7, 5)]


def test_days_off_are_told_from_the_rows() -> None:
    days = [day.date() for day in pd.date_range("2024-01-01", "2024-03-31") if day.weekday() not in (4, 5)]
    assert coming(rows(pa.array(days))) == [date(2024, 4, 1), date(2024, 4, 2), date(2024, 4, 3)]
    assert framing(rows(pa.array(days))).past.season == 5


def test_a_holiday_is_a_gap_of_business_days_that_is_never_scored() -> None:
    days = [day.date() for day in pd.bdate_range("2023-01-02", "2023-06-30") if day.date() != date(2023, 5, 1)]
    table = rows(pa.array(days))
    with pytest.raises(DataFault, match=r"lacks 1 times at steps of 1 day \(Mon, Tue, Wed, Thu, Fri\)"):
        framing(table)
    learned = framing(table, gaps="last")
    judged = learned.judged(table)
    told = learned.clock.column(judged.origin_N + judged.step_N).to_pylist()
    assert date(2023, 4, 28) in told
    assert date(2023, 5, 1) not in told
    assert learned.to_learn(table).filled_N.any()


def test_weeks_of_several_series_may_begin_on_different_days() -> None:
    weeks = [pd.date_range(begin, periods=60, freq="7D").date for begin in ("2021-01-03", "2021-01-04")]
    table = pa.table(
        {"shop": ["a"] * 60 + ["b"] * 60, "day": np.concatenate(weeks).tolist(), "sold": np.arange(120.0) % 11}
    )
    assert coming(table, series=["shop"], season=4)[::3] == [date(2022, 2, 27), date(2022, 2, 28)]


def test_a_row_beside_the_steps_of_its_series_is_named() -> None:
    days = [*pd.date_range("2021-01-03", periods=60, freq="7D").date]
    days[30] = date(2021, 8, 2)
    with pytest.raises(DataFault, match=r"1 of 60 rows fall between steps of 7 days \(first: 2021-08-02 in row 30\)"):
        framing(rows(pa.array(days)))


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("MS", [date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)]),
        ("ME", [date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 29)]),
        ("BME", [date(2023, 12, 29), date(2024, 1, 31), date(2024, 2, 29)]),
        ("BMS", [date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)]),
        ("QE", [date(2033, 9, 30), date(2033, 12, 31), date(2034, 3, 31)]),
    ],
)
def test_months_are_named_by_the_day_that_names_them(freq: str, expected: list[date]) -> None:
    days = pd.date_range("2021-01-01" if freq in ("MS", "BMS") else "2020-12-31", periods=60, freq=freq).date
    days = days[:36] if freq != "QE" else days[:51]
    assert coming(rows(pa.array(days)), season=4) == expected


def test_the_thirtieth_of_each_month_is_the_last_of_february() -> None:
    days = [date(2021 + month // 12, month % 12 + 1, 28 if month % 12 == 1 else 30) for month in range(26)]
    days[1], days[13] = date(2021, 2, 28), date(2022, 2, 28)
    assert coming(rows(pa.array(days)), season=4)[-1] == date(2023, 5, 30)


@pytest.mark.parametrize(
    ("form", "freq", "expected"),
    [
        ("%Y-%m-%d", "D", "2024-05-30"),
        ("%Y-%m-%dT%H:%M:%S", "h", "2024-05-22T16:00:00"),
        ("%Y-%m-%dT%H:%M:%SZ", "h", "2024-05-22T16:00:00Z"),
        ("%Y-%m-%d %H:%M", "15min", "2024-05-20 16:00"),
        ("%Y-%m-%d %H:%M:%S+0200", "h", "2024-05-22 16:00:00+0200"),
        ("%d.%m.%Y", "D", "30.05.2024"),
        ("%d/%m/%Y %H:%M", "h", "22/05/2024 16:00"),
        ("%Y/%m/%d", "D", "2024/05/30"),
        ("%d-%b-%Y", "D", "30-May-2024"),
        ("%Y-%m", "MS", "2029-09"),
    ],
)
def test_text_comes_back_as_it_was_written(form: str, freq: str, expected: str) -> None:
    begin = {"D": "2024-03-27", "MS": "2024-05-01"}.get(freq, "2024-05-20")
    table = rows(texts(begin, 64, freq, form))
    assert coming(table, season=4)[0] == expected


def test_a_model_answers_in_the_form_of_the_request() -> None:
    trained = rows(pa.array(pd.date_range("2024-01-01", periods=60).date))
    learned = framing(trained)
    asked = rows(texts("2024-02-01", 30, "D", "%Y-%m-%d"))
    framed = learned.future(asked)
    assert learned.answer(framed, np.zeros(3)).column("day").to_pylist()[0] == "2024-03-02"


def test_years_and_months_alone_may_have_few_digits() -> None:
    months = [f"{year}-{month:02}" for year in (1, 2, 3) for month in range(1, 13)]
    assert coming(rows(pa.array(months)), season=4) == ["4-01", "4-02", "4-03"]


def test_days_and_months_that_cannot_be_told_apart_are_asked_for() -> None:
    table = rows(texts("2024-01-01", 36, "MS", "%d/%m/%Y"))
    with pytest.raises(DataFault, match=r"%d/%m/%Y or %m/%d/%Y.*columns: \{day: \{date_format"):
        framing(table, season=4)
    spec = ForecastSpec(horizon=3, season=4)
    learned = Framing.learn(table, spec, "sold", "day", scaled=True, date_format="%d/%m/%Y")
    framed = learned.future(table)
    assert learned.answer(framed, np.zeros(3)).column("day").to_pylist()[1] == "01/02/2027"


@pytest.mark.parametrize(("digits", "step"), [(1, 100_000), (3, 1_000), (6, 1)])
def test_fractions_of_seconds_come_back_with_their_digits(digits: int, step: int) -> None:
    begin = np.datetime64("2024-05-01T00:00:00.000000")
    times = [str(begin + np.timedelta64(place * step, "us"))[: 20 + digits].replace("T", " ") for place in range(60)]
    expected = str(begin + np.timedelta64(60 * step, "us"))[: 20 + digits].replace("T", " ")
    assert coming(rows(pa.array(times)), season=4)[0] == expected


def test_days_of_a_zone_are_days_of_its_wall_clock() -> None:
    days = pd.date_range("2024-03-01", periods=240, freq="D", tz="Europe/Berlin").to_list()
    expected = [datetime(2024, 10, day, tzinfo=ZoneInfo("Europe/Berlin")) for day in (27, 28, 29)]
    assert coming(rows(pa.array(days))) == expected
    assert expected[0].utcoffset() != expected[1].utcoffset()


def test_hours_of_a_zone_go_on_through_the_night_in_which_clocks_change() -> None:
    hours = pd.date_range("2024-03-20", "2024-03-31 01:00", freq="h", tz="Europe/Berlin")
    told = coming(rows(hours.to_list()))
    assert [time.hour for time in told] == [3, 4, 5]
    assert [time.utcoffset().seconds for time in told] == [7200] * 3


def test_hours_with_offsets_in_text_go_on_with_the_newest_offset() -> None:
    hours = pd.date_range("2024-03-20", "2024-04-03 23:00", freq="h", tz="Europe/Berlin")
    table = rows(pa.array([hour.isoformat(" ") for hour in hours]))
    assert coming(table)[:2] == ["2024-04-04 00:00:00+02:00", "2024-04-04 01:00:00+02:00"]


def test_days_with_offsets_in_text_are_days_of_the_wall_clock() -> None:
    days = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Berlin")
    table = rows(pa.array([day.isoformat() for day in days]))
    assert coming(table)[0] == "2024-04-30T00:00:00+02:00"


def test_a_request_in_another_zone_is_answered_in_its_own() -> None:
    days = pd.date_range("2024-03-01", periods=60, freq="D", tz="Europe/Berlin")
    learned = framing(rows(days.to_list()))
    asked = rows(days.tz_convert("UTC").to_list())
    framed = learned.future(asked)
    assert learned.answer(framed, np.zeros(3)).column("day").to_pylist()[0] == datetime(
        2024, 4, 29, 22, tzinfo=ZoneInfo("UTC")
    )


def test_demand_on_few_days_is_filled_with_nothing_from_day_to_day() -> None:
    draw = np.random.default_rng(0)
    days = [day.date() for day in pd.date_range("2024-01-01", periods=300) if draw.random() < 0.3]
    table = rows(pa.array(days))
    with pytest.raises(DataFault, match=r"no step is usual.*forecast: \{step: 1 day\}.*gaps: zero"):
        framing(table)
    learned = framing(table, gaps="zero")
    assert learned.clock.said == "1 day"
    assert learned.judged(table).filled_N.sum() == 0


def test_a_usual_gap_of_two_days_hides_no_single_days() -> None:
    days = [
        day.date() for place, day in enumerate(pd.date_range("2024-01-01", periods=300)) if place % 2 or place > 270
    ]
    assert framing(rows(pa.array(days)), gaps="last").clock.said == "1 day"


def test_a_step_may_be_told() -> None:
    days = pd.date_range("2024-01-01", periods=80, freq="2D").date
    assert framing(rows(pa.array(days)), step="1 day", gaps="zero").clock.said == "1 day"
    assert framing(rows(pa.array(np.arange(0, 160, 2))), step=1, gaps="zero").clock.said == "1 count"
    with pytest.raises(DataFault, match=r"holds dates, but `forecast.step` is 2"):
        framing(rows(pa.array(days)), step=2)


@pytest.mark.parametrize("step", ["a day", "0 days", "1 fortnight", "1.5 hours", "2 business days"])
def test_a_step_that_is_none_is_refused(step: str) -> None:
    with pytest.raises(ValueError, match="no step of time"):
        ForecastSpec(horizon=3, step=step)


def test_a_usual_season_that_series_cannot_hold_gives_way_to_a_shorter_one_with_a_word() -> None:
    weeks = pd.date_range("2022-01-03", periods=90, freq="7D").date
    heard: list[str] = []
    with listening(heard.append):
        assert framing(rows(pa.array(weeks))).past.season == 13
    assert heard == ["forecast.season: 13 and not 52, the usual one of weeks: the series has 90 values, 110 are needed"]
    with pytest.raises(DataFault, match=r"has 90 values from 2022-01-03 on .*more than 104 are needed"):
        framing(rows(pa.array(weeks)), season=52).to_learn(rows(pa.array(weeks)))


def test_a_horizon_that_the_history_cannot_judge_says_how_long_one_may_be() -> None:
    days = pd.date_range("2024-01-01", periods=48).date
    with pytest.raises(DataFault, match=r"45 steps of 1 day are too many for 48 training rows.*at most 20"):
        framing(rows(pa.array(days)), horizon=45)
