"""A tiny real model of each kind of rows, packed with the example that a run would pack."""

from __future__ import annotations

import base64
import io
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from assay import catalog
from assay.forecasting.requests import framing_of, wanted
from assay.model import Member, Model
from assay.spec import PartSpec
from assay.store import artifact, card, example
from assay.vocabulary import Shelf
from assay.workflows.forecasts import recent_of
from assay.workflows.prepare import learn_recipe

SCORES = {
    "accuracy": {"score": 0.91234, "low": 0.88, "high": 0.94},
    "log_loss": {"score": 0.3, "low": 0.2, "high": 0.4},
}
NUM_TEST_ROWS = 60


def trained(kind: str, rows: pa.Table, algorithm: str, wants: str, params: dict[str, object]) -> Model:
    """Return a model of rows whose label is `y`."""
    part = catalog.make(Shelf.KINDS, kind)
    profile = part.profile(part.summarise(rows, np.arange(rows.num_rows), 0), "y", None, {}, None)
    steps = [PartSpec(name=key) for key in part.default_steps(wants)]
    recipe, batch = learn_recipe(steps, part.to_batch(rows, profile), 0, rough=wants == "raw")
    fitted = catalog.make(Shelf.ALGORITHMS, algorithm, params).fit(batch, seed=0)
    member = Member(f"{algorithm}-00", algorithm, params, wants, fitted)
    about = {"experiment": "tiny", "run": "tiny-1", "metric": "accuracy", "seed": 0, "winner": algorithm}
    return Model(kind, profile, {wants: recipe}, (member,), card=about)


def packed(folder: Path, model: Model, rows: pa.Table) -> Path:
    """Pack a model with its first rows and its scores."""
    sent = catalog.make(Shelf.KINDS, model.kind).as_request(rows.slice(0, 3), model.profile)
    beside = {**card.scores("accuracy", SCORES, NUM_TEST_ROWS), **example.content([[row] for row in sent])}
    return artifact.pack(folder, model, beside).folder


def table(folder: Path) -> Path:
    """Says whether somebody is over or under 40: a number, a category, true/false, a date, a text with odd letters."""
    draw = np.random.default_rng(0)
    age_N = draw.integers(18, 70, 200)
    cities = ("Oslo", "Rome", "L'Aquila", 'New "York"')
    rows = pa.table(
        {
            "age": pa.array([None if index % 20 == 9 else int(age) for index, age in enumerate(age_N)], pa.int64()),
            "city": [cities[index % 4] for index in range(200)],
            "member": [bool(index % 2) for index in range(200)],
            "joined": [f"2024-{1 + index % 12:02d}-{1 + index % 28:02d}" for index in range(200)],
            "note": [
                f"it's <b>{word}</b> & $HOME `{index}` \\" for index, word in enumerate(draw.choice([*"abcd"], 200))
            ],
            "y": ["over" if age > 40 else "under" for age in age_N],
        }
    )
    params = {"max_depth": 4, "min_samples_leaf": 5}
    return packed(folder, trained("tabular", rows, "decision_tree", "codes", params), rows)


def old_table(folder: Path) -> Path:
    """Says a number; packed as models were before they carried examples and scores."""
    x_N2 = np.random.default_rng(1).normal(size=(200, 2))
    rows = pa.table({"width": x_N2[:, 0], "height": x_N2[:, 1], "y": 3 * x_N2[:, 0]})
    return artifact.pack(folder, trained("tabular", rows, "ridge", "dense", {})).folder


def image(folder: Path) -> Path:
    """Says which half of an image is bright."""
    image_NHW = np.random.default_rng(0).integers(0, 90, (60, 12, 12)).astype(np.uint8)
    image_NHW[::2, :6] += 140
    image_NHW[1::2, 6:] += 140
    rows = pa.table({"photo": [png(one) for one in image_NHW], "y": ["upper", "lower"] * 30})
    return packed(folder, trained("image", rows, "decision_tree", "codes", {"max_depth": 3}), rows)


def png(pixel_HW: np.ndarray) -> bytes:
    """Return the file of an image."""
    stream = io.BytesIO()
    Image.fromarray(pixel_HW).save(stream, "PNG")
    return stream.getvalue()


def text(folder: Path) -> Path:
    """Says whether a sentence praises or pans."""
    draw = np.random.default_rng(0)
    words = {"praise": ["fine", "great", "lovely"], "pan": ["dull", "awful", "silly"]}
    label = ["praise" if row % 2 else "pan" for row in range(120)]
    said = [f"it was {' and '.join(draw.choice(words[name], 2))} , film {row}" for row, name in enumerate(label)]
    rows = pa.table({"said": said, "y": label})
    return packed(folder, trained("text", rows, "text_linear", "raw", {}), rows)


def series(folder: Path) -> Path:
    """Says whether the first of two channels rises or falls."""
    draw = np.random.default_rng(0)
    walks = []
    for row in range(40):
        x_TC = draw.normal(size=(int(draw.integers(8, 20)), 2))
        x_TC[:, 0] += np.linspace(-4, 4, len(x_TC)) * (1 if row % 2 else -1)
        walks.append(x_TC.round(3).tolist())
    rows = pa.table({"walk": walks, "y": ["up" if row % 2 else "down" for row in range(40)]})
    return packed(folder, trained("series", rows, "decision_tree", "codes", {"max_depth": 3}), rows)


def forecast(folder: Path) -> Path:
    """Forecasts the sales of two shops for five days."""
    known = runpy.run_path(str(Path(__file__).parents[1] / "forecasts/conftest.py"))
    rows = known["sales"]()
    model: Model = known["train"](rows)
    framing = framing_of(model.card)
    assert framing is not None
    recent = recent_of(framing, rows, seed=0)
    sent = catalog.make(Shelf.KINDS, "tabular").as_request(recent, wanted(framing, model.profile))
    return artifact.pack(folder, model, example.content([sent])).folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "table": table,
    "old": old_table,
    "image": image,
    "text": text,
    "series": series,
    "forecast": forecast,
}
ANOTHER_IMAGE = base64.b64encode(png(np.full((20, 20), 200, np.uint8))).decode()
