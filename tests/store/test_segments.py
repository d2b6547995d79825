"""Rows that keep coming end in few files, each whole, and the oldest go when there are too many."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import ClusterFault
from assay.store import files, segments
from assay.store.segments import Segments, prune

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def rows(*values: float) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.float64())})


def written(home: Path) -> dict[str, list[list[float]]]:
    """Return what each day's files hold, by day."""
    found: dict[str, list[list[float]]] = {}
    for file in sorted(home.rglob("*.parquet")):
        found.setdefault(file.parent.name, []).append(pq.read_table(file, partitioning=None)["x"].to_pylist())
    return {day: sorted(holds) for day, holds in found.items()}


def test_rows_that_come_one_by_one_share_a_file(tmp_path: Path) -> None:
    log = Segments(tmp_path)
    for value in range(4):
        log.append(rows(value), NOON + timedelta(seconds=value))
    assert written(tmp_path) == {"date=2026-01-02": [[0.0, 1.0, 2.0, 3.0]]}


@pytest.mark.parametrize("later", [timedelta(minutes=11), timedelta(hours=13)])
def test_an_old_file_and_one_of_yesterday_are_left_as_they_are(tmp_path: Path, later: timedelta) -> None:
    log = Segments(tmp_path)
    log.append(rows(1), NOON)
    log.append(rows(2), NOON + later)
    assert sorted(chain.from_iterable(written(tmp_path).values())) == [[1.0], [2.0]]


def test_a_large_file_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MAX_ROWS", 3)
    log = Segments(tmp_path)
    for value in range(5):
        log.append(rows(value), NOON)
    assert written(tmp_path) == {"date=2026-01-02": [[0.0, 1.0, 2.0], [3.0, 4.0]]}


def test_rows_of_other_columns_begin_a_file(tmp_path: Path) -> None:
    log = Segments(tmp_path)
    log.append(rows(1), NOON)
    log.append(pa.table({"x": ["a"]}), NOON)
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_what_people_sent_is_for_the_owner_alone(tmp_path: Path) -> None:
    Segments(tmp_path / "log").append(rows(1), NOON)
    (file,) = (tmp_path / "log").rglob("*.parquet")
    assert [(tmp_path / "log").stat().st_mode & 0o777, file.stat().st_mode & 0o777] == [0o700, 0o600]


def test_two_writers_share_a_folder(tmp_path: Path) -> None:
    for value in range(2):
        Segments(tmp_path).append(rows(value), NOON)
    assert written(tmp_path) == {"date=2026-01-02": [[0.0], [1.0]]}


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_full_disk_leaves_what_was_written_and_the_next_append_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    log = Segments(tmp_path)
    log.append(rows(1), NOON)

    def full(name: str) -> None:
        if name == call:
            raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(files, "before_call", full)
        with pytest.raises(ClusterFault, match="no space left"):
            log.append(rows(2), NOON)
    log.append(rows(3), NOON)
    assert written(tmp_path) == {"date=2026-01-02": [[1.0, 3.0]]}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Ten days of two models, 1,000 bytes a file."""
    for day in range(1, 11):
        for name in ("a", "b"):
            files.make_folder(tmp_path / name / f"date=2026-01-{day:02d}")
            files.write_file(tmp_path / name / f"date=2026-01-{day:02d}" / "x.parquet", b"x" * 1_000)
    return tmp_path


def days(tree: Path) -> list[str]:
    return sorted({folder.name[-2:] for folder in tree.rglob("date=*")})


def test_days_beyond_the_limit_go_with_their_folders(tree: Path) -> None:
    assert prune(tree, 1 << 30, 3, datetime(2026, 1, 10, tzinfo=UTC)) == 12
    assert days(tree) == ["07", "08", "09", "10"]


def test_the_oldest_files_of_all_models_go_first_when_there_are_too_many(tree: Path) -> None:
    assert prune(tree, 5_000, 30, datetime(2026, 1, 10, tzinfo=UTC)) == 15
    assert days(tree) == ["08", "09", "10"]
    assert sum(file.stat().st_size for file in tree.rglob("*.parquet")) == 5_000


def test_a_tree_that_is_not_there_needs_no_pruning(tmp_path: Path) -> None:
    assert prune(tmp_path / "none", 1, 1, NOON) == 0
