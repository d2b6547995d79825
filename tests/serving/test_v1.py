"""The V1 protocol: what TensorFlow Serving's and KServe's clients send and read, and explanations of rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from assay_serving import explaining, settings
from assay_serving.settings import ModelPlan, Plan, VersionRef

Json = dict[str, Any]


def adds_up(explanation: Json) -> bool:
    total = explanation["base"] + sum(part["contribution"] for part in explanation["contributions"])
    return bool(total == pytest.approx(explanation["value"], abs=1e-9))


def explained(answer: httpx.Response) -> list[Json]:
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["explanations"]
    return found


def test_predict_answers_as_invocations_do(mixed: Any, row: Json) -> None:
    body = {"instances": [row, {**row, "age": None}]}
    answer = mixed.post("/v1/models/m:predict", json=body)
    assert answer.json() == mixed.post("/invocations", json=body).json()
    assert answer.headers["x-assay-version"] == "1"


def test_columns_are_answered_by_columns(mixed: Any, row: Json) -> None:
    columns = {name: [value, value] for name, value in row.items()}
    answer = mixed.post("/v1/models/m:predict", json={"signature_name": "serving_default", "inputs": columns})
    outputs = answer.json()["outputs"]
    assert outputs["prediction"] == ["over", "over"]
    assert set(outputs) == {"prediction", "probability_over", "probability_under"}


def test_a_version_is_asked_by_its_number(mixed: Any, row: Json) -> None:
    body = {"instances": [row]}
    for verb in ("predict", "explain"):
        assert mixed.post(f"/v1/models/m/versions/1:{verb}", json=body).status_code == 200
        assert mixed.post(f"/v1/models/m/versions/7:{verb}", json=body).status_code == 404
        assert mixed.post(f"/v1/models/n:{verb}", json=body).status_code == 404


def test_models_say_that_they_are_ready(mixed: Any) -> None:
    assert mixed.get("/v1/models").json() == {"models": ["m"]}
    about = mixed.get("/v1/models/m").json()
    assert (about["name"], about["ready"]) == ("m", True)
    assert about["model_version_status"][0]["state"] == "AVAILABLE"
    assert mixed.get("/v1/models/m/versions/1").json()["ready"]
    assert mixed.get("/v1/models/n").status_code == 404


@pytest.mark.parametrize("verb", ["predict", "explain"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": []}, "no rows"),
        ({"dataframe_records": []}, "expected exactly one of instances, inputs"),
        ([1], "expected an object"),
        ({"instances": [{"age": "old"}]}, "column 'city': is missing"),
    ],
)
def test_what_is_no_request_is_refused_in_words(mixed: Any, verb: str, body: Any, words: str) -> None:
    answer = mixed.post(f"/v1/models/m:{verb}", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_an_explanation_adds_up_to_the_probability_of_the_answer(mixed: Any, row: Json) -> None:
    body = {"instances": [row, {**row, "age": None}, {**row, "age": 20, "note": None}]}
    records = mixed.post("/v1/models/m:predict", json=body).json()["predictions"]
    found = explained(mixed.post("/v1/models/m:explain", json=body))
    assert all(map(adds_up, found))
    assert [one["prediction"] for one in found] == [record["prediction"] for record in records]
    assert [one["of"] for one in found] == [record["prediction"] for record in records]
    values = [record[f"probability_{record['prediction']}"] for record in records]
    assert [one["value"] for one in found] == pytest.approx(values)
    assert {one["scale"] for one in found} == {"probability"}


def test_the_column_that_the_answer_rests_on_comes_first_with_its_value(mixed: Any, row: Json) -> None:
    (found,) = explained(mixed.post("/v1/models/m:explain", json={"instances": [row]}))
    first = found["contributions"][0]
    assert (first["column"], first["value"]) == ("age", 61)
    assert first["contribution"] > 0.3
    assert {part["column"] for part in found["contributions"]} == set(row)


def test_another_class_is_explained_when_asked_for(mixed: Any, row: Json) -> None:
    body = {"instances": [row], "parameters": {"class": "under"}}
    (other,) = explained(mixed.post("/v1/models/m:explain", json=body))
    (own,) = explained(mixed.post("/v1/models/m:explain", json={"instances": [row]}))
    assert (other["prediction"], other["of"], own["of"]) == ("over", "under", "over")
    assert other["value"] == pytest.approx(1 - own["value"])
    assert adds_up(other)


def test_a_number_is_explained_in_its_own_unit(number: Any) -> None:
    body = {"inputs": {"x0": [1.5, -2.0], "x1": [0.3, 9.0]}}
    found = explained(number.post("/v1/models/m:explain", json=body))
    said = number.post("/v1/models/m:predict", json=body).json()["outputs"]["prediction"]
    assert all(map(adds_up, found))
    assert [one["value"] for one in found] == [one["prediction"] for one in found] == pytest.approx(said)
    assert {(one["of"], one["scale"]) for one in found} == {(None, "value")}


def test_a_row_has_one_explanation_whatever_is_asked_beside_it(mixed: Any, row: Json) -> None:
    others = [{**row, "age": age, "city": "Lima"} for age in (19, 33, 44)]
    (alone,) = explained(mixed.post("/v1/models/m:explain", json={"instances": [row]}))
    beside = explained(mixed.post("/v1/models/m:explain", json={"instances": [*others, row]}))
    assert beside[-1] == alone


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"class": "middle"}, "'middle' is no class"),
        ({"class": 3}, "parameters.class"),
        ({"klass": "over"}, "expected class and evaluations"),
        ({"evaluations": 0}, "a whole number from 64"),
        ({"evaluations": True}, "a whole number from 64"),
        ([], "parameters"),
    ],
)
def test_a_wrong_parameter_is_refused_in_words(mixed: Any, row: Json, parameters: Any, words: str) -> None:
    answer = mixed.post("/v1/models/m:explain", json={"instances": [row], "parameters": parameters})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]


def test_a_whole_number_may_be_written_with_a_point(mixed: Any, row: Json) -> None:
    bodies = [{"instances": [row], "parameters": {"evaluations": evaluations}} for evaluations in (256, 256.0)]
    said = [mixed.post("/v1/models/m:explain", json=body).json() for body in bodies]
    assert said[0] == said[1]


def test_a_class_of_a_model_without_classes_is_refused(number: Any) -> None:
    body = {"instances": [[1.0, 2.0]], "parameters": {"class": "over"}}
    assert "is no class of this model" in number.post("/v1/models/m:explain", json=body).json()["error"]


@pytest.mark.parametrize(("num_rows", "evaluations"), [(explaining.MAX_ROWS + 1, 64), (100, 2**16)])
def test_too_much_to_explain_is_413_naming_the_verb(mixed: Any, row: Json, num_rows: int, evaluations: int) -> None:
    body = {"instances": [row] * num_rows, "parameters": {"evaluations": evaluations}}
    answer = mixed.post("/v1/models/m:explain", json=body)
    assert answer.status_code == 413, answer.text
    assert "assay explain" in answer.json()["error"]


def test_predictions_and_health_are_answered_while_explanations_are_made(mixed: Any, row: Json) -> None:
    ended: list[str] = []

    async def ask(path: str, body: Json | None = None) -> None:
        await mixed.client.request("POST" if body else "GET", path, json=body)
        ended.append(path)

    async def scenario() -> None:
        many = asyncio.create_task(ask("/v1/models/m:explain", {"instances": [row] * 40}))
        await asyncio.sleep(0.05)
        await asyncio.gather(ask("/v2/health/ready"), ask("/v1/models/m:predict", {"instances": [row]}))
        await many

    mixed.runner.run(scenario())
    assert ended == ["/v2/health/ready", "/v1/models/m:predict", "/v1/models/m:explain"]


def test_more_explanations_than_are_made_at_a_time_are_told_to_wait(mixed: Any, row: Json) -> None:
    ask = ("POST", "/v1/models/m:explain", {"json": {"instances": [row]}})
    answers = mixed.together(*[ask] * (explaining.MAX_AT_A_TIME + 2))
    assert sorted(answer.status_code for answer in answers)[-2:] == [503, 503]
    assert [answer.headers.get("retry-after") for answer in answers].count("1") == 2
    assert mixed.post("/v1/models/m:explain", json={"instances": [row]}).status_code == 200


def test_an_explanation_that_takes_too_long_is_504(mixed: Any, row: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REQUEST_TIMEOUT_S", 0.02)
    answer = mixed.post("/v1/models/m:explain", json={"instances": [row] * 100})
    assert answer.status_code == 504
    assert "fewer" in answer.json()["error"]


def test_explanations_count_as_no_requests_of_the_model(open_app: Any, folders: Any, row: Json) -> None:
    app = open_app(folders["mixed"])
    app.post("/v1/models/m:explain", json={"instances": [row]})
    (stats,) = app.get("/v2/models/m/stats").json()["model_stats"]
    assert (stats["inference_count"], stats["execution_count"]) == (0, 0)


def test_nobody_who_watches_predictions_sees_explanations(open_app: Any, folders: Any, row: Json) -> None:
    app, seen = open_app(folders["mixed"]), list[Any]()
    app.desk.watching.append(seen.append)
    app.post("/v1/models/m:explain", json={"instances": [row]})
    app.post("/v1/models/m:predict", json={"instances": [row]})
    assert [found.table.num_rows for found in seen] == [1]


def test_a_canary_explains_its_share_of_the_keys(open_app: Any, folders: Any, row: Json) -> None:
    app, role = open_app(folders["mixed"]), {"path": str(folders["mixed"])}
    model = ModelPlan(name="m", champion=VersionRef(version="1", **role), canary=VersionRef(version="2", **role),
                      canary_share=0.5)  # fmt: skip
    app.runner.run(app.desk.switch(Plan(models=[model])))
    bodies = [{"instances": [{**row, "age": age}], "parameters": {"evaluations": 64}} for age in range(20, 40)]
    versions = {app.post("/v1/models/m:explain", json=body).headers["x-assay-version"] for body in bodies}
    assert versions == {"1", "2"}
    key = {"x-assay-key": "one"}
    kept = {app.post("/v1/models/m:predict", json=body, headers=key).headers["x-assay-version"] for body in bodies}
    assert len(kept) == 1


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_answers_are_what_the_document_says(mixed: Any, row: Json, verb: str) -> None:
    path = f"/v1/models/m:{verb}"
    told = mixed.get("/openapi.json").json()["paths"][path]["post"]
    body = {"instances": [row, {**row, "age": None}]}
    jsonschema.validate(body, told["requestBody"]["content"]["application/json"]["schema"])
    schema = told["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(mixed.post(path, json=body).json(), schema)


@pytest.mark.cluster
def test_rows_are_predicted_and_explained_over_http(http: httpx.Client, served: Any, row: Json) -> None:
    version = served.releases[0].champion.version
    body = {"instances": [row]}
    predicted = http.post("/v1/models/demo:predict", json=body)
    assert predicted.json() == http.post("/invocations", json=body).json()
    answer = http.post(f"/v1/models/demo/versions/{version}%3Aexplain", json=body)
    (found,) = explained(answer)
    assert adds_up(found)
    assert found["contributions"][0]["column"] == "age"
    assert answer.headers["x-assay-version"] == version
    assert http.get("/v1/models/demo").json()["ready"]


def test_slow_requests_for_explanations_refuse_no_other(open_app: Any, folders: dict[str, Path]) -> None:
    app, ended = open_app(folders["number"]), asyncio.Event()
    headers = {"content-type": "application/json", "content-length": "5000000"}

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await ended.wait()
        yield b"}"

    async def ask() -> int:
        path = "/v1/models/m:explain"
        slow = [asyncio.create_task(app.client.post(path, content=slowly(), headers=headers)) for _ in range(20)]
        await asyncio.sleep(0.05)
        answer = await app.client.post(path, json={"instances": [{"x0": 1, "x1": 0}]})
        ended.set()
        await asyncio.gather(*slow)
        return int(answer.status_code)

    assert app.runner.run(ask()) == 200
