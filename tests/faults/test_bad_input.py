"""Bad input: the exit code says whose turn it is, the words say where, what and the fix, and nothing is written."""

from __future__ import annotations

import errno
import gzip
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.store import files

HERE = runpy.run_path(str(Path(__file__).parent / "conftest.py"))
NUM_ROWS, columns, csv_text = HERE["NUM_ROWS"], HERE["columns"], HERE["csv_text"]
USAGE, DATA, CLUSTER = 2, 3, 4
GOOD = csv_text(columns())
Verb = Callable[..., Any]


def other(name: str, values: Callable[[int], object]) -> bytes:
    """Return a good file in which one column is another."""
    return str(csv_text(columns(**{name: [values(row) for row in range(NUM_ROWS)]}))).encode()


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "data.csv: is empty (0 bytes). Fix: give a file with a header and rows"),
    "a header alone": (b"age,plan,left\n", "data.csv: has a header but no rows. Fix: give a file with rows"),
    "a label of one class": (
        other("left", lambda _: "no"),
        "label 'left': has one class, 'no'. Fix: choose another label or add rows",
    ),
    "a label that is missing everywhere": (
        other("left", lambda _: None),
        "label 'left': every row is missing. Fix: choose another label",
    ),
    "a label that is missing in places": (
        other("left", lambda row: None if row in (3, 9) else "ab"[row % 2]),
        "label 'left': 2 of 80 rows are missing (first: row 3). "
        "Fix: fill them in, or write `data: {missing_label: drop}`",
    ),
    "a class of one row": (
        other("left", lambda row: "rare" if row == 5 else "ab"[row % 2]),
        "label 'left': class 'rare' has one row. "
        "Fix: add rows of it, or drop it: a class needs a row to learn from and one to judge",
    ),
    "another label": (
        GOOD.replace("left", "lft", 1).encode(),
        "data.label: no column is named 'left'. Fix: did you mean 'lft'?",
    ),
    "infinite numbers": (
        other("age", lambda row: "inf" if row in (8, 11) else row * 7 % 50),
        "column 'age': 2 of 80 training rows are infinite (first: row 8). "
        "Fix: replace them by missing values, or drop these rows",
    ),
    "a line that is too short": (
        (GOOD + "1,2\n").encode(),
        "data.csv: is ragged: line 82: Expected 3 columns, got 2: 1,2. "
        "Fix: give every line as many values as the header has names; quote values with commas",
    ),
    "zero bytes": (
        b"\x00\x01\x02" * 99,
        "data.csv: is not text (it holds zero bytes). Fix: name its real format in data.format",
    ),
    "columns that cannot help": (
        csv_text({"a": [7] * 80, "b": [f"id{n}" for n in range(80)], "left": columns()["left"]}).encode(),
        "columns: none is left to learn from ('a': every value is the same; "
        "'b': nearly every value is different, like an identifier). "
        "Fix: add columns, or keep one with `columns: {NAME: {kind: …}}`",
    ),
}


def assert_nothing_written(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir() if path.name not in ("data.csv", "small.yaml")) == []


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_plan_tells_what_is_wrong_with_a_file(name: str, assay: Verb, experiment: Verb, tmp_path: Path) -> None:
    content, expected = BAD_FILES[name]
    (tmp_path / "data.csv").write_bytes(content)
    said = assay("plan", experiment("split: {test_fraction: 0}"))
    assert (said.code, said.out, said.faults) == (DATA, "", [expected])
    assert_nothing_written(tmp_path)


@pytest.mark.cluster
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_run_tells_the_same_and_leaves_no_run(
    name: str, assay: Verb, experiment: Verb, tmp_path: Path, ray_cluster: None
) -> None:
    content, expected = BAD_FILES[name]
    (tmp_path / "data.csv").write_bytes(content)
    said = assay("run", experiment("split: {test_fraction: 0}"))
    assert (said.code, said.out, said.faults) == (DATA, "", [expected])
    assert_nothing_written(tmp_path)


