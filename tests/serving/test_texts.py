"""Texts over HTTP: words and a recurrent network behind a real Ray Serve, through both doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Combination, Member, Model
from assay.parts import Learned
from assay.recipe import Recipe
from assay.store import artifact
from assay.store.releases import Release
from assay.vocabulary import Shelf

cluster = pytest.mark.cluster
WORDS = {"praise": ("fine", "great", "lovely"), "pan": ("dull", "awful", "silly")}
ASKED = ["a lovely film", "awful , so dull", "", "großartig 映画 🎬"]
PARAMS = {"text_linear": {}, "rnn": {"width": 8, "embedding": 8, "num_epochs": 4}}


@pytest.fixture(scope="module")
def text_model() -> Model:
    """Says whether a sentence praises or pans; two members of two kinds that vote."""
    draw = np.random.default_rng(0)
    label = ["praise" if row % 2 else "pan" for row in range(120)]
    said = [f"it was {' and '.join(draw.choice(WORDS[name], 2))} , film {row}" for row, name in enumerate(label)]
    rows = pa.table({"said": said, "label": label})
    kind = catalog.make(Shelf.KINDS, "text")
    profile = kind.profile(kind.summarise(rows, np.arange(120), 0), "label", None, {}, None)
    batch = kind.to_batch(rows, profile)
    members = [
        Member(key, key, params, "raw", catalog.make(Shelf.ALGORITHMS, key, params).fit(batch, seed=0))
        for key, params in PARAMS.items()
    ]
    return Model("text", profile, {"raw": Recipe(())}, tuple(members), Combination("vote", {}, Learned()))


@pytest.fixture(scope="module")
def folder(text_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed model."""
    return artifact.pack(tmp_path_factory.mktemp("texts") / "model", text_model).folder


@pytest.fixture(scope="module")
def app(open_app: Any, folder: Path) -> Any:
    """The model as m/1, without Ray."""
    return open_app(folder)


@pytest.fixture
def client(served: Any, folder: Path, folders: dict[str, Path]) -> Iterator[httpx.Client]:
    """A client of the text model behind the session's Ray Serve, which then serves the other again."""
    served.switch(Release.alone("demo", "texts", folder))
    with httpx.Client(base_url=served.url, timeout=30.0, trust_env=False) as http:
        yield http
    served.switch(Release.alone("demo", "after-texts", folders["mixed"]))


def tensor(said: list[Any]) -> dict[str, Any]:
    return {"name": "said", "shape": [len(said)], "datatype": "BYTES", "data": said}


@cluster
def test_both_doors_answer_texts_over_the_wire_as_the_model_does(client: httpx.Client, text_model: Model) -> None:
    expected_NK = text_model.predict(pa.table({"said": ASKED}))
    inferred = client.post("/v2/models/demo/infer", json={"inputs": [tensor(ASKED)]}).json()["outputs"]
    records = [{"said": said} for said in ASKED]
    invoked = client.post("/invocations", json={"dataframe_records": records}).json()["predictions"]
    classes = text_model.classes
    found_NK = [[record[f"probability_{name}"] for name in classes] for record in invoked]
    np.testing.assert_allclose(found_NK, expected_NK, atol=1e-6)
    np.testing.assert_allclose(np.reshape(inferred[1]["data"], (-1, 2)), expected_NK, atol=1e-6)
    assert [record["prediction"] for record in invoked[:2]] == inferred[0]["data"][:2] == ["praise", "pan"]


def test_a_csv_of_texts_is_answered(app: Any) -> None:
    body = 'said\n"a lovely film, great"\n"awful\nand ""dull"""\n'
    answer = app.post("/invocations", content=body.encode(), headers={"content-type": "text/csv"})
    assert [record["prediction"] for record in answer.json()["predictions"]] == ["praise", "pan"]


def test_the_model_says_that_it_reads_texts(app: Any) -> None:
    tensors = app.get("/v2/models/m").json()["inputs"]
    assert [(one["name"], one["datatype"], one["parameters"]["kind"]) for one in tensors] == [("said", "BYTES", "text")]


def test_a_text_of_nothing_is_answered_with_probabilities(app: Any) -> None:
    record = app.post("/invocations", json={"dataframe_records": [{"said": None}]}).json()["predictions"][0]
    assert record["probability_praise"] + record["probability_pan"] == pytest.approx(1)


@pytest.mark.parametrize("said", [5, ["a", "b"], {"a": 1}])
def test_what_is_no_text_is_refused_by_its_column(app: Any, said: Any) -> None:
    answer = app.post("/invocations", json={"dataframe_records": [{"said": said}]})
    assert answer.status_code == 400
    assert "said" in answer.json()["error"]


def test_half_a_character_is_refused_and_breaks_nothing(app: Any) -> None:
    body = b'{"dataframe_records": [{"said": "\\ud800"}]}'
    answer = app.post("/invocations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400)
    assert app.get("/v2/health/ready").status_code == 200


def test_the_words_of_a_text_add_up_and_stand_where_they_say(app: Any) -> None:
    body = {"instances": [{"said": said} for said in ASKED]}
    records = app.post("/v1/models/m:predict", json=body).json()["predictions"]
    found = app.post("/v1/models/m:explain", json=body).json()["explanations"]
    for said, explanation, record in zip(ASKED, found, records, strict=True):
        assert explanation["value"] == pytest.approx(record[f"probability_{record['prediction']}"], abs=1e-6)
        total = sum(part["contribution"] for part in explanation["contributions"])
        assert explanation["base"] + total == pytest.approx(explanation["value"], abs=1e-9)
        for part in explanation["contributions"]:
            first, last = map(int, part["column"].removeprefix("said[").removesuffix("]").split(":"))
            assert said[first:last] == part["value"]
    assert found[0]["contributions"][0]["value"] == "lovely"
    assert {part["value"] for part in found[1]["contributions"][:2]} == {"awful", "dull"}


def test_a_text_without_words_is_its_own_base(app: Any) -> None:
    body = {"instances": [{"said": None}]}
    (found,) = app.post("/v1/models/m:explain", json=body).json()["explanations"]
    assert (found["contributions"], found["base"]) == ([], found["value"])


def test_a_long_text_is_explained_by_groups_of_words_and_one_word_by_its_characters(app: Any) -> None:
    body = {"instances": [{"said": "a lovely film " * 100}, {"said": "lovely"}]}
    long, word = app.post("/v1/models/m:explain", json=body).json()["explanations"]
    assert len(long["contributions"]) == 48
    assert sorted(part["value"] for part in word["contributions"]) == sorted("lovely")
