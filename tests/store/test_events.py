from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assay.errors import ArtifactFault
from assay.store.events import EventLog


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    log = EventLog(tmp_path / "events")
    for trial in range(3):
        log.append("trial", number=trial, score=trial / 3)
    return log


def test_a_log_without_events_is_empty(tmp_path: Path) -> None:
    assert EventLog(tmp_path / "events").read() == []


def test_events_come_back_in_order_with_their_data(log: EventLog) -> None:
    assert [(event.number, event.type, event.data["score"]) for event in log.read()] == [
        (1, "trial", 0.0),
        (2, "trial", 1 / 3),
        (3, "trial", 2 / 3),
    ]


def test_another_process_goes_on_after_the_last_event(log: EventLog) -> None:
    assert EventLog(log.folder).append("end").number == 4


def test_an_event_that_someone_else_wrote_is_not_replaced(log: EventLog) -> None:
    EventLog(log.folder).append("end")
    assert log.append("late").number == 5
    assert [event.type for event in log.read()[3:]] == ["end", "late"]


def test_threads_append_without_gaps(log: EventLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda trial: log.append("trial", number=trial), range(40)))
    assert len(log.read()) == 43


def test_a_torn_temporary_file_is_ignored(log: EventLog) -> None:
    (log.folder / ".000004.json.0a1b2c3d.tmp").write_text('{"num')
    assert len(log.read()) == 3


def test_a_missing_event_is_named(log: EventLog) -> None:
    (log.folder / "000002.json").unlink()
    with pytest.raises(ArtifactFault, match=r"000002\.json: is missing, though '000003\.json' follows"):
        log.read()


BROKEN = {
    "empty": "",
    "torn": '{"number": 2',
    "list": "[]",
    "keys": '{"number": 2, "type": "x"}',
    "deep": "[" * 100_000,
    "number": '{"number": 7, "type": "trial", "at": "", "data": {}}',
    "data": '{"number": 2, "type": "trial", "at": "", "data": 1}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_an_event_that_cannot_be_read_is_named(log: EventLog, text: str) -> None:
    (log.folder / "000002.json").write_text(text)
    with pytest.raises(ArtifactFault, match=r"000002\.json: is not an event"):
        log.read()


def test_a_score_that_is_not_a_number_never_reaches_the_log(log: EventLog) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        log.append("trial", score=float("nan"))
    assert len(log.read()) == 3
