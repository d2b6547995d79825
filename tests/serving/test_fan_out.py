"""Members in processes of their own, here in this one: late, dead, hanging and raising ones, and what a client sees."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch
from assay.errors import ArtifactFault
from assay.model import Combination, Member, Model
from assay.parts import Learned
from assay.store import artifact
from assay.vocabulary import Shelf
from assay_serving import panel as panels
from assay_serving.desk import Desk
from assay_serving.fan_out import FanOut
from assay_serving.members import Bench
from assay_serving.panel import Gone, Panel
from assay_serving.settings import ModelRef, Plan

DEADLINE_S = 0.2
NUM_MEMBERS = 3


def ensemble_of(model: Model, table: Any) -> Model:
    """Return a vote of three trees of different depth, instead of the only one of a model."""
    batch = model.recipes["codes"].apply(model.batch(table))
    members = []
    for depth in (2, 4, 7):
        params = {"max_depth": depth, "min_samples_leaf": 5}
        fitted = catalog.make(Shelf.ALGORITHMS, "decision_tree", params).fit(batch, seed=depth)
        members.append(Member(f"tree-{depth}", "decision_tree", params, "codes", fitted))
    return replace(model, members=tuple(members), combination=Combination("vote", {}, Learned()))


class Processes:
    """Benches in this process that can be made to die, hang, dawdle or raise."""

    def __init__(self, count: int = NUM_MEMBERS) -> None:
        self.benches = [Bench(number, count) for number in range(count)]
        self.mode: dict[int, str] = {}
        self.asked: Counter[int] = Counter()

    async def ask(self, number: int, ref: ModelRef, batch: Batch) -> Mapping[int, np.ndarray]:
        self.asked[number] += 1
        await self._behave(number)
        return await self.benches[number].said(ref, batch)

    async def load(self, number: int, ref: ModelRef) -> None:
        await self._behave(number)
        await self.benches[number].load(ref)

    async def _behave(self, number: int) -> None:
        mode = self.mode.get(number, "")
        if mode == "dead":
            raise Gone
        if mode == "hangs":
            await asyncio.sleep(60)
        if mode == "raises":
            raise RuntimeError("a bug")


class Service:
    """An application over processes, and its client."""

    def __init__(self, open_app: Callable[..., Any], folder: Path) -> None:
        self.processes = Processes()
        self.panel = Panel(self.processes.ask, self.processes.load, DEADLINE_S)
        self.app = open_app(folder, desk=Desk(load=FanOut(self.panel, NUM_MEMBERS).load))

    def ask(self, row: dict[str, Any]) -> Any:
        return self.app.post("/invocations", json={"dataframe_records": [row]})

    def sleep(self, seconds: float) -> None:
        self.app.runner.run(asyncio.sleep(seconds))


@pytest.fixture(scope="module")
def folder(mixed_model: Model, mixed_rows: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifact.pack(tmp_path_factory.mktemp("ensembles") / "m", ensemble_of(mixed_model, mixed_rows)).folder


@pytest.fixture
def service(open_app: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(panels, "AGAIN_S", 0.05)
    return Service(open_app, folder)


@pytest.fixture
def whole(open_app: Callable[..., Any], folder: Path) -> Any:
    """The same model with all members in the server."""
    return open_app(folder)


def test_members_elsewhere_answer_as_members_here(service: Service, whole: Any, row: dict[str, Any]) -> None:
    rows = {"dataframe_records": [{**row, "age": age} for age in range(18, 70)]}
    apart, together = (one.post("/invocations", json=rows) for one in (service.app, whole))
    assert apart.content == together.content
    assert "x-assay-degraded" not in apart.headers


def test_no_weights_of_members_are_in_the_server(service: Service) -> None:
    served = service.app.runner.run(service.app.desk.served(service.app.desk.routes.find("m")))
    assert served.model.members == ()
    held = [bench._pieces._loaded.popitem()[1].held for bench in service.processes.benches]
    assert held == [(0,), (1,), (2,)]


@pytest.mark.parametrize("mode", ["dead", "hangs", "raises"])
def test_a_missing_member_gives_a_partial_vote_and_says_so(
    service: Service, row: dict[str, Any], whole: Any, mode: str
) -> None:
    service.processes.mode[1] = mode
    began_s = time.monotonic()
    answer = service.ask(row)
    assert time.monotonic() - began_s < DEADLINE_S + 0.5
    assert (answer.status_code, answer.headers["x-assay-degraded"]) == (200, "true")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["degraded"] is True
    complete = whole.post("/invocations", json={"dataframe_records": [row]}).json()["predictions"]
    assert answer.json()["predictions"][0].keys() == complete[0].keys()


def test_the_inference_protocol_says_how_many_answered(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode[1] = service.processes.mode[2] = "dead"
    kinds = ["INT64", "BYTES", "BOOL", "BYTES", "BYTES"]
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "data": [value]}
        for (name, value), kind in zip(row.items(), kinds, strict=True)
    ]
    answer = service.app.post("/v2/models/m/infer", json={"inputs": inputs})
    assert answer.json()["parameters"] == {"degraded": True, "members": 3, "members_answering": 1}
    assert answer.headers["x-assay-degraded"] == "true"


def test_no_member_at_all_is_a_503_that_says_when_to_try_again(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode = dict.fromkeys(range(3), "dead")
    for _ in range(2):
        answer = service.ask(row)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["error"].startswith("not one member of model m/1 answers; try again")


def test_a_member_that_is_late_again_and_again_is_no_longer_waited_for(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode[0] = "hangs"
    for _ in range(panels.LATE_IN_A_ROW):
        service.ask(row)
    began_s = time.monotonic()
    answers = [service.ask(row) for _ in range(5)]
    assert time.monotonic() - began_s < DEADLINE_S
    assert {answer.headers["x-assay-degraded"] for answer in answers} == {"true"}


def test_a_member_that_is_dead_is_waited_for_once(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode[0] = "dead"
    for _ in range(5):
        assert service.ask(row).headers["x-assay-degraded"] == "true"
    assert service.panel.out == {0}


@pytest.mark.parametrize("mode", ["dead", "hangs"])
def test_answers_are_whole_again_when_the_member_is(service: Service, row: dict[str, Any], mode: str) -> None:
    service.processes.mode[2] = mode
    for _ in range(panels.LATE_IN_A_ROW):
        assert "x-assay-degraded" in service.ask(row).headers
    service.processes.mode.clear()
    service.sleep(4 * DEADLINE_S)
    assert "x-assay-degraded" not in service.ask(row).headers
    assert service.panel.out == frozenset()


def test_a_member_that_raises_is_asked_again_at_once(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode[0] = "raises"
    for _ in range(2 * panels.LATE_IN_A_ROW):
        assert "x-assay-degraded" in service.ask(row).headers
    service.processes.mode.clear()
    assert "x-assay-degraded" not in service.ask(row).headers


def test_rows_that_break_every_member_are_told_as_a_bug_not_as_a_vote(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode = dict.fromkeys(range(3), "raises")
    assert service.ask(row).status_code == 500
    assert service.panel.out == frozenset()


def test_rows_that_are_slow_for_all_make_nobody_late(service: Service, row: dict[str, Any]) -> None:
    async def dawdle(number: int) -> None:
        await asyncio.sleep(DEADLINE_S * (1.5 + 0.3 * number))

    service.processes._behave = dawdle  # type: ignore[method-assign]
    for _ in range(2):
        assert "x-assay-degraded" not in service.ask(row).headers


def test_a_change_is_logged_once_and_degraded_answers_are_counted(
    service: Service, row: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    service.processes.mode[1] = "dead"
    with caplog.at_level(logging.WARNING, "assay_serving"):
        for _ in range(4):
            service.ask(row)
        service.processes.mode.clear()
        service.sleep(0.3)
        service.ask(row)
    assert [record.getMessage() for record in caplog.records] == [
        "member process 1 does not answer: answers are degraded until it does",
        "member process 1 answers again",
    ]
    (stats,) = service.app.get("/v2/models/m/stats").json()["model_stats"]
    assert (stats["inference_stats"]["success"]["count"], stats["inference_stats"]["degraded"]["count"]) == (5, 4)
    assert 'assay_degraded_predictions_total{model="m",replica="0",version="1"} 4.0' in service.app.get("/metrics").text


def test_a_new_version_s_members_are_loaded_before_it_answers(
    service: Service, mixed_model: Model, mixed_rows: Any, row: dict[str, Any], tmp_path: Path
) -> None:
    path = artifact.pack(tmp_path / "2", ensemble_of(mixed_model, mixed_rows)).folder
    service.app.runner.run(service.app.desk.switch(Plan.alone("m", "2", str(path))))
    assert [len(bench._pieces) for bench in service.processes.benches] == [2, 2, 2]
    assert service.ask(row).headers["x-assay-version"] == "2"


def test_a_version_that_members_refuse_is_not_switched_to(
    service: Service, row: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(ref: ModelRef) -> None:
        raise ArtifactFault.at("members/1/tree.json", "cannot be read on this node")

    monkeypatch.setattr(service.processes.benches[1], "load", refuse)
    service.app.runner.run(service.app.desk.switch(Plan.alone("m", "2", str(folder))))
    assert service.app.desk.refused == {("m", "2"): "members/1/tree.json: cannot be read on this node."}
    assert service.ask(row).headers["x-assay-version"] == "1"


def test_a_model_of_one_member_stays_in_the_server(
    service: Service, folders: dict[str, Path], row: dict[str, Any]
) -> None:
    service.app.runner.run(service.app.desk.switch(Plan.alone("m", "2", str(folders["mixed"]))))
    service.processes.mode = dict.fromkeys(range(3), "dead")
    assert service.ask(row).headers["x-assay-version"] == "2"


def test_more_processes_than_members_stand_idle(open_app: Any, folder: Path, row: dict[str, Any]) -> None:
    processes = Processes(5)
    loaded = FanOut(Panel(processes.ask, processes.load, DEADLINE_S), 5)

    async def ask() -> int:
        desk = Desk(load=loaded.load)
        await desk.switch(Plan.alone("m", "1", str(folder)))
        return len(desk._loaded)

    assert asyncio.run(ask()) == 1
    assert [len(bench._pieces) for bench in processes.benches] == [1, 1, 1, 0, 0]


def test_a_bench_forgets_what_no_plan_has_any_more_but_not_at_once(folder: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("assay_serving.members.KEPT_S", 0.05)

    async def held() -> list[int]:
        bench, sizes = Bench(0, 2), []
        for version in ("1", "2"):
            await bench.follow(Plan.alone("m", version, str(folder)))
            sizes.append(len(bench._pieces))
        await asyncio.sleep(0.2)
        return [*sizes, len(bench._pieces)]

    assert asyncio.run(held()) == [1, 2, 1]


def test_the_v1_door_says_it_too(service: Service, row: dict[str, Any]) -> None:
    service.processes.mode[1] = "dead"
    for body in ({"instances": [row]}, {"inputs": {name: [value] for name, value in row.items()}}):
        answer = service.app.post("/v1/models/m:predict", json=body)
        assert (answer.json()["degraded"], answer.headers["x-assay-degraded"]) == (True, "true")


def test_an_explanation_is_of_all_members_or_refused(service: Service, row: dict[str, Any], whole: Any) -> None:
    apart, together = (one.post("/v1/models/m:explain", json={"instances": [row]}) for one in (service.app, whole))
    assert apart.json() == together.json()
    service.processes.mode[1] = "dead"
    answer = service.app.post("/v1/models/m:explain", json={"instances": [row]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "2 of 3 members answer" in answer.json()["error"]


def test_a_dead_process_holds_no_switch_up(service: Service, folder: Path, row: dict[str, Any]) -> None:
    service.processes.mode[1] = "dead"
    service.ask(row)
    service.processes.mode[1] = "hangs"
    service.app.runner.run(service.app.desk.switch(Plan.alone("m", "2", str(folder))))
    assert service.ask(row).headers["x-assay-version"] == "2"


def test_mlflow_s_client_reads_a_degraded_answer(service: Service, row: dict[str, Any]) -> None:
    from mlflow.deployments import PredictionsResponse

    service.processes.mode[1] = "dead"
    frame = PredictionsResponse.from_json(service.ask(row).text).get_predictions()
    assert list(frame.columns) == ["prediction", "probability_over", "probability_under"]
