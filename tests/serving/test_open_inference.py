"""The Open Inference Protocol in JSON, on a real model, without Ray."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from assay_serving.settings import Plan

DATATYPES = {"age": "FP64", "city": "BYTES", "member": "BOOL", "joined": "BYTES", "note": "BYTES"}


def tensors(row: dict[str, Any], **changed: dict[str, Any]) -> list[dict[str, Any]]:
    """One tensor of one row per column; `changed` replaces parts of the tensor of a column."""
    return [
        {"name": name, "shape": [1], "datatype": DATATYPES[name], "data": [value], **changed.get(name, {})}
        for name, value in row.items()
    ]


def infer(app: Any, inputs: list[dict[str, Any]], **rest: Any) -> httpx.Response:
    return app.post("/v2/models/m/infer", json={"inputs": inputs, **rest})


def outputs(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {tensor["name"]: tensor for tensor in answer.json()["outputs"]}


def refused(answer: httpx.Response, *words: str) -> None:
    assert answer.status_code == 400, answer.text
    assert [word for word in words if word not in answer.json()["error"]] == []


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata_names_the_server_and_only_what_it_can_do(mixed: Any, path: str) -> None:
    answer = mixed.get(path).json()
    assert answer["name"] == "assay"
    assert "binary_tensor_data" in answer["extensions"]


def test_health_says_live_and_ready(mixed: Any) -> None:
    assert mixed.get("/v2/health/live").json() == {"live": True}
    assert mixed.get("/v2/health/ready").json() == {"ready": True, "live": True}


@pytest.mark.parametrize("place", ["/v2/models/m", "/v2/models/m/versions/1"])
def test_a_model_is_found_with_and_without_its_version(mixed: Any, place: str) -> None:
    assert mixed.get(f"{place}/ready").json() == {"name": "m", "ready": True}
    assert mixed.get(place).json()["versions"] == ["1"]
    assert mixed.get(f"{place}/config").json()["input"][1] == {"name": "city", "data_type": "TYPE_STRING", "dims": [1]}


def test_model_metadata_tells_columns_outputs_and_the_order_of_classes(mixed: Any) -> None:
    answer = mixed.get("/v2/models/m").json()
    assert {tensor["name"]: tensor["datatype"] for tensor in answer["inputs"]} == DATATYPES
    assert answer["outputs"][1] == {"name": "probability", "datatype": "FP64", "shape": [-1, 2]}
    assert answer["parameters"]["classes"] == ["over", "under"]


def test_probabilities_come_in_the_order_of_classes(mixed: Any, row: dict[str, Any]) -> None:
    found = outputs(infer(mixed, tensors(row)))
    assert found["prediction"]["data"] == ["over"]
    assert found["probability"]["shape"] == [1, 2]
    assert found["probability"]["data"] == pytest.approx([1.0, 0.0])


def test_an_answer_repeats_the_id_and_names_model_and_version(mixed: Any, row: dict[str, Any]) -> None:
    answer = infer(mixed, tensors(row), id="call-7").json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("call-7", "m", "1")


def test_only_the_outputs_asked_for_are_sent(mixed: Any, row: dict[str, Any]) -> None:
    assert list(outputs(infer(mixed, tensors(row), outputs=[{"name": "probability"}]))) == ["probability"]


def test_an_unknown_output_is_refused_by_name(mixed: Any, row: dict[str, Any]) -> None:
    refused(infer(mixed, tensors(row), outputs=[{"name": "probabilty"}]), "probabilty", "did you mean 'probability'")


@pytest.mark.parametrize("shape_and_data", [([2], [61, 20]), ([2, 1], [61, 20]), ([2, 1], [[61], [20]])])
def test_a_column_may_be_flat_or_nested(mixed: Any, row: dict[str, Any], shape_and_data: Any) -> None:
    shape, data = shape_and_data
    two = [{**tensor, "shape": [2], "data": tensor["data"] * 2} for tensor in tensors(row)]
    two[0] |= {"shape": shape, "data": data}
    assert outputs(infer(mixed, two))["prediction"]["data"] == ["over", "under"]


@pytest.mark.parametrize("name", list(DATATYPES))
def test_null_is_a_missing_value_in_every_column(mixed: Any, row: dict[str, Any], name: str) -> None:
    assert outputs(infer(mixed, tensors({**row, name: None})))["prediction"]["shape"] == [1]


def test_not_a_number_is_a_missing_number(mixed: Any, row: dict[str, Any]) -> None:
    body = {"inputs": tensors({**row, "age": "AGE"})}
    content = httpx.Request("POST", "http://here", json=body).content.replace(b'"AGE"', b"NaN")
    sent = outputs(mixed.post("/v2/models/m/infer", content=content))
    assert sent["probability"] == outputs(infer(mixed, tensors({**row, "age": None})))["probability"]


def test_a_category_never_seen_in_training_is_answered(mixed: Any, row: dict[str, Any]) -> None:
    assert outputs(infer(mixed, tensors({**row, "city": "Atlantis"})))["prediction"]["data"] == ["over"]


@pytest.mark.parametrize("datatype", ["INT8", "INT64", "UINT16", "FP32"])
def test_any_numeric_datatype_will_do_for_a_number(mixed: Any, row: dict[str, Any], datatype: str) -> None:
    assert outputs(infer(mixed, tensors(row, age={"datatype": datatype})))["prediction"]["data"] == ["over"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"age": {"datatype": "BYTES", "data": ["old"]}}, ["'age'", "text 'old'", "expected numbers"]),
        ({"age": {"data": ["old"]}}, ["'age'", "text 'old'", "FP64", "expected numbers"]),
        ({"age": {"datatype": "INT8", "data": [300]}}, ["'age'", "does not fit", "INT8"]),
        ({"age": {"data": [10**400]}}, ["'age'", "too large", "expected numbers"]),
        ({"member": {"datatype": "BYTES", "data": ["perhaps"]}}, ["'member'", "text", "expected true/false"]),
        ({"joined": {"datatype": "BYTES", "data": ["soon"]}}, ["'joined'", "'soon'", "expected dates"]),
        ({"note": {"datatype": "FP64", "data": [1.5]}}, ["'note'", "numbers", "expected text"]),
        ({"city": {"data": [["Rome"]], "shape": [1]}}, ["'city'"]),
    ],
)
def test_a_wrong_type_is_refused_with_column_found_and_expected(
    mixed: Any, row: dict[str, Any], changed: Any, words: list[str]
) -> None:
    refused(infer(mixed, tensors(row, **changed)), *words)


def test_every_wrong_column_is_named_at_once(mixed: Any, row: dict[str, Any]) -> None:
    sent = [tensor for tensor in tensors({**row, "joined": "soon"}) if tensor["name"] != "age"]
    refused(infer(mixed, sent[1:]), "'age'", "is missing", "'city'")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"age": {"shape": [2]}}, ["'age'", "2 elements", "holds 1"]),
        ({"city": {"shape": [2], "data": ["Rome", "Oslo"]}}, ["'city'", "[2]", "expected [1]"]),
        ({"age": {"shape": [1, 1], "data": [[61, 62]]}}, ["'age'", "1 lists of 1"]),
        ({"age": {"shape": [-1]}}, ["inputs.0.shape"]),
        ({"age": {"datatype": "FLOAT"}}, ["inputs.0.datatype"]),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(mixed: Any, row: dict[str, Any], changed: Any, words: list[str]) -> None:
    refused(infer(mixed, tensors(row, **changed)), *words)


def test_one_name_for_two_tensors_is_refused(mixed: Any, row: dict[str, Any]) -> None:
    refused(infer(mixed, [*tensors(row), tensors(row)[0]]), "'age'", "more than one")


@pytest.mark.parametrize("data", [[1.0, 0.0, -1.0, 0.0], [[1.0, 0.0], [-1.0, 0.0]]])
def test_numeric_columns_may_come_as_one_matrix(number: Any, data: list[Any]) -> None:
    matrix = {"name": "x", "shape": [2, 2], "datatype": "FP64", "data": data}
    low, high = sorted(outputs(infer(number, [matrix]))["prediction"]["data"])
    assert low < 0 < high


def test_a_matrix_of_another_width_is_refused_with_the_columns_it_needs(number: Any) -> None:
    matrix = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}
    refused(infer(number, [matrix]), "3 values", "x0, x1")


def test_a_matrix_is_refused_by_a_model_that_reads_text(mixed: Any) -> None:
    matrix = {"name": "x", "shape": [1, 5], "datatype": "FP64", "data": [1, 2, 3, 4, 5]}
    refused(infer(mixed, [matrix]), "'city'", "one tensor per column")


def test_regression_has_a_number_and_no_probabilities(number: Any) -> None:
    found = outputs(infer(number, [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 1]}]))
    assert list(found) == ["prediction"]
    assert found["prediction"]["datatype"] == "FP64"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b'{"inputs": []}', b"[" * 100_000])
def test_a_body_that_is_no_request_is_refused(mixed: Any, body: bytes) -> None:
    refused(mixed.post("/v2/models/m/infer", content=body))


@pytest.mark.parametrize(
    ("path", "word"), [("/v2/models/other", "'other'"), ("/v2/models/m/versions/9/ready", "'9'"), ("/v3", "/v3")]
)
def test_what_is_not_there_is_404_in_json(mixed: Any, path: str, word: str) -> None:
    answer = mixed.get(path)
    assert answer.status_code == 404
    assert word in answer.json()["error"]


def test_statistics_count_requests_and_rows(open_app: Any, folders: Any, row: dict[str, Any]) -> None:
    app = open_app(folders["mixed"])
    infer(app, [{**tensor, "shape": [3], "data": tensor["data"] * 3} for tensor in tensors(row)])
    found = app.get("/v2/models/m/stats").json()["model_stats"][0]
    assert (found["inference_count"], found["execution_count"]) == (3, 1)


def test_the_repository_lists_the_model_and_leaves_loading_to_the_operator(mixed: Any) -> None:
    assert mixed.post("/v2/repository/index").json() == [{"name": "m", "version": "1", "state": "READY", "reason": ""}]
    assert mixed.post("/v2/repository/models/m/unload").status_code == 403


def test_a_model_named_stats_has_its_metadata_beside_the_statistics_of_all(open_app: Any, folders: Any) -> None:
    app = open_app(folders["mixed"])
    app.runner.run(app.desk.switch(Plan.alone("stats", "1", str(folders["mixed"]))))
    found = app.get("/v2/models/stats").json()
    assert found["name"] == "stats"
    assert found["parameters"]["release"] == {"champion": "1"}
    assert [one["name"] for one in found["model_stats"]] == ["stats"]
    assert app.get("/v2/models/stats/ready").json() == {"name": "stats", "ready": True}