@pytest.mark.cluster
def test_a_value_that_is_broken_in_a_test_row_is_told_before_anything_is_fitted(
    assay: Verb, experiment: Verb, tmp_path: Path, ray_cluster: None
) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "test.csv").write_bytes(other("age", lambda row: "old" if row == 7 else row))
    said = assay("run", experiment(data="{train: data.csv, test: test.csv, label: left}"))
    assert said.code == DATA
    assert said.faults == ["test rows, column 'age': found text, expected numbers (first: 'old' in row 7)."]
    assert not (tmp_path / "storage").exists()


@pytest.mark.cluster
def test_a_date_that_does_not_exist_is_told_before_a_run_begins(
    assay: Verb, experiment: Verb, tmp_path: Path, ray_cluster: None
) -> None:
    (tmp_path / "data.csv").write_bytes(other("joined", lambda row: f"2023-02-{29 if row == 4 else 1 + row % 28:02d}"))
    said = assay("run", experiment("split: {test_fraction: 0}"))
    assert said.code == DATA
    assert said.faults[0].startswith("column 'joined': 1 of 80 values are days that do not exist")
    assert "'2023-02-29'" in said.faults[0]
    assert_nothing_written(tmp_path)


@pytest.mark.cluster
def test_too_many_folds_are_told_with_the_number_of_rows(
    assay: Verb, experiment: Verb, tmp_path: Path, ray_cluster: None
) -> None:
    table = {name: values[:12] for name, values in columns().items()}
    (tmp_path / "data.csv").write_text(csv_text(table))
    said = assay("run", experiment("split: {name: shuffled, folds: 20, test_fraction: 0}"))
    assert said.code == DATA
    assert said.faults == [
        "split.folds: 20 folds of 12 training rows leave 8 empty. "
        "Fix: write `split: {folds: 12}`, give more rows, groups or times"
    ]
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize("verb", ["plan", "init"])
def test_a_file_that_is_not_there_is_named_with_the_nearest(
    verb: str, assay: Verb, experiment: Verb, tmp_path: Path
) -> None:
    (tmp_path / "dta.csv").write_text(GOOD)
    words = [experiment()] if verb == "plan" else ["data.csv", "--label", "left"]
    said = assay(verb, *words)
    assert (said.code, said.faults) == (DATA, ["data.csv: no such file. Fix: did you mean 'dta.csv'?"])


