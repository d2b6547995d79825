"""`assay_serving.client` over real sockets: against our application, and against servers that are full or die."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import uvicorn

from assay_serving.client import Client, Failed, Predictions, Refused
from assay_serving.client.rows import to_rows
from assay_serving.desk import Desk
from assay_serving.logbook import Logbook
from assay_serving.settings import LogPlan, Plan
from assay_serving.web import create_app

HEAVY = ("ray", "fastapi", "starlette", "torch", "mlflow", "numpy", "pyarrow", "pandas", "assay")


@pytest.fixture(scope="module")
def url(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The mixed model as m/1 behind a socket, which keeps labels."""
    desk = Desk()
    logbook = Logbook(desk)
    logbook.follow(LogPlan(storage=str(tmp_path_factory.mktemp("storage"))))
    asyncio.run(desk.switch(Plan.alone("m", "1", str(folders["mixed"]))))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(desk, None, logbook=logbook), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline_s = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline_s:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    logbook.close()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, model="m") as found:
        yield found


def two(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row, {**row, "age": 20}]


@pytest.mark.parametrize(
    "make", [list, pd.DataFrame, pl.DataFrame, pa.Table.from_pylist], ids=["dicts", "pandas", "polars", "Arrow"]
)
def test_rows_of_every_library_are_answered_alike(
    client: Client, row: dict[str, Any], make: Callable[[Any], Any]
) -> None:
    assert client.predict(make(two(row))).values == ["over", "under"]


def test_a_result_says_who_gave_it(client: Client, row: dict[str, Any]) -> None:
    found = client.predict(row)
    assert (len(found), found.version, found.degraded) == (1, "1", False)
    assert found[0]["prediction"] == "over"
    assert set(found.probabilities[0]) == {"over", "under"}
    assert len(found.request_id) == 32


def test_dates_and_missing_values_of_pandas_are_read(client: Client, row: dict[str, Any]) -> None:
    frame = pd.DataFrame(two(row)).astype({"city": "category"})
    frame["joined"] = [pd.Timestamp("2024-05-17"), pd.NaT]
    frame["member"] = pd.array([True, pd.NA], "boolean")
    assert client.predict(frame).values == ["over", "under"]


def test_feedback_takes_a_result_or_an_id(client: Client, row: dict[str, Any]) -> None:
    found = client.predict(two(row))
    assert client.feedback(found, ["over", None]).stored == 1
    for labels in (pd.Series(["over", "under"]), pl.Series(["over", "under"]), np.array(["over", "under"])):
        assert client.feedback(found.request_id, labels).stored == 2
    assert client.feedback_rows([(found.request_id, 1, "under"), ("other", 0, "over")]).stored == 2


def test_explanations_add_up(client: Client, row: dict[str, Any]) -> None:
    (why,) = client.explain(row)
    assert (why.prediction, why.scale, why.contributions[0].column) == ("over", "probability", "age")
    assert why.base + sum(part.contribution for part in why.contributions) == pytest.approx(why.value, abs=1e-6)


def test_metadata_and_readiness_are_told(url: str) -> None:
    with Client(url) as client:
        about = client.metadata()
        assert (about.name, about.label, about.classes) == ("m", "answer", ("over", "under"))
        assert about.columns["age"] == "numeric"
        assert client.ready()
        assert client.ready("m")
        assert not client.ready("other")


def test_a_wrong_row_is_refused_with_the_server_s_words_and_the_id(client: Client, row: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="column 'age': found text 'old'") as refused:
        client.predict({**row, "age": "old"})
    assert refused.value.status == 400
    assert len(refused.value.request_id) == 32


