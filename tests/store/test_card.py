"""What a model shows of itself: a few real rows, the test scores, and its card; also of models packed without them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.errors import ArtifactFault
from assay.model import Model
from assay.profile import Profile
from assay.store import artifact, card, example
from assay.store.artifact import Artifact
from assay.store.registry import Registry
from assay.vocabulary import Shelf

ROWS = [[{"age": 41, "plan": "basic"}], [{"age": None, "plan": "plus"}]]
SCORES = {"roc_auc": {"score": 0.9, "low": 0.8, "high": 1.0}}


@pytest.fixture
def shown(tmp_path: Path, model: Model) -> Artifact:
    """The model with examples and scores."""
    beside = {**example.content(ROWS), **card.scores("roc_auc", SCORES, 20)}
    return artifact.pack(tmp_path / "shown", model, beside)


def test_the_card_shows_the_rows_and_the_scores_that_were_packed(shown: Artifact, model: Model) -> None:
    found = card.of(shown.folder, model)
    assert found["example"] == {"from": "training", "requests": ROWS}
    assert (found["test"], found["test_rows"], found["train_rows"]) == (SCORES, 20, 60)


def test_the_card_names_what_the_model_reads_and_gives(shown: Artifact, model: Model) -> None:
    found = json.loads(json.dumps(card.of(shown.folder, model), allow_nan=False))
    assert (found["label"], found["task"], found["classes"]) == ("left", "binary", list(model.classes))
    assert [(column["name"], column["kind"]) for column in found["columns"]] == [
        ("age", "numeric"),
        ("plan", "category"),
    ]
    assert (found["digest"], found["members"]) == (shown.digest, [{"name": "trees", "algorithm": "lightgbm"}])


def test_a_model_packed_without_rows_is_shown_with_typical_values(packed: Artifact, model: Model) -> None:
    found = card.of(packed.folder, model)
    assert found["example"]["from"] == "typical"
    (row,) = found["example"]["requests"][0]
    assert model.profile.column("age").low <= row["age"] <= model.profile.column("age").high
    assert row["plan"] == model.profile.column("plan").levels[0]
    assert (found["test"], found["test_rows"]) == ({}, None)


def test_a_changed_example_is_refused(shown: Artifact, model: Model) -> None:
    (shown.folder / example.FILE).write_text("{}")
    with pytest.raises(ArtifactFault, match=r"example\.json"):
        card.of(shown.folder, model)


@pytest.mark.parametrize("text", [b"[]", b"{", b'{"examples": [[]]}', b'{"examples": [[3]]}', b'{"examples": 3}'])
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, model: Model, text: bytes) -> None:
    folder = artifact.pack(tmp_path / "odd", model, {example.FILE: text}).folder
    with pytest.raises(ArtifactFault, match="holds no rows"):
        card.of(folder, model)


def test_an_example_too_large_to_travel_is_left_out_for_a_smaller_one() -> None:
    large, small = [{"said": "x" * example.MAX_BYTES}], [{"said": "x"}]
    assert example.parse(example.content([large, small])[example.FILE]) == [small]
    assert example.content([large]) == {}


def profile_of(kind: str, rows: pa.Table) -> Profile:
    part = catalog.make(Shelf.KINDS, kind)
    found: Profile = part.profile(part.summarise(rows, np.arange(rows.num_rows), 0), "y", None, {}, None)
    return found


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("tabular", [1.5, 2.0, None, 9.0]),
        ("tabular", [True, False, True, None]),
        ("tabular", [datetime(2024, 1, day, 10) for day in (1, 2, 3, 4)]),
        ("text", ["so good it was", "not so bad after all", "meh was it not", "it was rather fine"]),
        ("image", np.zeros((4, 5, 6), int).tolist()),
        ("series", [[1.0, 2.0], [2.0, 3.0, 4.0], [1.0, 0.5], [0.0, 1.0]]),
        ("series", [[[1.0, 2.0], [2.0, 3.0]]] * 4),
    ],
)
def test_typical_values_of_every_kind_can_be_sent(kind: str, values: list[object]) -> None:
    profile = profile_of(kind, pa.table({"x": values, "y": [*"abab"]}))
    sent = json.loads(json.dumps(example.typical(profile), allow_nan=False))
    batch = catalog.make(Shelf.KINDS, kind).to_batch(pa.Table.from_pylist([sent]), profile)
    assert len(batch) == 1


def test_mlflow_shows_the_first_example(registry: Registry, shown: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    version = registry.register("shown", shown.folder, run_id="shown-1", experiment="registry")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking.uri)
    loaded = mlflow.pyfunc.load_model(f"models:/shown/{version}")
    assert loaded.input_example.to_dict("records") == ROWS[0]
    assert loaded.predict(loaded.input_example)["prediction"].tolist()[0] in ("no", "yes")