def test_columns_that_cannot_help_are_dropped_with_a_word(assay: Verb, experiment: Verb, tmp_path: Path) -> None:
    unique, empty = [f"id{row}" for row in range(NUM_ROWS)], [None] * NUM_ROWS
    (tmp_path / "data.csv").write_text(csv_text(columns(name=unique, note=empty)))
    said = assay("plan", experiment())
    assert said.code == 0
    assert "name: nearly every value is different, like an identifier" in said.out
    assert "note: every value is missing" in said.out


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("data.parquet", b"PAR1 and nothing", "is not a Parquet file"),
        ("data.parquet", GOOD.encode(), "is not a Parquet file"),
        ("data.parquet", b"", "is empty (0 bytes)"),
        ("data.csv.gz", GOOD.encode(), "is not a whole gzip file"),
        ("data.csv.gz", gzip.compress(GOOD.encode())[:-30], "is not a whole gzip file"),
        ("data.xlsx", b"PK", "is a spreadsheet"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_named(
    file: str, content: bytes, said: str, assay: Verb, experiment: Verb, tmp_path: Path
) -> None:
    (tmp_path / file).write_bytes(content)
    found = assay("plan", experiment(data=f"{{train: {file}, label: left}}"))
    assert found.code == DATA
    assert found.faults[0].startswith(f"{file}: {said}")
    assert " Fix: " in found.faults[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("trails: 3", "{file}:5:1 trails: unknown key 'trails'. Fix: "),
        (
            "split: {folds: many}",
            "{file}:5:9 split.folds: got text 'many', expected 'auto' or a whole number. Fix: use \"auto\"",
        ),
        (
            "metric: roc_acu",
            "{file}:5:1 metric: no part named 'roc_acu' on the shelf metrics. Fix: did you mean 'roc_auc'?",
        ),
        (
            "split: {name: by_group}",
            "{file}:5:9 split.name: divides by group, data.group is not set. Fix: write `data: {group: COLUMN}`",
        ),
        ("kind: tabluar", "{file}:5:1 kind: no part named 'tabluar' on the shelf kinds. Fix: did you mean 'tabular'?"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "plan", "render"])
def test_a_fault_of_the_experiment_file_is_told_by_line_before_anything_starts(
    verb: str, line: str, expected: str, assay: Verb, experiment: Verb, tmp_path: Path
) -> None:
    file = experiment(line)
    said = assay(verb, file)
    assert said.code == USAGE
    assert said.faults[0].startswith(expected.replace("{file}", str(file)))
    assert_nothing_written(tmp_path)


def test_a_metric_that_is_not_for_the_task_is_told_with_those_that_are(
    assay: Verb, experiment: Verb, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    said = assay("plan", experiment("metric: rmse"))
    assert said.code == USAGE
    assert said.faults[0].startswith("metric: 'rmse' is not for the task binary. Fix: use one of: accuracy, ")


def test_an_experiment_file_that_is_not_there_is_named(assay: Verb, tmp_path: Path) -> None:
    said = assay("run", "nosuch.yaml")
    assert said.code == USAGE
    assert said.faults[0].startswith("nosuch.yaml: cannot be read (No such file or directory). Fix: ")


@pytest.mark.parametrize("words", [["rnu"], ["run"], ["run", "a.yaml", "--trials", "0"], ["init", "data.csv"]])
def test_a_command_line_that_cannot_be_understood_is_told_with_its_usage(words: list[str], assay: Verb) -> None:
    said = assay(*words)
    assert said.code == USAGE
    assert "Usage: " in said.err


def test_an_experiment_file_that_is_there_is_not_written_over(assay: Verb, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "data.yaml").write_text("mine")
    said = assay("init", "data.csv", "--label", "left")
    assert said.code == USAGE
    assert said.faults == ["data.yaml: is there already. Fix: choose another name with --out, or add --force"]
    assert (tmp_path / "data.yaml").read_text() == "mine"


@pytest.mark.parametrize("words", [["leaderboard"], ["resume"], ["leaderboard", "small-2026"]])
def test_a_run_that_is_not_there_is_told(words: list[str], assay: Verb) -> None:
    said = assay(*words)
    assert said.code == USAGE
    assert "holds no run. Fix: start one with `assay run FILE`" in said.faults[0]


@pytest.mark.parametrize(
    "words",
    [["predict", "nosuch", "data.csv", "--out", "p.csv"], ["evaluate", "nosuch", "data.csv"], ["serve", "nosuch"]],
)
def test_a_model_that_is_not_there_is_told_and_nothing_is_written(
    words: list[str], assay: Verb, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    said = assay(*words)
    assert said.code == USAGE
    assert "nosuch" in said.faults[0]
    assert " Fix: " in said.faults[0]
    assert not (tmp_path / "p.csv").exists()
    assert not list(tmp_path.rglob("mlflow*")), "looking for a model made a database"


@pytest.mark.parametrize(("out", "said"), [("p.xls", "has the ending '.xls'"), ("no/p.csv", "lies in a folder that")])
def test_predictions_need_a_place_that_can_be_written(out: str, said: str, assay: Verb, tmp_path: Path) -> None:
    found = assay("predict", "any", "data.csv", "--out", out)
    assert found.code == USAGE
    assert found.faults[0].startswith(f"{out}: {said}")


@pytest.mark.cluster
def test_no_room_on_the_disk_says_where_and_leaves_no_half_of_a_run(
    assay: Verb, experiment: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_cluster: None
) -> None:
    def full(name: str) -> None:
        if name == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "data.csv").write_text(GOOD)
    monkeypatch.setattr(files, "before_call", full)
    said = assay("run", experiment())
    assert said.code == CLUSTER
    assert said.faults[0].startswith(f"{tmp_path}/storage/runs/small-")
    assert "cannot be written (No space left on device). Fix: free space on that disk (" in said.faults[0]
    assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []


@pytest.mark.cluster
def test_a_storage_that_cannot_be_a_folder_is_told(
    assay: Verb, experiment: Verb, tmp_path: Path, ray_cluster: None
) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    said = assay("run", experiment(), "--storage", tmp_path / "data.csv")
    assert said.code == CLUSTER
    assert said.faults[0].startswith(f"{tmp_path}/data.csv/runs")
    assert "cannot be written (Not a directory). Fix: " in said.faults[0]
