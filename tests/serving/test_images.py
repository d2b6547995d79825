"""Images in requests: base64 text of files and pixels as lists, through both doors, and what is said of broken ones."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe
from assay.store import artifact
from assay.store.releases import Release
from assay.vocabulary import Shelf

SIDE = 10
Json = dict[str, Any]


def pictures(num_rows: int) -> np.ndarray:
    """Return grey images whose upper half is bright in every second one, the lower half in the others."""
    image_NHW = np.random.default_rng(0).integers(0, 90, (num_rows, SIDE, SIDE)).astype(np.uint8)
    image_NHW[::2, : SIDE // 2] += 140
    image_NHW[1::2, SIDE // 2 :] += 140
    return image_NHW


def text(image: np.ndarray, kind: str = "PNG") -> str:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return base64.b64encode(stream.getvalue()).decode()


@pytest.fixture(scope="module")
def model() -> Model:
    """Says whether the upper or the lower half of an image is bright."""
    files = [base64.b64decode(text(image)) for image in pictures(60)]
    rows = pa.table({"photo": files, "bright": ["upper", "lower"] * 30})
    kind = catalog.make(Shelf.KINDS, "image")
    profile = kind.profile(kind.summarise(rows, np.arange(60), 0), "bright", None, {}, None)
    params = {"num_epochs": 6, "width": 8}
    fitted = catalog.make(Shelf.ALGORITHMS, "cnn", params).fit(kind.to_batch(rows, profile).packed(), seed=0)
    return Model("image", profile, {"raw": Recipe(())}, (Member("cnn", "cnn", params, "raw", fitted),))


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, packed."""
    return artifact.pack(tmp_path_factory.mktemp("images") / "model", model).folder


@pytest.fixture(scope="module")
def app(folder: Path, open_app: Callable[..., Any]) -> Any:
    """The model as m/1, without Ray."""
    return open_app(folder)


def said(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    content = answer.json()
    if "predictions" in content:
        return [record["prediction"] for record in content["predictions"]]
    return list(content["outputs"][0]["data"])


def tensor(data: Any, shape: list[int], datatype: str = "UINT8") -> Json:
    return {"inputs": [{"name": "photo", "shape": shape, "datatype": datatype, "data": data}]}


def forms() -> dict[str, tuple[str, Json]]:
    """Return the same two images in every form that a request may have, and the path that takes it."""
    two, texts = pictures(2), [text(image) for image in pictures(2)]
    lists, colour = two.tolist(), np.repeat(two[..., None], 3, axis=3)
    infer, invoke = "/v2/models/m/infer", "/invocations"
    return {
        "files": (infer, tensor(texts, [2], "BYTES")),
        "files in columns": (infer, tensor(texts, [2, 1], "BYTES")),
        "pixels": (infer, tensor(lists, [2, SIDE, SIDE])),
        "flat pixels": (infer, tensor(two.ravel().tolist(), [2, SIDE, SIDE, 1])),
        "colour": (infer, tensor(colour.tolist(), [2, SIDE, SIDE, 3])),
        "records": (invoke, {"dataframe_records": [{"photo": texts[0]}, {"photo": texts[1]}]}),
        "split": (invoke, {"dataframe_split": {"columns": ["photo"], "data": [[image] for image in lists]}}),
        "instances of files": (invoke, {"instances": texts}),
        "instances of pixels": (invoke, {"instances": lists}),
        "rows without names": (invoke, {"instances": [[image] for image in texts]}),
        "inputs by name": (invoke, {"inputs": {"photo": texts}}),
        "inputs of pixels": (invoke, {"inputs": lists}),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_of_an_image_gets_the_same_answer(app: Any, form: str) -> None:
    path, body = forms()[form]
    assert said(app.post(path, json=body)) == ["upper", "lower"]


def test_a_csv_of_base64_and_a_photo_of_another_format_and_size_are_read(app: Any) -> None:
    body = "photo\n" + "\n".join(text(image) for image in pictures(2))
    assert said(app.post("/invocations", content=body, headers={"content-type": "text/csv"})) == ["upper", "lower"]
    large = np.kron(pictures(1)[0], np.ones((4, 4), np.uint8))
    jpeg = "data:image/jpeg;base64," + text(large, "JPEG")
    assert said(app.post("/invocations", json={"instances": [jpeg]})) == ["upper"]


def test_a_file_and_its_pixels_get_the_same_probabilities(app: Any) -> None:
    answers = [app.post(*[forms()[form][0]], json=forms()[form][1]).json() for form in ("files", "pixels")]
    assert answers[0]["outputs"] == answers[1]["outputs"]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("hello!", "row 1 (text 'hello!' is not base64)"),
        (text(pictures(1)[0])[:80], "row 1"),
        (base64.b64encode(b"nothing").decode(), "row 1 (no image format is known"),
        (None, "row 1 has no image"),
    ],
)
def test_a_broken_image_is_refused_by_column_and_row(app: Any, cell: str | None, words: str) -> None:
    good = text(pictures(1)[0])
    for path, body in (
        ("/invocations", {"dataframe_records": [{"photo": good}, {"photo": cell}]}),
        ("/v2/models/m/infer", tensor([good, cell], [2], "BYTES")),
    ):
        answer = app.post(path, json=body)
        assert answer.status_code == 400, answer.text
        assert "column 'photo'" in answer.json()["error"]
        assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (tensor([3, 4], [2], "INT64"), "column 'photo': found int64, expected images"),
        (tensor([[1, 2], [3, 4]], [2, 2]), "column 'photo' of this model is not a number"),
        (tensor([[[[[1]]]]], [1, 1, 1, 1, 1]), "has shape [1, 1, 1, 1, 1]"),
        (tensor([], [1, 0, 4]), "has shape [1, 0, 4]"),
        (tensor([[[1, 2], [3]]], [1, 2, 2]), "nested data must be"),
        (tensor([[[-5, 2], [3, 4]]], [1, 2, 2]), "does not fit the datatype UINT8"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}, "column 'photo': is missing"),
    ],
)
def test_a_tensor_that_holds_no_images_is_refused_in_words(app: Any, body: Json, words: str) -> None:
    answer = app.post("/v2/models/m/infer", json=body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]


