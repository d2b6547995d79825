"""Explanations from Python and from the command line: a table for people, JSON, and a long table in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import assay
from assay.errors import DataFault, SpecFault
from assay.model import Model
from assay.store import artifact
from assay.workflows import explaining

FEW = "256"


@pytest.fixture(scope="module")
def model(fit: Callable[..., Model], people: pa.Table) -> Model:
    """Says who left."""
    return fit(people, "decision_tree", {"max_depth": 4})


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed model."""
    return artifact.pack(tmp_path_factory.mktemp("models") / "people", model).folder


@pytest.fixture(scope="module")
def file(people: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in a file."""
    path = tmp_path_factory.mktemp("rows") / "people.parquet"
    pq.write_table(people, path)
    return path


@pytest.fixture
def verb(command_line: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs `assay explain`, and returns its exit code and what it printed."""
    return partial(command_line, "explain")


def test_people_see_a_table_for_each_row(verb: Any, folder: Path, file: Path) -> None:
    code, out, _ = verb(folder, file, "--rows", 2, "--evaluations", FEW)
    assert code == 0
    assert "Row 0" in out
    assert "Row 1" in out
    assert "Row 2" not in out
    assert "probability of" in out


def test_json_adds_up_and_a_file_holds_the_same(verb: Any, folder: Path, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "why.csv"
    told = json.loads(verb(folder, file, "--rows", 3, "--evaluations", FEW, "--out", out, "--json")[1])
    assert (told["rows"], len(told["explanations"])) == (3, 3)
    why = pacsv.read_csv(out).to_pandas()
    assert len(why) == 3 * 7
    for row, one in enumerate(told["explanations"]):
        assert one["base"] + sum(part["contribution"] for part in one["contributions"]) == pytest.approx(one["value"])
        mine = why[why["row"] == row]
        assert mine["contribution"].tolist() == [part["contribution"] for part in one["contributions"]]
        assert mine["column"].tolist() == [part["column"] for part in one["contributions"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--class", "gone"], "'gone' is no class of this model"),
        (["--evaluations", "3"], "3 are too few"),
        (["--evaluations", "99999999"], "are too many"),
        (["--out", "why.txt"], "has the ending '.txt'"),
    ],
)
def test_a_wrong_wish_is_refused_with_the_fix(verb: Any, folder: Path, file: Path, words: list[str], said: str) -> None:
    code, _, err = verb(folder, file, *words)
    assert code == 2
    assert said in err
    assert "Fix: " in err


def test_python_explains_a_frame_by_a_model_or_its_folder(model: Model, folder: Path, people: pa.Table) -> None:
    frame = people.to_pandas().head(4)
    by_folder = assay.explain(str(folder), frame, rows=2, of="left", evaluations=256)
    assert by_folder == assay.explain(model, people, rows=2, of="left", evaluations=256)
    assert [(one["of"], one["scale"]) for one in by_folder] == [("left", "probability")] * 2


def test_a_row_has_one_explanation_wherever_it_stands(model: Model, people: pa.Table) -> None:
    alone = assay.explain(model, people.slice(5, 1), evaluations=256)
    assert alone == assay.explain(model, people, rows=6, evaluations=256)[5:]


def test_rows_that_do_not_fit_are_refused(model: Model, people: pa.Table) -> None:
    with pytest.raises(DataFault, match="column 'plan': is missing"):
        assay.explain(model, people.drop_columns(["plan"]))
    with pytest.raises(SpecFault, match="no class"):
        assay.explain(model, people, of="gone")


def test_the_label_of_the_rows_is_not_looked_at(model: Model, people: pa.Table) -> None:
    place = people.column_names.index("y")
    strange = people.set_column(place, "y", pa.array(["never heard of"] * people.num_rows))
    found = [assay.explain(model, rows, rows=1, evaluations=256) for rows in (people, strange)]
    assert found[0] == found[1]


def test_a_file_without_a_contribution_still_has_its_columns() -> None:
    nothing = explaining.long_table([{"contributions": []}])
    assert (nothing.num_rows, nothing.column_names[0], nothing.column_names[-1]) == (0, "row", "standard_error")
