"""A run on texts, end to end: rows without a word left out, members mixed, files of texts predicted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import sentences

import assay
from assay.cli import main
from assay.errors import DataFault

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sentences as CSV, of which two say nothing."""
    folder = tmp_path_factory.mktemp("texts")
    said = sentences.table(240).column("said").to_pylist()
    said[5] = said[8] = ""
    rows = sentences.table(240).set_column(0, "said", pa.array(said))
    pacsv.write_csv(rows, folder / "said.csv")
    return folder


@pytest.fixture(scope="module")
def result(home: Path, ray_cluster: None) -> assay.Result:
    """The run of the file."""
    settings: dict[str, Any] = {
        "experiment": "texts",
        "data": {"train": str(home / "said.csv"), "label": "label", "broken": "skip"},
        "split": {"folds": 3},
        "algorithms": ["text_linear", "text_naive_bayes"],
        "search": {"trials": 3},
        "metric": "accuracy",
    }
    return assay.Experiment(**settings).run(home / "storage")


def test_members_and_their_ensembles_are_on_the_leaderboard(result: assay.Result) -> None:
    board = result.leaderboard
    assert {"baseline", "trial", "ensemble"} == set(board["kind"])
    assert board.iloc[0]["score"] > 0.9
    assert result.json["winner"] != "dummy"


def test_a_file_of_texts_is_predicted_whatever_its_format(
    home: Path, result: assay.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pa.table({"said": ["the film was lovely and clever", "", "so dull , it was awful"]})
    pacsv.write_csv(asked, home / "asked.csv")
    pq.write_table(asked, home / "asked.parquet")
    expected = result.model.answer_table(asked).column("prediction").to_pylist()
    monkeypatch.setenv("ASSAY_STORAGE", str(home / "storage"))
    for name in ("asked.csv", "asked.parquet"):
        out = home / f"{name}.answers.parquet"
        monkeypatch.setattr(sys, "argv", ["assay", "predict", "texts/1", str(home / name), "--out", str(out)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        assert pq.read_table(out).column("prediction").to_pylist() == expected
    assert expected[::2] == ["praise", "pan"]


def test_rows_without_a_word_are_refused_where_the_file_does_not_skip_them(home: Path, result: assay.Result) -> None:
    settings = {"experiment": "texts", "data": {"train": str(home / "said.csv"), "label": "label"}}
    with pytest.raises(DataFault, match="2 of 240 rows hold no text: 5, 8"):
        assay.Experiment(**settings).run(home / "storage")
