"""The main job on a few series, end to end: framed, searched, combined, tested in rolling windows, forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import assay
from assay.errors import SpecFault
from assay.forecasting.requests import forecast, framing_of
from assay.vocabulary import Task
from assay.workflows.choices import algorithms_for
from assay.workflows.forecasts import check, forecasters


def settings(**changed: Any) -> dict[str, Any]:
    return {
        "experiment": "sales",
        "forecast": {"horizon": 5, "season": 7, "series": ["shop"], "known": ["holiday"], "gaps": "last"},
        "algorithms": ["ridge", "k_nearest_neighbours"],
        "split": {"folds": 3},
        "search": {"trials": 4},
        **changed,
    }


@pytest.fixture(scope="module")
def result(ray_cluster: None, make_sales: Any, tmp_path_factory: pytest.TempPathFactory) -> assay.Result:
    """A finished run; one day lacks."""
    table = make_sales(120).filter(pa.array(np.arange(240) != 50))
    data = {"train": table, "label": "sold", "time": "day"}
    return assay.Experiment(**settings(data=data)).run(storage=tmp_path_factory.mktemp("storage"))


@pytest.mark.cluster
def test_the_seasonal_naive_forecast_is_the_baseline_and_is_beaten(result: assay.Result) -> None:
    rows = {entry["name"]: entry for entry in result.json["leaderboard"]}
    assert rows["seasonal_naive"]["kind"] == "baseline"
    assert result.json["leaderboard"][0]["score"] < 0.8 * rows["seasonal_naive"]["score"]


@pytest.mark.cluster
def test_the_test_is_the_newest_share_of_time_in_windows(result: assay.Result) -> None:
    told = result.json
    assert told["test_rows"] == 2 * 24
    assert set(told["test"]) >= {"mase", "mae", "rmse"}
    assert told["test"]["mase"]["score"] < 1


@pytest.mark.cluster
def test_the_model_forecasts_each_series(result: assay.Result, coming: pa.Table) -> None:
    framing = framing_of(result.model.card)
    assert framing is not None
    said = forecast(framing, coming, result.model.predict)
    assert said.column("shop").to_pylist() == ["north"] * 5 + ["south"] * 5
    low, high = said.column("prediction").to_numpy()[[0, 5]]
    assert high == pytest.approx(2 * low, rel=0.3)


def test_auto_tries_the_algorithms_that_say_how_they_forecast() -> None:
    experiment = assay.Experiment(**settings(algorithms="auto", data={"train": "x", "label": "y", "time": "t"})).spec
    assert [part.name for part in algorithms_for(experiment, Task.REGRESSION)] == forecasters()
    assert {"lightgbm", "ridge"} <= set(forecasters())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"data": {"train": "sales.parquet", "label": "sold"}}, "needs a column of time"),
        ({"task": "binary"}, "is of numbers in a table"),
        ({"metric": "r2"}, "'r2' is not for forecasts"),
        ({"split": {"name": "by_time"}}, "of a forecast is rolling_origin"),
    ],
)
def test_what_does_not_fit_a_forecast_is_refused_by_its_key(changed: dict[str, Any], words: str) -> None:
    data = {"train": "sales.parquet", "label": "sold", "time": "day"}
    with pytest.raises(SpecFault, match=words):
        check(assay.Experiment(**settings(**{"data": data, **changed})).spec)
