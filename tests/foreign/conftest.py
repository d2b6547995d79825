"""Three models behind one real Ray Serve: `demo` answers classes, `number` numbers, `photos` reads images."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe, StepState
from assay.store import artifact
from assay.store.releases import Release
from assay.vocabulary import Shelf

SIDE = 10
ROOT = Path(__file__).parents[2]


def train(rows: pa.Table, label: str, kind_key: str, steps: Sequence[str], algorithm: str, **params: Any) -> Model:
    """Return a model of one member on these rows."""
    kind = catalog.make(Shelf.KINDS, kind_key)
    row_N = np.arange(rows.num_rows)
    profile = kind.profile(kind.summarise(rows, row_N, 0), label, None, {}, None)
    batch = kind.to_batch(rows, profile)
    states = []
    for key in steps:
        step = catalog.make(Shelf.STEPS, key)
        state = step.merge([step.measure(batch)])
        batch = step.apply(state, batch)
        states.append(StepState(key, {}, state))
    fitted = catalog.make(Shelf.ALGORITHMS, algorithm, params).fit(batch.packed(), seed=0)
    return Model(kind_key, profile, {"r": Recipe(tuple(states))}, (Member(algorithm, algorithm, params, "r", fitted),))


def people() -> Model:
    """Says whether somebody is `over` or `under` 40; reads a number, a category, true/false, a date and a text."""
    draw = np.random.default_rng(0)
    age_N = draw.integers(18, 70, 200)
    words = np.array(["good", "bad", "slow", "fast", "red", "blue", "old", "new"])
    columns = {
        "age": pa.array([None if index % 20 == 0 else int(age) for index, age in enumerate(age_N)], pa.int64()),
        "city": [("Oslo", "Rome", "Lima")[index % 3] for index in range(200)],
        "member": [bool(index % 2) for index in range(200)],
        "joined": [f"2024-{1 + index % 12:02d}-{1 + index % 28:02d}" for index in range(200)],
        "note": [" ".join(draw.choice(words, 5)) for _ in range(200)],
        "answer": ["over" if age > 40 else "under" for age in age_N],
    }
    steps = ("datetime_parts", "hashed_text")
    return train(pa.table(columns), "answer", "tabular", steps, "decision_tree", max_depth=4, min_samples_leaf=5)


def numbers() -> Model:
    """Predicts three times the first of two numbers."""
    x_N2 = np.random.default_rng(1).normal(size=(300, 2))
    rows = pa.table({"x0": x_N2[:, 0], "x1": x_N2[:, 1], "y": 3 * x_N2[:, 0]})
    return train(rows, "y", "tabular", (), "decision_tree", max_depth=6, min_samples_leaf=5)


def photo(upper: bool) -> bytes:
    """Return the file of an image whose upper or lower half is bright."""
    image_HW = np.random.default_rng(0).integers(0, 90, (SIDE, SIDE)).astype(np.uint8)
    image_HW[: SIDE // 2 if upper else None, :] += 0 if not upper else 140
    image_HW[SIDE // 2 :, :] += 140 if not upper else 0
    stream = io.BytesIO()
    Image.fromarray(image_HW).save(stream, "PNG")
    return stream.getvalue()


def photographs() -> Model:
    """Says whether the upper or the lower half of an image is bright."""
    rows = pa.table({"photo": [photo(index % 2 == 0) for index in range(60)], "bright": ["upper", "lower"] * 30})
    return train(rows, "bright", "image", (), "cnn", num_epochs=6, width=8)


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """The files of two images, bright in their upper and lower half."""
    return [photo(True), photo(False)]


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    """A row of `demo`."""
    return {"age": 61, "city": "Rome", "member": True, "joined": "2024-05-17", "note": "good fast red car here"}


@pytest.fixture(scope="session")
def url(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory, free_port: int) -> Iterator[str]:
    """Where the three models answer."""
    from assay.engines import serving

    home = tmp_path_factory.mktemp("foreign")
    models = {"demo": people(), "number": numbers(), "photos": photographs()}
    folders = {name: artifact.pack(home / name, model).folder for name, model in models.items()}
    with serving.start([Release.alone(name, "1", folder) for name, folder in folders.items()], port=free_port) as found:
        yield found.url


@pytest.fixture(scope="session")
def kserve_python() -> Path:
    """The Python of an environment with kserve, which has other versions of pandas and protobuf than ours."""
    python = Path(os.environ.get("ASSAY_KSERVE_PYTHON", ROOT / ".venv" / "kserve" / "bin" / "python"))
    assert python.exists(), f"{python} is missing; `make foreign` installs kserve in an environment of its own"
    subprocess.run([python, "-c", "import kserve"], check=True, capture_output=True)
    return python
