"""The prediction log as new rows: those whose labels came back, and how many no retraining had before."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import DataFault
from assay.store.registry import Version
from assay.store.runs import Storage
from assay.workflows.retraining.given import LOG, Given, given_rows, look_for_rows

CLICKS = Version("clicks", 1, "run", "digest", 0.0, "source")


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A storage whose log holds five answers, three of them with labels."""
    log = pa.table({
        "request_id": [f"r{number}" for number in range(5)], "row": [0] * 5,
        "time_utc": pa.array([1_000 * number for number in range(5)], pa.timestamp("ms", "UTC")),
        "x": [0.5, 1.5, 2.5, 3.5, 4.5], "assay_role": ["champion"] * 5, "assay_answer": ["yes"] * 5,
    })  # fmt: skip
    told = pa.table({"request_id": ["r0", "r2", "r3"], "row": [0, 0, 0], "label": ["yes", "no", "no"]})
    for table, place in ((log, "log/clicks/1/date=2026-11-28"), (told, "feedback/clicks")):
        (tmp_path / "serving" / place).mkdir(parents=True)
        pq.write_table(table, tmp_path / "serving" / place / "a.parquet")
    return Storage(tmp_path)


def given(storage: Storage) -> Given:
    return given_rows(None, CLICKS, "y", storage)


def test_the_rows_of_the_log_whose_labels_came_back_are_new_rows(storage: Storage) -> None:
    found = given(storage)
    assert found.table.select(["x", "y"]).to_pydict() == {"x": [0.5, 2.5, 3.5], "y": ["yes", "no", "no"]}
    assert set(found.table.column_names) == {"x", "y", "time_utc"}
    assert (found.source, found.notes) == (LOG, ("2 new rows without a label are left out",))


def test_only_rows_after_those_of_the_last_retraining_count_as_new(storage: Storage) -> None:
    found = given(storage)
    earlier = json.loads(json.dumps(found.to_json()))
    assert found.num_after(None) == 3
    assert found.num_after(earlier) == 0
    later = Given(pa.concat_tables([found.table, later_row()], promote_options="default"), LOG, "time_utc")
    assert later.num_after(earlier) == 1


def later_row() -> pa.Table:
    time = pa.array([9_000], pa.timestamp("ms", "UTC"))
    return pa.table({"time_utc": time, "x": [9.5], "y": ["yes"]})


def test_rows_of_a_file_count_as_new_by_their_number(tmp_path: Path) -> None:
    files = [Given(pa.table({"x": list(range(num))}), "rows.csv", None) for num in (100, 130)]
    assert files[1].num_after(files[0].to_json()) == 30


def test_a_log_without_labels_says_how_they_come(tmp_path: Path, storage: Storage) -> None:
    (tmp_path / "serving/feedback/clicks/a.parquet").unlink()
    with pytest.raises(DataFault, match="Labels of served rows come by feedback"):
        given(storage)


@pytest.mark.parametrize(("data", "found"), [(None, "holds no rows"), (["nowhere.parquet"], "no such file")])
def test_rows_that_are_not_there_are_told_before_anything_starts(
    data: list[str] | None, found: str, tmp_path: Path
) -> None:
    with pytest.raises(DataFault, match=found):
        look_for_rows(data, CLICKS, Storage(tmp_path))
