"""The prediction log: what is kept of answered requests, when, and that answers never wait for it."""

from __future__ import annotations

import errno
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from assay.engines import serving
from assay.engines.keeping import Keeping
from assay.errors import DataFault, SpecFault
from assay.store import files, prediction_log
from assay.store.releases import Release
from assay.store.runs import Storage
from assay_serving import logbook as module
from assay_serving.logbook import Logbook, share_place
from assay_serving.settings import LogPlan, Plan, ServeArgs
from assay_serving.web import create_app

JSON = {"content-type": "application/json"}


class Kept:
    """An application whose log lies in `storage`."""

    def __init__(self, app: Any, storage: Path, share: float = 1.0) -> None:
        self.app = app
        self.storage = Storage(storage)
        self.logbook = Logbook(app.desk)
        app.desk.watching.append(self.logbook.watch)
        transport = httpx.ASGITransport(create_app(app.desk, None, logbook=self.logbook), raise_app_exceptions=False)
        app.client = httpx.AsyncClient(transport=transport, base_url="http://here")
        self.keep(share)

    def keep(self, share: float) -> None:
        self.logbook.follow(LogPlan(storage=str(self.storage.root), share=share))

    def ask(self, *rows: dict[str, Any], **headers: str) -> str:
        """Ask and return the id of the request."""
        answer = self.app.post("/invocations", json={"dataframe_records": list(rows)}, headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["x-request-id"])

    def lines(self, name: str = "m") -> pa.Table:
        self.logbook.write()
        return prediction_log.read(self.storage, name, 1)


@pytest.fixture
def kept(open_app: Any, folders: dict[str, Path], tmp_path: Path) -> Iterator[Kept]:
    """The mixed model as m/1, all of whose requests are kept."""
    found = Kept(open_app(folders["mixed"]), tmp_path)
    yield found
    found.logbook.close()


def test_a_line_says_what_was_asked_and_answered(kept: Kept, row: dict[str, Any]) -> None:
    request_id = kept.ask(row, {**row, "age": None})
    first, second = kept.lines().to_pylist()
    assert (first["request_id"], first["row"], second["row"], first["assay_role"]) == (request_id, 0, 1, "champion")
    assert (first["age"], first["city"], first["member"], first["note"]) == (61.0, "Rome", True, row["note"])
    assert (str(first["joined"]), second["age"]) == ("2024-05-17 00:00:00", None)
    assert first["assay_answer"] == "over"
    assert sum(first["assay_probability"]) == pytest.approx(1.0)


def test_types_are_alike_whatever_door_the_rows_came_through(kept: Kept, row: dict[str, Any]) -> None:
    kept.ask({**row, "age": 61.5})
    names, values = ",".join(row), "61,Rome,yes,2024-05-17,good"
    kept.app.post("/invocations", content=f"{names}\n{values}\n", headers={"content-type": "text/csv"})
    kept.ask({**row, "city": None, "joined": None, "age": None})
    kept.logbook.write()
    assert len(list(kept.storage.root.rglob("*.parquet"))) == 1
    assert kept.lines()["city"].to_pylist() == ["Rome", "Rome", None]


def test_a_level_that_training_never_saw_is_kept_as_it_was_sent(kept: Kept, row: dict[str, Any]) -> None:
    kept.ask({**row, "city": "Łódź"})
    assert kept.lines()["city"].to_pylist() == ["Łódź"]


