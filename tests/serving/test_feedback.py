"""`POST /feedback`: which labels are taken, what is said of the others, and where they end."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from assay.store import files, prediction_log
from assay.store.runs import Storage
from assay_serving import logbook as module
from assay_serving.doors import feedback
from assay_serving.logbook import Logbook
from assay_serving.settings import LogPlan, ModelPlan, Plan, VersionRef
from assay_serving.web import create_app

KEYS = pa.table({"request_id": ["a", "a", "b"], "row": [0, 1, 0]})  # of the lines that labels are joined to


class Taken:
    """An application with storage, and the labels that it took."""

    def __init__(self, app: Any, storage: Path) -> None:
        self.app = app
        self.storage = Storage(storage)
        self.label = app.runner.run(app.desk.served(app.desk.routes.find("m"))).model.profile.label
        self.logbook = Logbook(app.desk)
        self.logbook.follow(LogPlan(storage=str(storage), share=0.5))
        transport = httpx.ASGITransport(create_app(app.desk, None, logbook=self.logbook), raise_app_exceptions=False)
        app.client = httpx.AsyncClient(transport=transport, base_url="http://here")

    def post(self, content: Any) -> httpx.Response:
        found: httpx.Response = self.app.post("/feedback", json=content)
        return found

    def labels(self) -> list[Any]:
        """Return the labels of rows a/0, a/1 and b/0."""
        joined = prediction_log.labelled(KEYS, self.storage, "m", "label")
        return joined["label"].to_pylist() if "label" in joined.column_names else [None] * 3


@pytest.fixture
def taken(open_app: Any, folders: dict[str, Path], tmp_path: Path) -> Iterator[Taken]:
    """The mixed model as m/1."""
    found = Taken(open_app(folders["mixed"]), tmp_path)
    yield found
    found.logbook.close()


@pytest.fixture
def numbers(open_app: Any, folders: dict[str, Path], tmp_path: Path) -> Iterator[Taken]:
    """The number model as m/1."""
    found = Taken(open_app(folders["number"]), tmp_path)
    yield found
    found.logbook.close()


ROWS = [{"request_id": "a", "row": 1, "label": "over"}, {"request_id": "b", "label": "under"}]


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ({"model": "m", "request_id": "a", "labels": ["over", "under"]}, ["over", "under", None]),
        ({"request_id": "a", "labels": [None, "under"]}, [None, "under", None]),
        ({"model": "m", "feedback": ROWS}, [None, "over", "under"]),
        (ROWS, [None, "over", "under"]),
    ],
)
def test_labels_are_taken_in_each_form(taken: Taken, content: Any, labels: list[Any]) -> None:
    answer = taken.post(content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["stored"] == sum(label is not None for label in labels)
    assert taken.labels() == labels


def test_of_several_labels_for_a_row_the_last_counts(taken: Taken) -> None:
    for label in ("over", "over", "under"):
        taken.post({"request_id": "a", "labels": [label]})
    assert taken.labels() == ["under", None, None]


def test_the_answer_says_how_many_are_in_the_log(taken: Taken) -> None:
    ids = [f"id-{number}" for number in range(100)]
    answer = taken.post([{"request_id": one, "label": "over"} for one in ids]).json()
    assert answer == {"model": "m", "stored": 100, "in_log": sum(map(taken.logbook.keeps, ids))}
    assert 30 < answer["in_log"] < 70


def test_numbers_are_taken_for_a_number(numbers: Taken) -> None:
    assert numbers.post({"request_id": "a", "labels": [1, 2.5]}).status_code == 200
    assert numbers.labels() == [1.0, 2.5, None]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"request_id": "a", "labels": ["over", "ovr"]}, "request 'a' row 1: found text 'ovr'.*did you mean 'over'"),
        ({"request_id": "a", "labels": [3]}, "found number 3, which is none of its classes"),
        ({"request_id": "a", "labels": [["over"]]}, "found list"),
        ({"request_id": "a", "labels": []}, "labels: List should have at least 1"),
        ({"request_id": "a b", "labels": ["over"]}, "request_id"),
        ({"request_id": "a", "labels": ["over"], "rows": 3}, "rows: Extra inputs"),
        ([{"request_id": "a", "row": -1, "label": "over"}], r"feedback\.0\.row"),
        ([{"request_id": "a", "row": "1", "label": "over"}], r"feedback\.0\.row: .*valid integer"),
        ([{"row": 1, "label": "over"}], r"feedback\.0\.request_id: Field required"),
        ({"model": "m"}, "feedback: Field required"),
        (3, "object"),
        ({"request_id": "a", "labels": ["ovr"] * 100}, r"and 92 more"),
        ([{}] * 100, r"feedback\.0\.request_id: Field required"),
        ([{str(key): key for key in range(1_000)}], "found 1,000 keys, expected request_id, row, label"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(taken: Taken, content: Any, found: str) -> None:
    answer = taken.post(content)
    assert answer.status_code == 400
    assert re.search(found, answer.json()["error"]), answer.text
    assert not list(taken.storage.root.rglob("*.parquet"))


@pytest.mark.parametrize(
    ("label", "found"),
    [
        (True, "found true/false"),
        ("many", "expected a number"),
        (10**400, "expected a number"),
    ],
)
def test_what_is_no_number_is_no_label_of_one(numbers: Taken, label: Any, found: str) -> None:
    answer = numbers.post({"request_id": "a", "labels": [label]})
    assert (answer.status_code, found in answer.json()["error"]) == (400, True), answer.text


def test_broken_json_is_a_400_and_an_unknown_model_a_404(taken: Taken) -> None:
    assert taken.app.post("/feedback", content=b"{").status_code == 400
    assert taken.post({"model": "n", "request_id": "a", "labels": ["over"]}).status_code == 404


def test_more_labels_than_rows_in_a_request_are_a_413(taken: Taken) -> None:
    answer = taken.post({"request_id": "a", "labels": [None] * 100_001})
    assert (answer.status_code, "100,001 labels" in answer.json()["error"]) == (413, True)


def test_of_several_models_one_must_be_named(taken: Taken, folders: dict[str, Path]) -> None:
    plans = [
        ModelPlan(name=name, champion=VersionRef(version="1", path=str(folders[folder])))
        for name, folder in (("m", "mixed"), ("n", "number"))
    ]
    taken.app.runner.run(taken.app.desk.switch(Plan(models=plans)))
    answer = taken.post({"request_id": "a", "labels": ["over"]})
    assert (answer.status_code, "m, n" in answer.json()["error"]) == (400, True)
    assert taken.post({"model": "n", "request_id": "a", "labels": [3]}).status_code == 200


def test_a_server_without_storage_takes_none(mixed: Any) -> None:
    answer = mixed.post("/feedback", json={"request_id": "a", "labels": ["over"]})
    assert (answer.status_code, "keeps no labels" in answer.json()["error"]) == (403, True)


def test_labels_that_the_disk_does_not_take_are_sent_again_later(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(files, "before_call", full)
        answer = taken.post({"request_id": "a", "labels": ["over"]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert str(taken.storage.root) not in answer.text
    assert taken.post({"request_id": "a", "labels": ["over"]}).status_code == 200
    assert taken.labels() == ["over", None, None]


def test_labels_that_would_wait_too_long_for_the_disk_are_refused(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_STORING", 0)
    assert taken.post({"request_id": "a", "labels": ["over"]}).status_code == 503


def test_many_at_once_are_all_stored(taken: Taken) -> None:
    bodies = [{"request_id": f"id-{number}", "labels": ["over"]} for number in range(20)]
    answers = taken.app.together(*(("POST", "/feedback", {"json": body}) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    keys = pa.table({"request_id": [body["request_id"] for body in bodies], "row": [0] * 20})
    assert prediction_log.labelled(keys, taken.storage, "m", "label")["label"].null_count == 0


def test_the_last_label_counts_whichever_replica_wrote_its_file_last(taken: Taken) -> None:
    other = Logbook(taken.app.desk)  # of another replica
    other.follow(taken.logbook.plan)
    taken.post(ROWS)
    for found, row in ((taken.logbook, 1), (other, 1), (taken.logbook, 0)):
        told = [feedback.Label(request_id="a", row=row, label="under" if found is other else "over")]
        taken.app.runner.run(found.store_labels("m", feedback._table(told, taken.label)))
    assert taken.labels() == ["over", "under", "under"]
    other.close()


def test_labels_that_would_fill_the_memory_are_503(taken: Taken) -> None:
    body = b'{"request_id": "a", "labels": ["over"]}' + b" " * 6_000_000
    asked = taken.app.together(*[("POST", "/feedback", {"content": body})] * 3)
    assert {answer.status_code for answer in asked} == {200, 503}
    assert all(answer.headers["retry-after"] for answer in asked if answer.status_code == 503)