def test_metadata_says_that_the_column_is_an_image(app: Any) -> None:
    (column,) = app.get("/v2/models/m").json()["inputs"]
    assert (column["name"], column["datatype"], column["parameters"]["kind"]) == ("photo", "BYTES", "image")


def test_the_patches_of_an_image_add_up_and_the_bright_half_is_what_speaks(app: Any) -> None:
    body = {"instances": [text(image) for image in pictures(2)]}
    records = app.post("/v1/models/m:predict", json=body).json()["predictions"]
    assert records == app.post("/invocations", json=body).json()["predictions"]
    found = app.post("/v1/models/m:explain", json=body).json()["explanations"]
    for explanation, record in zip(found, records, strict=True):
        parts = {part["column"]: part["contribution"] for part in explanation["contributions"]}
        assert explanation["value"] == pytest.approx(record[f"probability_{record['prediction']}"], abs=1e-6)
        assert explanation["base"] + sum(parts.values()) == pytest.approx(explanation["value"], abs=1e-9)
        assert {name for name in parts if name.startswith("photo[0:2, ")} == {
            f"photo[0:2, {left}:{left + 2}]" for left in range(0, SIDE, 2)
        }
    lower = {name for name in parts if int(name[6:].partition(":")[0]) >= SIDE // 2}
    assert sum(parts[name] for name in lower) > 0.1  # of the second image, whose lower half is bright


@pytest.mark.cluster
def test_images_are_answered_over_http(served: Any, http: httpx.Client, folder: Path, folders: dict[str, Path]) -> None:
    before = served.releases
    served.switch(Release.alone("demo", "images", folder))
    try:
        for path, body in forms().values():
            answer = http.post(path.replace("/m/", "/demo/"), json=body)
            assert (said(answer), answer.headers["x-assay-version"]) == (["upper", "lower"], "images")
        broken = http.post("/invocations", json={"instances": [text(pictures(1)[0]), "hello!"]})
        assert (broken.status_code, "column 'photo'" in broken.json()["error"]) == (400, True)
    finally:
        served.switch(*before)
