"""Forecasts over HTTP and from the command line: history in, the next steps of each series out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.cli import main
from assay.engines import serving
from assay.forecasting.requests import forecast, framing_of
from assay.model import Model
from assay.store import artifact
from assay.store.pyfunc import _load_pyfunc
from assay.store.releases import Release

pytestmark = pytest.mark.cluster
KINDS = {"shop": "BYTES", "day": "BYTES", "holiday": "BOOL", "sold": "FP64"}


@pytest.fixture(scope="module")
def http(ray_cluster: None, folder: Path, free_port: int) -> Iterator[httpx.Client]:
    """A client of the model that forecasts, behind a real Ray Serve."""
    with (
        serving.start(Release.alone("sales", "1", folder), port=free_port) as server,
        httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def expected(model: Model, coming: pa.Table) -> pa.Table:
    """What the model says of the days to come, in this process."""
    framing = framing_of(model.card)
    assert framing is not None
    return forecast(framing, coming, model.predict)


def columns(table: pa.Table) -> dict[str, list[Any]]:
    """Return the rows as a client sends them: days as text, null for what is to come."""
    sent: dict[str, list[Any]] = table.to_pydict()
    sent["day"] = [day.isoformat() for day in sent["day"]]
    return sent


def tensors(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as tensors of the inference protocol."""
    return [
        {"name": name, "shape": [table.num_rows], "datatype": KINDS[name], "data": values}
        for name, values in columns(table).items()
    ]


def test_invocations_answer_a_record_for_each_series_and_step(
    http: httpx.Client, coming: pa.Table, expected: pa.Table
) -> None:
    answer = http.post("/invocations", json={"inputs": columns(coming)})
    said = answer.json()["predictions"]
    assert [(one["shop"], one["day"]) for one in said][4:6] == [("north", "2024-03-05"), ("south", "2024-03-01")]
    assert [one["prediction"] for one in said] == pytest.approx(expected.column("prediction").to_pylist())


def test_csv_is_answered_as_json_is(http: httpx.Client, coming: pa.Table) -> None:
    body = coming.to_pandas().to_csv(index=False)
    by_csv = http.post("/invocations", content=body, headers={"content-type": "text/csv"}).json()
    assert by_csv == http.post("/invocations", json={"inputs": columns(coming)}).json()


def test_the_inference_protocol_answers_series_time_and_prediction(
    http: httpx.Client, coming: pa.Table, expected: pa.Table
) -> None:
    answer = http.post("/v2/models/sales/infer", json={"inputs": tensors(coming)}).json()
    said = {tensor["name"]: tensor for tensor in answer["outputs"]}
    assert {name: tensor["datatype"] for name, tensor in said.items()} == {
        "shop": "BYTES",
        "day": "BYTES",
        "prediction": "FP64",
    }
    assert said["day"]["data"][:2] == ["2024-03-01", "2024-03-02"]
    assert said["prediction"]["data"] == pytest.approx(expected.column("prediction").to_pylist())


def test_metadata_tell_what_to_send(http: httpx.Client) -> None:
    about = http.get("/v2/models/sales").json()
    assert {tensor["name"]: tensor["datatype"] for tensor in about["inputs"]} == KINDS
    assert (about["parameters"]["task"], about["parameters"]["horizon"]) == ("forecast", 5)
    assert [tensor["name"] for tensor in http.get("/v2/models/sales/config").json()["output"]] == [
        "shop", "day", "prediction",
    ]  # fmt: skip


def test_a_gap_in_a_request_is_refused_by_series_and_time(http: httpx.Client, coming: pa.Table) -> None:
    holes = coming.filter(pa.array(np.arange(coming.num_rows) != 80))
    answer = http.post("/v2/models/sales/infer", json={"inputs": tensors(holes)})
    assert answer.status_code == 400
    assert "series 'south': lacks 1 times" in answer.json()["error"]


def test_a_request_without_its_label_column_is_refused_by_name(http: httpx.Client, coming: pa.Table) -> None:
    answer = http.post("/invocations", json={"inputs": columns(coming.drop_columns(["sold"]))})
    assert answer.status_code == 400
    assert "'sold'" in answer.json()["error"]