def test_numbers_are_kept_of_a_regression(open_app: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    kept = Kept(open_app(folders["number"]), tmp_path)
    kept.ask({"x0": 1.0, "x1": 2.0})
    line = kept.lines().to_pylist()[0]
    kept.logbook.close()
    assert isinstance(line["assay_answer"], float)
    assert "assay_probability" not in line


def test_nothing_is_kept_unless_it_is_asked_for(kept: Kept, row: dict[str, Any]) -> None:
    kept.keep(0.0)
    kept.ask(row)
    with pytest.raises(DataFault, match="holds no rows"):
        kept.lines()


def test_another_share_counts_at_once(kept: Kept, row: dict[str, Any]) -> None:
    kept.keep(0.0)
    kept.ask(row)
    kept.keep(1.0)
    request_id = kept.ask(row)
    assert kept.lines()["request_id"].to_pylist() == [request_id]


def test_a_request_is_kept_whole_or_not_at_all_and_feedback_knows_which(kept: Kept, row: dict[str, Any]) -> None:
    kept.keep(0.5)
    asked = [kept.ask(row, row, row) for _ in range(40)]
    found = Counter(kept.lines()["request_id"].to_pylist())
    assert set(found.values()) == {3}
    assert 8 <= len(found) <= 32
    assert {request_id for request_id in asked if kept.logbook.keeps(request_id)} == set(found)


def test_a_share_that_grows_keeps_what_it_kept() -> None:
    places = [share_place(f"request-{number}") for number in range(2_000)]
    assert all(0 <= place < 1 for place in places)
    assert abs(sum(place < 0.1 for place in places) / 2_000 - 0.1) < 0.02


def test_rows_beyond_the_memory_are_left_out_and_counted(
    kept: Kept, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_HELD_BYTES", 1)
    kept.ask(row, row)
    assert kept.app.get("/v2/models/m/stats").json()["model_stats"][0]["log"] == {
        "share": 1.0, "num_written": 0, "num_left_out": 2,
    }  # fmt: skip


def test_a_full_disk_costs_lines_and_no_answer(
    kept: Kept, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(files, "before_call", full)
        kept.ask(row)
        kept.logbook.write()
        kept.ask(row)
        kept.logbook.write()
    last = kept.ask(row)
    assert kept.lines()["request_id"].to_pylist() == [last]
    assert (kept.logbook.counts.num_written, kept.logbook.counts.num_left_out) == (1, 2)


def test_closing_writes_what_is_held(kept: Kept, row: dict[str, Any]) -> None:
    kept.ask(row)
    kept.logbook.close()
    assert prediction_log.read(kept.storage, "m", 1).num_rows == 1


def test_many_rows_are_written_before_the_time_has_come(
    kept: Kept, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WRITE_AT_ROWS", 2)
    kept.ask(row, row)
    kept.logbook.close()  # joins the thread
    assert kept.logbook.counts.num_written == 2


def test_the_log_of_a_storage_keeps_to_its_size(kept: Kept, row: dict[str, Any]) -> None:
    old = prediction_log.log_home(kept.storage.root, "m", "1") / "date=2020-01-01" / "x.parquet"
    files.make_folder(old.parent)
    files.write_file(old, b"old")
    kept.ask(row)
    kept.logbook.write()
    assert not old.parent.exists()


def test_a_path_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(ValueError, match="storage"):
        LogPlan(storage="relative")


def test_the_plan_of_a_server_says_what_is_kept(folders: dict[str, Path], tmp_path: Path) -> None:
    log = LogPlan(storage=str(tmp_path), share=0.5)
    models = Plan.alone("m", "1", str(folders["mixed"])).models
    assert ServeArgs(models=models, prediction_log=log).plan.prediction_log == log


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused_before_anything_starts(
    folders: dict[str, Path], tmp_path: Path, share: float
) -> None:
    release = Release.alone("demo", "1", folders["mixed"])
    with pytest.raises(SpecFault, match=r"prediction_log\.share"):
        serving.start(release, keeping=Keeping(tmp_path, share))


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    kept: Kept, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.05)
    with kept.logbook._writing:  # as a write that does not return
        kept.ask(row)
        kept.logbook._wake.set()
        while kept.logbook._held:
            time.sleep(0.01)
        kept.ask(row)
        ending = threading.Thread(target=kept.logbook.close, daemon=True)
        ending.start()
        ending.join(5)
        assert not ending.is_alive()
