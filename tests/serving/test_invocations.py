"""MLflow's scoring protocol, on a real model, without Ray."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from assay.decision import Decision, Temperature
from assay.model import Model
from assay.store import artifact

DATATYPES = {"age": "FP64", "city": "BYTES", "member": "BOOL", "joined": "BYTES", "note": "BYTES"}
JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}


def refused(answer: httpx.Response, *words: str) -> None:
    assert answer.status_code == 400, answer.text
    assert [word for word in words if word not in answer.json()["error"]] == []


@pytest.mark.parametrize("form", ["split", "records", "instances", "rows", "inputs", "inputs_records", "inputs_rows"])
def test_every_form_gives_the_same_answer(mixed: Any, row: dict[str, Any], form: str) -> None:
    young = {**row, "age": 20}
    names, data = list(row), [list(row.values()), list(young.values())]
    body = {
        "split": {"dataframe_split": {"columns": names, "index": [5, 6], "data": data}},
        "records": {"dataframe_records": [row, young]},
        "instances": {"instances": [row, young]},
        "rows": {"instances": data},
        "inputs": {"inputs": {name: [row[name], young[name]] for name in names}, "params": {}},
        "inputs_records": {"inputs": [row, young]},
        "inputs_rows": {"inputs": data},
    }[form]
    answer = mixed.post("/invocations", json=body).json()
    assert [record["prediction"] for record in answer["predictions"]] == ["over", "under"]


def test_an_answer_is_a_record_per_row_with_a_probability_per_class(mixed: Any, row: dict[str, Any]) -> None:
    record = mixed.post("/invocations", json={"dataframe_records": [row]}).json()["predictions"][0]
    assert record == {"prediction": "over", "probability_over": 1.0, "probability_under": 0.0}


def test_regression_answers_with_numbers(number: Any) -> None:
    record = number.post("/invocations", json={"inputs": {"x0": [1.0], "x1": [0.0]}}).json()["predictions"][0]
    assert list(record) == ["prediction"]
    assert record["prediction"] > 0


def test_mlflow_reads_the_answer_as_a_data_frame(mixed: Any, row: dict[str, Any]) -> None:
    from mlflow.deployments import PredictionsResponse

    answer = mixed.post("/invocations", json={"dataframe_records": [row]})
    frame = PredictionsResponse.from_json(answer.text).get_predictions()
    assert list(frame.columns) == ["prediction", "probability_over", "probability_under"]


def test_the_order_of_columns_and_unknown_ones_do_not_matter(mixed: Any, row: dict[str, Any]) -> None:
    shuffled = {"extra": {"deep": [1]}, "answer": "no such class", **dict(reversed(row.items()))}
    answer = mixed.post("/invocations", json={"dataframe_records": [shuffled]})
    assert answer.json()["predictions"][0]["prediction"] == "over"


def test_a_key_left_out_of_a_record_is_a_missing_value(mixed: Any, row: dict[str, Any]) -> None:
    short = {name: value for name, value in row.items() if name != "city"}
    answer = mixed.post("/invocations", json={"dataframe_records": [row, short]})
    assert len(answer.json()["predictions"]) == 2


def test_csv_is_read_with_empty_fields_as_missing(mixed: Any) -> None:
    text = "age,city,member,joined,note\n61,Rome,true,2024-05-17,good red car\n20,,,,\n"
    answer = mixed.post("/invocations", content=text, headers={"content-type": "text/csv; charset=utf-8"})
    assert [record["prediction"] for record in answer.json()["predictions"]] == ["over", "under"]


def test_csv_with_text_for_a_number_is_refused_with_the_first_such_row(mixed: Any) -> None:
    text = "age,city,member,joined,note\n61,Rome,true,2024-05-17,x\nold,Rome,true,2024-05-17,x\n"
    refused(mixed.post("/invocations", content=text, headers=CSV), "'age'", "text", "numbers", "'old' in row 1")


@pytest.mark.parametrize("text", ["", "age,age\n1,2\n", "age,city\n1\n"])
def test_broken_csv_is_refused(mixed: Any, text: str) -> None:
    refused(mixed.post("/invocations", content=text, headers=CSV), "CSV")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("old", ["text 'old' in row 0", "expected numbers"]),
        (True, ["true/false", "expected numbers"]),
        ([61], ["list", "expected numbers"]),
        ({"a": 1}, ["struct", "expected numbers"]),
    ],
)
def test_a_wrong_type_is_refused_with_column_found_and_expected(
    mixed: Any, row: dict[str, Any], value: Any, words: list[str]
) -> None:
    refused(mixed.post("/invocations", json={"dataframe_records": [{**row, "age": value}]}), "'age'", *words)


def test_a_mixture_of_types_is_refused_with_the_first_row_that_does_not_fit(mixed: Any, row: dict[str, Any]) -> None:
    answer = mixed.post("/invocations", json={"dataframe_records": [row, {**row, "age": "old"}]})
    refused(answer, "'age'", "text 'old' in row 1", "expected numbers")


@pytest.mark.parametrize("age", ["61", " +61.0 ", "6.1e1"])
def test_a_number_in_quotes_is_that_number(mixed: Any, row: dict[str, Any], age: str) -> None:
    records = [{**row, "age": 20}, {**row, "age": age}]
    answer = mixed.post("/invocations", json={"dataframe_records": records}).json()
    assert [record["prediction"] for record in answer["predictions"]] == ["under", "over"]


@pytest.mark.parametrize("word", ["NA", "?", "n.a.", "null", "-", " "])
def test_a_word_for_missing_among_numbers_dates_and_flags_is_a_missing_value(
    mixed: Any, row: dict[str, Any], word: str
) -> None:
    records = [{**row, name: value} for value in (None, word) for name in ("age", "member", "joined")]
    said = mixed.post("/invocations", json={"dataframe_records": records}).json()["predictions"]
    assert said[:3] == said[3:]


def test_a_large_csv_may_hold_line_breaks_in_quotes(mixed: Any) -> None:
    lines = "".join(f'{20 + row % 40},"Ro\nme",true,2024-05-17,good red car\n' for row in range(40_000))
    answer = mixed.post("/invocations", content="age,city,member,joined,note\n" + lines, headers=CSV)
    assert len(answer.json()["predictions"]) == 40_000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, ["nothing", "exactly one of"]),
        ({"dataframe_records": [], "inputs": {}}, ["'dataframe_records', 'inputs'", "exactly one of"]),
        ({"rows": []}, ["'rows'", "exactly one of"]),
        ([1], ["list"]),
        ({"dataframe_records": []}, ["no rows"]),
        ({"dataframe_records": {"age": 1}}, ["dataframe_records", "list of objects"]),
        ({"dataframe_split": {"data": [[1]]}}, ["dataframe_split", "`columns`"]),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, ["more than once"]),
        ({"dataframe_split": {"columns": ["age"], "data": [[1], [1, 2]]}}, ["row 1", "2 values", "1 columns"]),
        ({"inputs": {"age": [1, 2], "city": ["Rome"]}}, ["'age' 2", "'city' 1"]),
        ({"instances": [[1, 2], [1]]}, ["different lengths"]),
        ({"instances": [[1, 2]]}, ["2 values", "age, city, member, joined, note"]),
        ({"instances": [1, 2]}, ["instances", "list of rows"]),
    ],
)
def test_a_body_that_fits_no_form_is_refused(mixed: Any, body: Any, words: list[str]) -> None:
    refused(mixed.post("/invocations", json=body), *words)


def test_broken_json_is_400_with_the_place(mixed: Any) -> None:
    refused(mixed.post("/invocations", content=b'{"inputs": ', headers=JSON), "line 1")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1"])
def test_another_content_type_is_415(mixed: Any, kind: str) -> None:
    answer = mixed.post("/invocations", content=b"{}", headers={"content-type": kind})
    assert answer.status_code == 415
    assert "text/csv" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_mlflow_finds_its_health_routes(mixed: Any, path: str) -> None:
    assert mixed.get(path).status_code == 200


def test_a_calibrated_model_with_a_threshold_answers_over_both_protocols_as_in_a_file(
    mixed_model: Model, tmp_path: Path, open_app: Any, row: dict[str, Any]
) -> None:
    """`over` is the probable class of the row, and not probable enough."""
    calibration = Temperature(slope=0.2, bias=(0.0, 0.0), floor=1e-6)
    strict = replace(mixed_model, calibration=calibration, decision=Decision(weights=(0.01, 0.99)))
    artifact.pack(tmp_path / "model", strict)
    (expected,) = strict.answer_table(pa.Table.from_pylist([row])).to_pylist()
    app = open_app(tmp_path / "model")
    (record,) = app.post("/invocations", json={"dataframe_records": [row]}).json()["predictions"]
    assert record == expected
    assert (record["prediction"], record["probability_over"] > 0.5) == ("under", True)
    output = {tensor["name"]: tensor["data"] for tensor in infer(app, row)}
    assert output["prediction"] == ["under"]
    assert output["probability"] == [expected["probability_over"], expected["probability_under"]]


def infer(app: Any, row: dict[str, Any]) -> Any:
    inputs = [{"name": name, "shape": [1], "datatype": DATATYPES[name], "data": [value]} for name, value in row.items()]
    return app.post("/v2/models/m/infer", json={"inputs": inputs}).json()["outputs"]


@pytest.mark.parametrize("num_rows", [1, 2])
def test_a_missing_value_may_be_nan_in_any_column_as_pandas_writes_it(
    mixed: Any, row: dict[str, Any], num_rows: int
) -> None:
    rows = [dict.fromkeys(row, float("nan")), row][:num_rows]
    body = json.dumps({"dataframe_records": rows})
    answer = mixed.post("/invocations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    without = mixed.post("/invocations", json={"dataframe_records": [dict.fromkeys(row), row][:num_rows]})
    assert answer.json() == without.json()


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/csv; header=present", "utf-8"),
        ("Text/CSV; charset=ISO-8859-1", "latin-1"),
        ('text/csv; a=b; charset="utf-16"', "utf-16"),
    ],
)
def test_csv_may_come_with_parameters_and_in_another_charset(mixed: Any, content_type: str, charset: str) -> None:
    body = "age,city,member,joined,note\n61,Rome,true,2024-05-17,déjà vu\n"
    answer = mixed.post("/invocations", content=body.encode(charset), headers={"content-type": content_type})
    assert answer.status_code == 200, answer.text
