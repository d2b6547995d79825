"""Writes are whole or did not happen, whichever call of the disk fails or at whichever the process dies."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.errors import ArtifactFault, ClusterFault
from assay.store import files
from assay.store.events import EventLog

Action = Callable[[Path], object]
OLD = {"config": b"old"}
NEW = {"config": b"new", "model/a.txt": b"one", "model/deep/b.txt": b"two", "events/000001.json": b"event"}


def write_file(folder: Path) -> None:
    files.write_file(folder / "config", b"new")


def write_folder(folder: Path) -> None:
    files.write_folder(folder / "model", {"a.txt": b"one", "deep/b.txt": b"two"})


def append_event(folder: Path) -> None:
    EventLog(folder / "events").append("trial", number=7)


WRITES = pytest.mark.parametrize("write", [write_file, write_folder, append_event])


class Calls:
    """Counts the calls that change the disk, and ends the n-th of them, or all from the n-th on, with `end`."""

    def __init__(self, fail_at: int, end: Callable[[], object], stays_broken: bool = False) -> None:
        self.count = 0
        self.fail_at, self.end, self.stays_broken = fail_at, end, stays_broken

    def __call__(self, name: str) -> None:
        self.count += 1
        if self.count == self.fail_at or (self.stays_broken and self.count > self.fail_at):
            self.end()


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def state(folder: Path) -> tuple[str, ...]:
    """Return every file that is not a leftover, with its content; an event's content holds a clock, so its size."""
    left = files.leftovers(folder)
    return tuple(
        f"{path.relative_to(folder)} {len(path.read_bytes()) if path.suffix == '.json' else path.read_bytes()!r}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(path.is_relative_to(one) for one in left)
    )


def fresh(place: Path) -> Path:
    place.mkdir()
    (place / "config").write_bytes(b"old")
    return place


def num_calls(place: Path, write: Action, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many calls a write makes, and check that `place` is then in the state after."""
    counted = Calls(0, full)
    with monkeypatch.context() as patch:
        patch.setattr(files, "before_call", counted)
        write(fresh(place))
    assert counted.count >= 4
    return counted.count


@WRITES
@pytest.mark.parametrize("stays_broken", [False, True], ids=["one call fails", "all later calls fail too"])
def test_a_write_that_fails_at_any_call_leaves_the_state_before_or_after(
    write: Action, stays_broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, total = state(fresh(tmp_path / "before")), num_calls(tmp_path / "after", write, monkeypatch)
    for n in range(1, total + 1):
        place = fresh(tmp_path / str(n))
        with monkeypatch.context() as patch:
            patch.setattr(files, "before_call", Calls(n, full, stays_broken))
            try:
                write(place)
            except ClusterFault:
                assert state(place) in (before, state(tmp_path / "after"))
            else:  # only what comes after the write, such as removing its temporary name, may fail unnoticed
                assert state(place) == state(tmp_path / "after")


@WRITES
def test_a_failed_write_removes_what_it_had_begun(
    write: Action, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = num_calls(tmp_path / "after", write, monkeypatch)
    for n in range(1, total + 1):
        place = fresh(tmp_path / str(n))
        with monkeypatch.context() as patch:
            patch.setattr(files, "before_call", Calls(n, full))
            try:
                write(place)
            except ClusterFault:
                assert files.leftovers(place) == []


@WRITES
def test_a_process_that_dies_at_any_call_leaves_the_state_before_or_after(
    write: Action, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, total = state(fresh(tmp_path / "before")), num_calls(tmp_path / "after", write, monkeypatch)
    for n in range(1, total + 1):
        place = fresh(tmp_path / str(n))
        child = os.fork()
        if child == 0:
            files.before_call = Calls(n, lambda: os._exit(9))
            write(place)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert state(place) in (before, state(tmp_path / "after"))


def test_leftovers_of_the_dead_are_found_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "staging/model-0a1b2c3d").mkdir(parents=True)
    (tmp_path / ".config.0a1b2c3d.tmp").touch()
    (tmp_path / ".env").touch()
    (tmp_path / "model-0a1b2c3d").mkdir()
    assert files.leftovers(tmp_path) == [tmp_path / ".config.0a1b2c3d.tmp", tmp_path / "staging/model-0a1b2c3d"]


def test_a_full_disk_is_told_with_the_place_and_the_command_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs/adult-1"
    run.mkdir(parents=True)
    monkeypatch.setattr(files, "before_call", Calls(1, full))
    with pytest.raises(ClusterFault, match=r"adult-1/spec.yaml: .*No space left.*free space.*`assay resume adult-1`"):
        files.write_file(run / "spec.yaml", b"")


def test_a_new_file_never_replaces_another(tmp_path: Path) -> None:
    files.write_file(tmp_path / "a", b"old")
    with pytest.raises(FileExistsError):
        files.write_new_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_new_folder_never_replaces_another(tmp_path: Path) -> None:
    files.write_folder(tmp_path / "a", {"b": b"old"})
    with pytest.raises(FileExistsError):
        files.write_folder(tmp_path / "a", {"b": b"new"})
    assert (tmp_path / "a/b").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a", "a/../../b", "./a", "a//b", "a\\b", "a\0b", "..", "."])
def test_a_name_that_is_not_plainly_inside_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactFault, match="not the name of a file inside"):
        files.write_folder(tmp_path / "a", {name: b""})


def test_a_symbolic_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/out").symlink_to(tmp_path)
    with pytest.raises(ArtifactFault, match="leads outside"):
        files.inside(tmp_path / "run", "out/config")


def test_removing_a_folder_takes_it_away_in_one_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_folder(tmp_path / "a", {"b": b"", "c": b""})
    monkeypatch.setattr(files, "before_call", lambda name: full() if name == "rmtree" else None)
    with pytest.raises(ClusterFault):
        files.remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert len(files.leftovers(tmp_path)) == 1