def test_an_unknown_model_is_refused(client: Client, row: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no model named 'other'"):
        client.predict(row, model="other")


class Scripted(ThreadingHTTPServer):
    """Answers with what it was given, one after the other: (status, headers), or None for a line that breaks."""

    def __init__(self, *answers: tuple[int, dict[str, str]] | None) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        answer = self.server.answers.pop(0)
        if answer is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, headers = answer
        body = b'{"predictions": [{"prediction": 1.0}]}' if status == 200 else b'{"error": "as scripted"}'
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Starts servers that answer as told."""
    started: list[Scripted] = []

    def start(*answers: tuple[int, dict[str, str]] | None) -> Scripted:
        started.append(Scripted(*answers))
        threading.Thread(target=started[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return started[-1]

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def ask(server: Scripted) -> Predictions:
    with Client(server.url, "secret") as client:
        return client.predict({"x": 1})


@pytest.mark.parametrize("first", [None, (502, {}), (503, {"Retry-After": "0"})], ids=str)
def test_a_full_or_dying_server_is_asked_once_more_as_the_same_request(
    scripted: Callable[..., Scripted], first: Any
) -> None:
    server = scripted(first, (200, {"x-assay-degraded": "true"}))
    assert ask(server).degraded
    assert len({asked["x-request-id"] for asked in server.asked}) == 1
    assert [asked["authorization"] for asked in server.asked] == ["Bearer secret"] * 2


@pytest.mark.parametrize("answer", [None, (503, {"Retry-After": "0", "x-request-id": "one, one"})], ids=str)
def test_it_is_asked_no_third_time(scripted: Callable[..., Scripted], answer: Any) -> None:
    server = scripted(answer, answer)
    with pytest.raises(Failed) as failed:
        ask(server)
    assert failed.value.status == (answer and 503)
    assert failed.value.request_id == ("one" if answer else server.asked[0]["x-request-id"])
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 504])
def test_what_asking_again_cannot_mend_is_asked_once(scripted: Callable[..., Scripted], status: int) -> None:
    server = scripted((status, {"Retry-After": "0"}))
    with pytest.raises(Refused if status < 500 else Failed, match="as scripted") as found:
        ask(server)
    assert (found.value.status, len(server.asked)) == (status, 1)


@pytest.mark.parametrize("after", ["60", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_server_that_asks_to_wait_long_is_left_alone(scripted: Callable[..., Scripted], after: str) -> None:
    server = scripted((503, {"Retry-After": after}))
    with pytest.raises(Failed) as failed:
        ask(server)
    assert failed.value.retry_after_s is not None
    assert (failed.value.retry_after_s > 50, len(server.asked)) == (True, 1)


def test_the_pause_that_a_server_asks_for_is_kept(scripted: Callable[..., Scripted]) -> None:
    server = scripted((503, {"Retry-After": "1"}), (200, {}))
    started_s = time.monotonic()
    ask(server)
    assert time.monotonic() - started_s >= 1


def test_a_port_where_nobody_listens_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client:
        assert not client.ready()
        with pytest.raises(Failed, match="could not be asked"):
            client.predict({"x": 1})


def test_a_server_that_takes_too_long_is_asked_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Failed, match="took too long"):
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2).predict({"x": 1})


def test_values_become_what_json_can_say() -> None:
    row = {"n": np.float32(1.5), "k": np.int64(3), "b": np.bool_(True), "d": date(2024, 5, 17), "m": Decimal("2.5")}
    more = {"photo": b"abc", "walk": np.ones((2, 1)), "gone": np.nan, "not": pd.NaT}
    assert to_rows(row | more) == [
        {"n": 1.5, "k": 3, "b": True, "d": "2024-05-17", "m": 2.5}
        | {"photo": "YWJj", "walk": [[1.0], [1.0]], "gone": None, "not": None}
    ]


@pytest.mark.parametrize(
    ("rows", "error"),
    [("text", TypeError), ([1], TypeError), ({"x": float("inf")}, ValueError), ({"x": {1}}, TypeError)],
)
def test_what_json_cannot_say_is_told_before_it_is_sent(rows: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        to_rows(rows)


def test_importing_the_client_imports_nothing_heavy() -> None:
    program = f"import sys, assay_serving.client; print([name for name in {HEAVY} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