def test_a_short_history_is_refused_by_series(http: httpx.Client, coming: pa.Table) -> None:
    answer = http.post("/invocations", json={"inputs": columns(coming.slice(50, 15))})
    assert answer.status_code == 400
    assert "series 'north': has 10 values from 2024-02-20" in answer.json()["error"]


@pytest.fixture
def verb(ray_cluster: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a verb with --json and returns what it printed."""

    def run(*words: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, words), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert not ended.value.code, told.err
        return json.loads(told.out)

    return run


def test_the_command_line_writes_the_next_steps_of_each_series(
    verb: Any, folder: Path, coming: pa.Table, expected: pa.Table, tmp_path: Path
) -> None:
    pq.write_table(coming, tmp_path / "recent.parquet")
    told = verb("predict", folder, tmp_path / "recent.parquet", "--out", tmp_path / "said.parquet")
    assert told["rows"] == 10
    said = pq.read_table(tmp_path / "said.parquet")
    assert said.column_names == ["shop", "day", "prediction"]
    assert said.equals(expected)


def test_evaluate_judges_rolling_windows(verb: Any, folder: Path, make_sales: Any, tmp_path: Path) -> None:
    pq.write_table(make_sales(seed=1), tmp_path / "later.parquet")
    told = verb("evaluate", folder, tmp_path / "later.parquet")
    assert (told["metric"], told["rows"]) == ("mase", 2 * (90 - 14))
    assert 0 < told["scores"]["mase"]["score"] < 1


def test_mlflow_loads_what_forecasts(folder: Path, coming: pa.Table, expected: pa.Table) -> None:
    said = _load_pyfunc(str(folder)).predict(coming.to_pandas())
    assert said["prediction"].tolist() == pytest.approx(expected.column("prediction").to_pylist())


def test_what_is_loaded_says_what_was_packed(folder: Path, model: Model, coming: pa.Table, expected: pa.Table) -> None:
    loaded = artifact.load(folder)
    framing = framing_of(loaded.card)
    assert framing is not None
    assert framing == framing_of(model.card)
    assert forecast(framing, coming, loaded.predict).equals(expected)


def test_each_step_is_explained_by_known_columns_and_parts_of_the_past(
    http: httpx.Client, coming: pa.Table, expected: pa.Table
) -> None:
    body = {"inputs": columns(coming)}
    outputs = http.post("/v1/models/sales:predict", json=body).json()["outputs"]
    assert outputs["prediction"] == pytest.approx(expected.column("prediction").to_pylist())
    found = http.post("/v1/models/sales:explain", json=body).json()["explanations"]
    assert [(one["at"]["shop"], one["at"]["day"]) for one in found] == list(
        zip(outputs["shop"], outputs["day"], strict=True)
    )
    for one, prediction in zip(found, outputs["prediction"], strict=True):
        total = one["base"] + sum(part["contribution"] for part in one["contributions"])
        assert one["prediction"] == one["value"] == pytest.approx(prediction)
        assert total == pytest.approx(one["value"], abs=1e-9)
    names = {part["column"] for part in found[0]["contributions"]}
    assert names == {"shop", "day", "holiday", "sold (last values)", "sold (last seasons)", "sold (means)"}


def test_a_holiday_lowers_what_is_forecast(http: httpx.Client, coming: pa.Table) -> None:
    place = coming.column_names.index("holiday")
    holidays = coming.set_column(place, "holiday", pa.array([True] * coming.num_rows))
    found = http.post("/v1/models/sales:explain", json={"inputs": columns(holidays)}).json()["explanations"]
    parts = [{part["column"]: part for part in one["contributions"]}["holiday"] for one in found]
    assert all(part["value"] is True and part["contribution"] < -3 for part in parts)


def test_the_command_line_explains_the_steps_to_come(verb: Any, folder: Path, coming: pa.Table, tmp_path: Path) -> None:
    pq.write_table(coming, tmp_path / "recent.parquet")
    told = verb("explain", folder, tmp_path / "recent.parquet", "--rows", 2, "--out", tmp_path / "why.parquet")
    assert [one["at"]["day"] for one in told["explanations"]] == ["2024-03-01", "2024-03-02"]
    why = pq.read_table(tmp_path / "why.parquet")
    assert why.column_names[:3] == ["row", "shop", "day"]
    assert why.num_rows == 12
