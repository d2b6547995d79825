from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from assay.errors import ArtifactFault, SpecFault
from assay.store.runs import Run, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


@pytest.fixture
def run(storage: Storage) -> Run:
    return storage.new_run("adult-income")


def test_a_run_id_says_what_and_when(run: Run) -> None:
    assert re.fullmatch(r"adult-income-\d{8}-\d{6}-[0-9a-f]{4}", run.id)


def test_runs_are_listed_oldest_first_also_within_a_second(storage: Storage) -> None:
    made = [storage.new_run(name).id for name in ("zebra", "ape", "zebra", "cat", "ape")]
    assert storage.runs() == made


def test_the_latest_run_is_found(storage: Storage) -> None:
    ids = [storage.new_run(name).id for name in ("b", "a")]
    assert storage.open_run("latest").id == ids[-1]


def test_a_run_is_found_by_its_beginning(storage: Storage, run: Run) -> None:
    storage.new_run("bikes")
    assert storage.open_run("adult").id == run.id


def test_a_beginning_of_two_runs_is_refused_with_both(storage: Storage, run: Run) -> None:
    other = storage.new_run("adult-age")
    with pytest.raises(SpecFault, match=rf"2 runs\. Fix: say which: {run.id}, {other.id}"):
        storage.open_run("adult")


def test_an_unknown_run_is_refused_with_the_nearest(storage: Storage, run: Run) -> None:
    with pytest.raises(SpecFault, match=f"did you mean '{run.id}'"):
        storage.open_run(run.id.replace("adult", "aduld"))


def test_a_storage_without_runs_says_how_to_start_one(storage: Storage) -> None:
    with pytest.raises(SpecFault, match=r"holds no run.*`assay run FILE`"):
        storage.open_run()


def test_the_environment_names_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_STORAGE", str(tmp_path / "elsewhere"))
    assert Storage().root == tmp_path / "elsewhere"


def test_arrays_come_back_bit_for_bit(run: Run) -> None:
    x_NK = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    arrays = {"strided": x_NK[::2, ::3], "row": np.arange(5), "mask": x_NK[:, 0] > 0, "one": np.array(0.1)}
    run.write_arrays(Run.fold_name(7, 2), arrays)
    found = run.read_arrays(Run.fold_name(7, 2))
    assert {key: (a.dtype, a.shape, a.tobytes()) for key, a in found.items()} == {
        key: (a.dtype, a.shape, a.tobytes()) for key, a in arrays.items()
    }


def test_json_comes_back(run: Run) -> None:
    run.write_json("profile.json", {"rows": 3, "levels": ["a", None]})
    assert run.read_json("profile.json") == {"rows": 3, "levels": ["a", None]}


@pytest.mark.parametrize("read", [Run.read_json, Run.read_arrays])
def test_a_broken_file_of_a_run_is_named(run: Run, read: object) -> None:
    run.write_bytes("trials/x", b"\xff" * 20)
    with pytest.raises(ArtifactFault, match=f"trials/x: is broken.*`assay resume {run.id}`"):
        read(run, "trials/x")  # type: ignore[operator]


def test_a_missing_file_of_a_run_is_named(run: Run) -> None:
    with pytest.raises(ArtifactFault, match=r"spec\.yaml: is missing from the run"):
        run.read_text("spec.yaml")


def test_nothing_is_written_outside_of_a_run(run: Run) -> None:
    with pytest.raises(ArtifactFault, match="not the name of a file inside"):
        run.write_text("../other/spec.yaml", "")


def test_leftovers_are_removed_and_results_stay(storage: Storage, run: Run) -> None:
    run.write_text("report.html", "fine")
    torn = run.folder / ".report.html.0a1b2c3d.tmp"
    torn.touch()
    assert storage.remove_leftovers() == [torn]
    assert storage.leftovers() == []
    assert run.read_text("report.html") == "fine"


def test_what_a_living_writer_is_writing_is_no_leftover(storage: Storage, run: Run) -> None:
    with run.lock():
        (run.folder / ".report.html.0a1b2c3d.tmp").touch()
        assert storage.leftovers() == run.leftovers() == []
    assert len(storage.leftovers()) == 1
