"""`assay drift` and `assay.drift` hold new rows against what a registered model was trained on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import assay
from assay.cli import app
from assay.cli.watching import ALARM
from assay.errors import ArtifactFault, DataFault, SpecFault
from assay.store.runs import Storage


@pytest.fixture
def log(storage: Storage, shifted: pa.Table) -> Any:
    """Writes shifted rows to the prediction log, as the server does; taken away again afterwards."""
    rows = shifted.drop_columns(["y"])
    home = storage.root / "serving" / "log" / "clicks" / "1" / "date=2026-01-02"
    home.mkdir(parents=True)
    extra = {
        "request_id": [f"r{place}" for place in range(rows.num_rows)],
        "time_utc": [datetime(2026, 1, 2, place // 60, place % 60, tzinfo=UTC) for place in range(rows.num_rows)],
        "row": [0] * rows.num_rows,
        "prediction": ["yes"] * rows.num_rows,
    }
    pq.write_table(pa.table({**extra, **{name: rows[name] for name in rows.column_names}}), home / "part.parquet")
    (home / "torn.parquet").write_bytes(b"PAR1 torn")
    yield home
    for file in home.iterdir():
        file.unlink()
    home.rmdir()


def told(*words: str, storage: Storage, expected: int = 0) -> str:
    found = CliRunner().invoke(app, ["drift", *words, "--storage", str(storage.root)], catch_exceptions=False)
    assert found.exit_code == expected, found.output
    return found.stdout


def test_rows_as_in_training_raise_no_alarm(storage: Storage, calm: pa.Table) -> None:
    found = assay.drift("clicks", calm, storage.root)
    assert (found["verdict"], found["alarms"]) == ("no drift", [])
    assert found["score"]["registered"] is not None
    assert not found["score"]["worse"]


def test_a_data_frame_is_taken_as_well(storage: Storage, calm: pa.Table) -> None:
    assert assay.drift("clicks", calm.to_pandas(), storage.root)["rows"] == calm.num_rows


def test_shifted_columns_are_named(storage: Storage, shifted: pa.Table) -> None:
    found = assay.drift("clicks", shifted, storage.root)
    assert {column["name"] for column in found["columns"] if column["drifted"]} == {"a", "b", "c"}
    assert "columns" in found["alarms"]


def test_the_log_of_the_server_is_read_when_no_rows_are_given(storage: Storage, log: Path) -> None:
    found = json.loads(told("clicks", "--json", storage=storage, expected=ALARM))
    assert (found["model"], found["source"], found["rows"]) == ("clicks/1", "the prediction log", 300)
    assert found["score"] is None


def test_what_the_server_said_is_taken_from_the_log(storage: Storage, log: Path) -> None:
    table = pq.read_table(log / "part.parquet", partitioning=None)
    sure = pa.FixedSizeListArray.from_arrays(pa.array([0.0, 1.0] * table.num_rows, pa.float32()), 2)
    pq.write_table(table.append_column("assay_probability", sure), log / "part.parquet")
    (finding,) = assay.drift("clicks", storage=storage.root)["prediction"]["findings"]
    assert finding["drifted"]
    assert finding["distance"] > 1


def test_a_window_in_time_takes_the_newest_rows_of_the_log(storage: Storage, log: Path) -> None:
    assert json.loads(told("clicks", "--window", "1h", "--json", storage=storage, expected=ALARM))["rows"] == 61


def test_labels_that_came_back_are_joined_to_the_log(storage: Storage, log: Path, shifted: pa.Table) -> None:
    home = storage.root / "serving" / "feedback" / "clicks"
    home.mkdir(parents=True)
    keys = {"request_id": [f"r{place}" for place in range(200)], "row": [0] * 200}
    pq.write_table(pa.table({**keys, "label": shifted["y"][:200]}), home / "labels.parquet")
    found = assay.drift("clicks", storage=storage.root)
    (home / "labels.parquet").unlink()
    assert found["score"]["rows"] == 200
    assert found["label"]["name"] == "(label) y"


def test_a_score_below_the_registered_one_is_an_alarm(storage: Storage) -> None:
    from measuring.simulated import Stream

    found = assay.drift("clicks", Stream(seed=9).rows(500, "concept"), storage.root)
    assert found["alarms"] == ["score"]
    assert found["score"]["now"]["high"] < found["score"]["registered"]["low"]


def test_people_read_a_table_with_the_drifted_columns_first(storage: Storage, log: Path) -> None:
    lines = told("clicks", storage=storage, expected=ALARM).splitlines()
    assert "against the training rows of clicks/1" in lines[0]
    assert "DRIFT" in lines[2]
    assert lines[-1].startswith("drift (columns")


def test_the_picture_is_one_svg_that_is_the_same_each_time(storage: Storage, log: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for file in files:
        told("clicks", "--picture", str(file), storage=storage, expected=ALARM)
    assert ElementTree.parse(files[0]).getroot().tag.endswith("svg")
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_picture_of_another_kind_is_refused(storage: Storage) -> None:
    with pytest.raises(SpecFault, match=r"ends in \.svg"):
        told("clicks", "--picture", "drift.png", storage=storage)


def test_few_rows_are_told_as_too_few(storage: Storage, calm: pa.Table) -> None:
    found = assay.drift("clicks", calm.slice(0, 20), storage.root)
    assert (found["verdict"], found["alarms"], found["score"]) == ("too few rows to tell", [], None)


def test_a_window_that_is_none_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SpecFault, match="'3q' is no window"):
        assay.drift("nobody", window="3q", storage=tmp_path)


def test_no_rows_at_all_are_a_fault(storage: Storage, calm: pa.Table) -> None:
    with pytest.raises(DataFault, match="no rows"):
        assay.drift("clicks", calm.slice(0, 0), storage.root)


def test_an_empty_log_says_how_to_go_on(storage: Storage) -> None:
    with pytest.raises(DataFault, match=r"--data FILE"):
        assay.drift("clicks", storage=storage.root)


def test_a_missing_column_is_named(storage: Storage, calm: pa.Table) -> None:
    with pytest.raises(DataFault, match="column 'town'"):
        assay.drift("clicks", calm.drop_columns(["town"]), storage.root)


def test_a_column_of_another_type_is_named(storage: Storage, calm: pa.Table) -> None:
    wrong = calm.set_column(0, "a", pa.array(["many"] * calm.num_rows))
    with pytest.raises(DataFault, match="column 'a'"):
        assay.drift("clicks", wrong, storage.root)


def test_a_row_that_cannot_be_read_is_told_of_and_left_out(storage: Storage, calm: pa.Table) -> None:
    number = [str(value) for value in calm.column("a").to_pylist()]
    number[3] = "many"
    found = assay.drift("clicks", calm.set_column(0, "a", pa.array(number)), storage.root)
    assert found["rows"] == calm.num_rows - 1
    (note,) = found["notes"]
    assert note.startswith(f"1 of {calm.num_rows:,} rows cannot be read and are left out: row 3: column 'a': ")


def test_a_class_that_training_lacks_is_drift_of_the_label(storage: Storage, calm: pa.Table) -> None:
    strange = calm.set_column(calm.num_columns - 1, "y", pa.array(["perhaps"] * calm.num_rows))
    found = assay.drift("clicks", strange, storage.root)
    assert (found["score"], found["verdict"], found["alarms"]) == (None, "drift", ["label"])
    assert "'perhaps' in row 0" in found["notes"][0]


def test_one_new_class_leaves_the_other_labels_compared(storage: Storage, shifted: pa.Table) -> None:
    turned = [{"yes": "no", "no": "yes"}[label] for label in shifted["y"].to_pylist()]
    place = shifted.column_names.index("y")
    whole = assay.drift("clicks", shifted.set_column(place, "y", pa.array(turned)), storage.root)
    turned[7] = "perhaps"
    found = assay.drift("clicks", shifted.set_column(place, "y", pa.array(turned)), storage.root)
    assert found["alarms"] == whole["alarms"]
    assert {"label", "score"} & set(found["alarms"])
    assert found["score"]["rows"] == shifted.num_rows - 1


def test_an_unknown_model_is_a_fault_that_names_the_known_ones(storage: Storage, calm: pa.Table) -> None:
    with pytest.raises(SpecFault, match="clicks"):
        assay.drift("click", calm, storage.root)


def test_a_changed_reference_is_refused(storage: Storage, calm: pa.Table, tmp_path: Path) -> None:
    from assay.store import artifact
    from measuring.simulated import Stream, fitted

    trained = fitted(Stream(seed=3).rows(200), Stream(seed=4).rows(50))
    folder = artifact.pack(tmp_path / "model", trained.model, trained.reference).folder
    (folder / "reference.safetensors").write_bytes(b"{}")
    with pytest.raises(ArtifactFault, match=r"reference\.safetensors"):
        assay.drift(str(folder), calm, storage.root)
