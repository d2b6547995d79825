"""What the server refuses, survives and joins; on a real model, without Ray."""

from __future__ import annotations

import asyncio
import gc
import gzip
import resource
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assay.errors import ArtifactFault
from assay_serving import settings
from assay_serving.batching import Batcher, Overloaded
from assay_serving.desk import Desk
from assay_serving.settings import Plan

JSON = {"content-type": "application/json"}


def test_a_body_above_the_limit_is_413_naming_the_batch_verb(mixed: Any) -> None:
    answer = mixed.post("/invocations", content=b" " * (settings.MAX_BODY_BYTES + 1), headers=JSON)
    assert answer.status_code == 413
    assert "assay predict" in answer.json()["error"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(mixed: Any) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 2**20

    assert mixed.post("/invocations", content=endless(), headers=JSON).status_code == 413


def test_a_small_body_that_inflates_beyond_the_limit_is_413(mixed: Any) -> None:
    bomb = gzip.compress(b" " * (settings.MAX_BODY_BYTES + 1))
    answer = mixed.post("/invocations", content=bomb, headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code == 413


@pytest.mark.parametrize(("name", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_read(mixed: Any, name: str, pack: Any) -> None:
    body = pack(b'{"inputs": [[61, "Rome", true, "2024-05-17", "good"]]}')
    answer = mixed.post("/invocations", content=body, headers={**JSON, "content-encoding": name})
    assert answer.json()["predictions"][0]["prediction"] == "over"


@pytest.mark.parametrize(("encoding", "status"), [("br", 415), ("gzip", 400)])
def test_bodies_that_cannot_be_inflated_are_refused(mixed: Any, encoding: str, status: int) -> None:
    answer = mixed.post("/invocations", content=b"{}", headers={**JSON, "content-encoding": encoding})
    assert answer.status_code == status
    assert answer.json()["error"]


def _names_of_their_own() -> bytes:
    return b'{"dataframe_records": [%s]}' % b",".join(b'{"%x": 1}' % number for number in range(20_000))


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("/invocations", _names_of_their_own(), "column 'x0': is missing"),
        ("/invocations", b'{"dataframe_records": [%s]}' % b",".join([b"{}"] * 100_001), "at most 100,000"),
        ("/v2/models/m/infer", b'{"inputs": [%s]}' % b",".join([b"1"] * 1_000_000), "inputs.0"),
        ("/v2/models/m/infer", b'{"inputs": [{"name": "x", "shape": [%s], "datatype": "BOOL"}]}'
         % b",".join([b"9"] * 100_000), "shape: List should have at most 8"),
    ],
)  # fmt: skip
def test_a_request_takes_no_more_memory_than_its_body_is_worth(number: Any, path: str, body: bytes, found: str) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = number.post(path, content=body, headers=JSON)
    assert answer.status_code in (400, 413)
    assert found in answer.json()["error"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 200_000


def test_too_many_rows_are_413_naming_the_batch_verb(number: Any) -> None:
    num_rows = settings.MAX_ROWS + 1
    answer = number.post("/invocations", json={"inputs": {"x0": [0] * num_rows, "x1": [0] * num_rows}})
    assert answer.status_code == 413
    assert "100,001 rows" in answer.json()["error"]
    assert "assay predict" in answer.json()["error"]


@pytest.mark.parametrize(("method", "path", "status"), [("PUT", "/v2", 405), ("GET", "/invocations", 405)])
def test_a_wrong_method_is_405_in_json(mixed: Any, method: str, path: str, status: int) -> None:
    answer = mixed.request(method, path)
    assert answer.status_code == status
    assert path in answer.json()["error"]


def test_a_bug_is_500_in_json_and_tells_nothing(open_app: Any, folders: dict[str, Path], row: dict[str, Any]) -> None:
    app = open_app(folders["mixed"])
    served = app.runner.run(app.desk.served(app.desk.routes.find("m")))
    served.model.members[0].fitted.estimator.tree_ = None
    answer = app.post("/invocations", json={"dataframe_records": [row]})
    assert answer.status_code == 500
    text = f"internal error; the server's log has the details (request {answer.headers['x-request-id']})"
    assert answer.json() == {"error": text}


def test_every_answer_says_the_version(mixed: Any) -> None:
    answers = [mixed.get("/v2"), mixed.get("/nowhere"), mixed.post("/invocations", content=b"{", headers=JSON)]
    assert [answer.headers["x-assay-version"] for answer in answers] == ["1", "1", "1"]


def test_a_bad_request_does_not_spoil_those_beside_it(mixed: Any, row: dict[str, Any]) -> None:
    bodies = [{"dataframe_records": [{**row, "age": "old" if index == 7 else 20 + index}]} for index in range(32)]
    answers = mixed.together(*(("POST", "/invocations", {"json": body}) for body in bodies))
    assert [index for index, answer in enumerate(answers) if answer.status_code != 200] == [7]


def test_requests_that_come_together_get_their_own_rows(number: Any) -> None:
    def body(value: float) -> dict[str, Any]:
        return {"json": {"inputs": {"x0": [value] * 3, "x1": [0.0] * 3}}}

    values = [index / 8 - 2 for index in range(32)]
    alone = [number.post("/invocations", **body(value)).json() for value in values]
    together = number.together(*(("POST", "/invocations", body(value)) for value in values))
    assert [answer.json() for answer in together] == alone


def test_numbers_of_several_types_are_answered_together(number: Any) -> None:
    rows = [{"x0": value, "x1": 0} for value in (1, 1.5, None, 2)]
    alone = [number.post("/invocations", json={"instances": [row]}).json() for row in rows]
    together = number.together(*(("POST", "/invocations", {"json": {"instances": [row]}}) for row in rows))
    assert [answer.json() for answer in together] == alone


def batcher(call: Any, is_brief: Any = lambda *_: False, **limits: int) -> Batcher[str, int, int]:
    sizes = {"max_items": 4, "max_size": 100, "max_waiting": 100, **limits}
    return Batcher(call, ThreadPoolExecutor(1), is_brief=is_brief, **sizes)


@pytest.mark.parametrize("brief", [True, False])
def test_a_brief_call_runs_where_it_was_asked_for_and_a_long_one_in_a_thread(brief: bool) -> None:
    def call(_: str, items: Sequence[int]) -> Sequence[int]:
        return [threading.get_ident()] * len(items)

    async def scenario() -> int:
        return await batcher(call, is_brief=lambda *_: brief).submit("g", 0, 1)

    assert (asyncio.run(scenario()) == threading.get_ident()) is brief


def test_calls_of_few_rows_become_brief_by_their_time(number: Any) -> None:
    for _ in range(40):  # the first ones load libraries
        number.post("/invocations", json={"instances": [{"x0": 1, "x1": 0}]})
    served = number.runner.run(number.desk.served(number.desk.routes.find("m")))
    assert served.tally.brief_s < 0.1


def test_what_waits_while_a_call_runs_is_one_call() -> None:
    calls: list[list[int]] = []
    first_may_end = threading.Event()

    def call(_: str, items: Sequence[int]) -> Sequence[int]:
        calls.append(list(items))
        first_may_end.wait(5)
        return [10 * item for item in items]

    async def scenario() -> list[int]:
        joins = batcher(call)
        asked = [asyncio.create_task(joins.submit("g", 0, 1))]
        await asyncio.sleep(0.05)
        asked += [asyncio.create_task(joins.submit("g", item, 1)) for item in range(1, 7)]
        await asyncio.sleep(0.05)
        first_may_end.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(scenario()) == [0, 10, 20, 30, 40, 50, 60]
    assert calls == [[0], [1, 2, 3, 4], [5, 6]]


def test_an_item_that_breaks_the_call_breaks_no_other() -> None:
    def call(_: str, items: Sequence[int]) -> Sequence[int]:
        return [1 // item for item in items]

    async def scenario() -> list[Any]:
        joins = batcher(call)
        return await asyncio.gather(*(joins.submit("g", item, 1) for item in (1, 0, 1)), return_exceptions=True)

    one, broken, other = asyncio.run(scenario())
    assert (one, type(broken), other) == (1, ZeroDivisionError, 1)


def test_a_refused_item_is_told_to_its_client_and_not_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            await batcher(lambda *_: 1 // 0).submit("g", 0, 1)
        gc.collect()

    asyncio.run(scenario())
    assert caplog.records == []


def test_items_of_two_groups_are_never_one_call() -> None:
    calls: list[tuple[str, list[int]]] = []

    def call(group: str, items: Sequence[int]) -> Sequence[int]:
        calls.append((group, list(items)))
        return items

    async def scenario() -> None:
        joins = batcher(call)
        await asyncio.gather(*(joins.submit(group, item, 1) for item, group in enumerate("aabb")))

    asyncio.run(scenario())
    assert calls == [("a", [0, 1]), ("b", [2, 3])]


def test_one_more_than_may_wait_is_told_so() -> None:
    async def scenario() -> list[Any]:
        joins = batcher(lambda _, items: items, max_waiting=2)
        return await asyncio.gather(*(joins.submit("g", item, 1) for item in range(3)), return_exceptions=True)

    assert [type(found) for found in asyncio.run(scenario())] == [int, int, Overloaded]


def test_a_full_server_answers_503_with_the_time_to_wait(open_app: Any, folders: dict[str, Path], row: Any) -> None:
    app = open_app(folders["mixed"])
    ask = ("POST", "/invocations", {"json": {"dataframe_records": [row]}})
    answers = app.together(*[ask] * (settings.MAX_WAITING + 64))
    full = [answer for answer in answers if answer.status_code == 503]
    assert full
    assert full[0].headers["retry-after"] == "1"
    assert {answer.status_code for answer in answers} == {200, 503}


def test_a_prediction_that_takes_too_long_is_504(
    open_app: Any, folders: dict[str, Path], row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REQUEST_TIMEOUT_S", 0.0)
    answer = open_app(folders["mixed"]).post("/invocations", json={"dataframe_records": [row]})
    assert answer.status_code == 504
    assert "fewer rows" in answer.json()["error"]


def test_health_is_answered_while_a_large_request_is(number: Any) -> None:
    many = {"json": {"inputs": {"x0": [0.5] * 50_000, "x1": [0.5] * 50_000}}}
    ended: list[str] = []

    async def ask(method: str, path: str, **options: Any) -> None:
        await number.client.request(method, path, **options)
        ended.append(path)

    async def scenario() -> None:
        await asyncio.gather(ask("POST", "/invocations", **many), ask("GET", "/ping"))

    number.runner.run(scenario())
    assert ended == ["/ping", "/invocations"]


def test_a_model_that_cannot_be_loaded_leaves_the_one_at_work(
    open_app: Any, folders: dict[str, Path], tmp_path: Path, row: Any
) -> None:
    app = open_app(folders["mixed"])
    app.runner.run(app.desk.switch(Plan.alone("m", "2", str(tmp_path))))
    assert app.post("/invocations", json={"dataframe_records": [row]}).headers["x-assay-version"] == "1"
    refused = app.post("/v2/repository/index").json()[1]
    assert (refused["version"], refused["state"]) == ("2", "UNAVAILABLE")
    assert "manifest.json" in refused["reason"]


def test_a_server_with_nothing_to_serve_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ArtifactFault):
        asyncio.run(Desk().switch(Plan.alone("m", "1", str(tmp_path))))


def test_health_is_bad_without_a_model() -> None:
    with pytest.raises(RuntimeError, match="no model"):
        Desk().check()


@pytest.mark.parametrize("path", ["/invocations", "/v2/models/m/infer"])
def test_a_client_that_leaves_while_it_sends_is_counted_as_gone(mixed: Any, path: str) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    mixed.runner.run(mixed.app(scope, receive, send))
    assert sent[0]["status"] == 499


def test_many_keys_many_lists_and_long_shapes_are_refused_at_once(mixed: Any) -> None:
    keys = ",".join(f'{{"k{number}": 1}}' for number in range(90_000))
    bodies = {
        "/invocations": [f'{{"dataframe_records": [{keys}]}}', '{"instances": [' + "[]," * 2_100_000 + "[]]}"],
        "/v2/models/m/infer": ['{"inputs": [{"name": "a", "shape": [' + "9," * 500_000 + '9], "datatype": "BOOL"}]}'],
    }
    started_s = time.perf_counter()
    statuses = [mixed.post(path, content=body, headers=JSON).status_code for path in bodies for body in bodies[path]]
    assert statuses == [400, 413, 400]
    assert time.perf_counter() - started_s < 20  # each of them took minutes, or the memory


def test_an_error_text_is_never_a_book(mixed: Any) -> None:
    answer = mixed.post("/invocations", content=b"{}", headers={"content-type": "a" * 50_000})
    assert len(answer.json()["error"]) <= 8_000


def test_a_path_says_all_methods_it_takes(mixed: Any) -> None:
    wrong = [mixed.request("OPTIONS", path) for path in ("/v2", "/invocations", "/v1/models/m:predict")]
    assert [(answer.status_code, answer.headers["allow"]) for answer in wrong] == [
        (405, "GET, HEAD"), (405, "POST"), (405, "POST")
    ]  # fmt: skip
    assert mixed.get("/v1/models/m:predict").status_code == 405
    assert mixed.request("HEAD", "/ping").status_code == 200


@pytest.mark.parametrize("value", [True, 1e39, -3.5e38])
def test_what_is_no_number_of_32_bits_is_refused(number: Any, value: Any) -> None:
    answer = number.post("/invocations", json={"dataframe_records": [{"x0": value, "x1": 0}]})
    assert answer.status_code == 400
    assert "'x0'" in answer.json()["error"]


def test_a_category_of_words_takes_no_number(mixed: Any, row: dict[str, Any]) -> None:
    answer = mixed.post("/invocations", json={"dataframe_records": [{**row, "city": 7}]})
    assert answer.status_code == 400
    assert "'city'" in answer.json()["error"]
