"""A model that a real run made is watched: by the command line, with rows from files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import assay
from assay.cli import main
from assay.cli.watching import ALARM
from measuring.simulated import Stream

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Path:
    """A storage with the registered model `clicks`."""
    home = tmp_path_factory.mktemp("drift")
    experiment = assay.Experiment(
        experiment="clicks", data={"train": Stream(0).rows(1_200), "label": "y"}, split={"folds": 3},
        algorithms=["logistic_regression"], search={"trials": 2},
    )  # fmt: skip
    experiment.run(home)
    return home


def exit_code(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["assay", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("drift", "code"), [("none", 0), ("covariate", ALARM)])
def test_files_are_held_against_a_real_model(
    drift: str, code: int, storage: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pacsv.write_csv(Stream(1).rows(300, drift), storage / f"{drift}.csv")
    words = ["drift", "clicks", "--data", str(storage / f"{drift}.csv"), "--storage", str(storage), "--json"]
    assert exit_code(words, monkeypatch) == code
    found = json.loads(capsys.readouterr().out)
    assert found["prediction"]["findings"]
    assert found["score"]["registered"]["low"] is not None


def test_an_empty_file_is_a_fault_of_the_data(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pacsv.write_csv(pa.table(Stream(1).rows(10)).slice(0, 0), storage / "empty.csv")
    words = ["drift", "clicks", "--data", str(storage / "empty.csv"), "--storage", str(storage)]
    assert exit_code(words, monkeypatch) == 3
