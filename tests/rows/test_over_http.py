"""A request with one bad row fails, leaves it out, or answers null for it, over every protocol and for every kind."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import bad_inputs
import httpx
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

from assay_serving.app import create_app
from assay_serving.desk import Desk
from assay_serving.settings import Plan

KINDS = ("table", "image", "text", "series", "forecast")


@pytest.fixture(scope="session")
def ask(models: dict[str, Path]) -> Any:
    """Asks the model of a kind."""
    runner, apps = asyncio.Runner(), {}
    for kind, folder in models.items():
        desk = Desk()
        runner.run(desk.switch(Plan.alone("m", "1", str(folder))))
        transport = httpx.ASGITransport(create_app(desk), raise_app_exceptions=False)
        apps[kind] = httpx.AsyncClient(transport=transport, base_url="http://here")

    def asked(kind: str, path: str, on_error: str, **sent: Any) -> httpx.Response:
        if "json" in sent:  # httpx refuses what is infinite
            sent = {"content": json.dumps(sent["json"]), "headers": {"content-type": "application/json"}}
        params = {"on_error": on_error} if on_error else {}
        return runner.run(apps[kind].post(path, params=params, **sent))

    return asked


def records(kind: str) -> list[dict[str, Any]]:
    """Return the rows of a kind as JSON holds them."""
    found = [{name: plain(value) for name, value in row.items()} for row in getattr(bad_inputs, kind)().to_pylist()]
    return [{"said": 7 if row["said"] is None else row["said"]} for row in found] if kind == "text" else found


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value


def answered(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", ["/invocations", "/v1/models/m:predict"])
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_word_a_bad_row_fails_the_request(ask: Any, kind: str, path: str) -> None:
    for on_error in ("", "fail"):
        assert ask(kind, path, on_error, json={"instances": records(kind)}).status_code == 400


@pytest.mark.parametrize("path", ["/invocations", "/v1/models/m:predict"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "forecast"])
def test_a_bad_row_is_left_out_or_null_and_named(ask: Any, kind: str, path: str) -> None:
    sent = {"instances": records(kind)}
    left_out, null = (answered(ask(kind, path, on_error, json=sent)) for on_error in ("skip", "null"))
    (bad,) = left_out["errors"]
    assert null["errors"] == left_out["errors"]
    assert len(left_out["predictions"]) == len(sent["instances"]) - 1
    assert set(null["predictions"].pop(bad["row"]).values()) == {None}
    assert null["predictions"] == left_out["predictions"]
    good = [row for place, row in enumerate(sent["instances"]) if place != bad["row"]]
    alone = answered(ask(kind, path, "", json={"instances": good}))
    assert "errors" not in alone
    assert [one["prediction"] for one in alone["predictions"]] == [one["prediction"] for one in null["predictions"]]


@pytest.mark.parametrize("on_error", ["skip", "null"])
def test_a_bad_series_of_a_forecast_is_left_out_or_null_whole(ask: Any, on_error: str) -> None:
    found = answered(ask("forecast", "/invocations", on_error, json={"dataframe_records": records("forecast")}))
    assert len(found["errors"]) == 1
    series = bad_inputs.forecast().column_names[0]
    nulls = [one for one in found["predictions"] if one["prediction"] is None]
    assert len(nulls) == (on_error == "null")
    assert all(one[series] is not None for one in found["predictions"])
    assert len(found["predictions"]) > len(nulls)


@pytest.mark.parametrize("on_error", ["skip", "null"])
def test_rows_of_csv_are_left_out_or_null(ask: Any, on_error: str) -> None:
    sink = pa.BufferOutputStream()
    pacsv.write_csv(bad_inputs.table(), sink)
    body, num_rows = sink.getvalue().to_pybytes(), bad_inputs.table().num_rows
    found = answered(ask("table", "/invocations", on_error, content=body, headers={"content-type": "text/csv"}))
    assert len(found["errors"]) == 1
    assert len(found["predictions"]) == num_rows - (on_error == "skip")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("on_error", ["skip", "null"])
def test_rows_of_tensors_are_left_out_or_null(ask: Any, on_error: str, binary: bool) -> None:
    table = bad_inputs.table()
    inputs = []
    for name in table.column_names:
        data = table.column(name).to_pylist()
        datatype = "BOOL" if isinstance(data[0], bool) else "BYTES"
        inputs.append({"name": name, "shape": [len(data)], "datatype": datatype, "data": data})
    sent = {"inputs": inputs, "parameters": {"binary_data_output": binary}}
    answer = ask("table", "/v2/models/m/infer", on_error, json=sent)
    assert answer.status_code == 200, answer.text
    if binary:
        assert answer.headers["content-type"] == "application/octet-stream"
        return
    found = answer.json()
    bad = found["errors"][0]["row"]
    num_rows = table.num_rows - (on_error == "skip")
    assert all(tensor["shape"][0] == num_rows for tensor in found["outputs"])
    assert (found["outputs"][0]["data"][bad] is None) == (on_error == "null")


def test_a_missing_column_is_refused_whatever_is_asked_for(ask: Any) -> None:
    sent = {"instances": [{}]}
    assert ask("table", "/invocations", "skip", json=sent).status_code == 400


def test_a_request_without_a_row_that_can_be_read_is_refused(ask: Any) -> None:
    rows = records("table")
    bad = answered(ask("table", "/invocations", "skip", json={"instances": rows}))["errors"][0]["row"]
    assert ask("table", "/invocations", "skip", json={"instances": [rows[bad]] * 2}).status_code == 400


def test_an_unknown_word_is_refused(ask: Any) -> None:
    answer = ask("table", "/invocations", "ignore", json={"instances": records("table")})
    assert answer.status_code == 400
    assert "on_error: found 'ignore', expected one of fail, skip, null" in answer.json()["error"]
