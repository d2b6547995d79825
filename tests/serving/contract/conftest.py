"""A real HTTP server in front of a small model of each kind that requests differ by."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
from PIL import Image

from assay import catalog
from assay.forecasting.framing import Framing
from assay.forecasting.requests import CARD
from assay.model import Member, Model
from assay.recipe import Recipe
from assay.spec import ForecastSpec
from assay.store import artifact
from assay.vocabulary import Shelf, Task


def _fitted(kind_key: str, rows: pa.Table, label: str, algorithm: str, params: dict[str, object]) -> Model:
    kind = catalog.make(Shelf.KINDS, kind_key)
    profile = kind.profile(kind.summarise(rows, np.arange(rows.num_rows), 0), label, None, {}, None)
    batch = kind.to_batch(rows, profile)
    fitted = catalog.make(Shelf.ALGORITHMS, algorithm, params).fit(
        batch if kind_key == "text" else batch.packed(), seed=0
    )
    return Model(kind_key, profile, {"raw": Recipe(())}, (Member(algorithm, algorithm, params, "raw", fitted),))


def _texts() -> Model:
    said = [f"it was {'lovely' if row % 2 else 'awful'} , film {row}" for row in range(120)]
    rows = pa.table({"said": said, "label": ["praise" if row % 2 else "pan" for row in range(120)]})
    return _fitted("text", rows, "label", "text_linear", {})


def _images() -> Model:
    image_NHW = np.random.default_rng(0).integers(0, 90, (40, 10, 10)).astype(np.uint8)
    image_NHW[::2, :5] += 140
    files = []
    for image in image_NHW:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        files.append(stream.getvalue())
    rows = pa.table({"photo": files, "bright": ["upper", "lower"] * 20})
    return _fitted("image", rows, "bright", "cnn", {"num_epochs": 1, "width": 8})


def _forecast() -> Model:
    draw, days = np.random.default_rng(0), [date(2024, 1, 1) + timedelta(days=day) for day in range(90)]
    sold = [value for _ in range(2) for value in (50 + np.arange(90) * 0.2 + draw.normal(size=90)).tolist()]
    rows = pa.table({"shop": ["north"] * 90 + ["south"] * 90, "day": days * 2, "sold": sold})
    framing = Framing.learn(rows, ForecastSpec(horizon=5, season=7, series=["shop"]), "sold", "day", scaled=True)
    framed = framing.to_learn(rows).table
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(framed, np.arange(framed.num_rows), 0), "sold", Task.REGRESSION, {}, None)
    batch = kind.to_batch(framed, profile)
    fitted = catalog.make(Shelf.ALGORITHMS, "decision_tree", {}).fit(batch.packed(), seed=0)
    member = Member("decision_tree", "decision_tree", {}, "raw", fitted)
    return Model("tabular", profile, {"raw": Recipe(())}, (member,), card={CARD: framing.to_json()})


MODELS: dict[str, Callable[[], Model]] = {"texts": _texts, "images": _images, "forecast": _forecast}


@pytest.fixture(scope="session")
def kinds(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packed models: `mixed` tells classes of a table, `number` is a regression; the others say it."""
    home = tmp_path_factory.mktemp("kinds")
    return {**folders, **{name: artifact.pack(home / name, make()).folder for name, make in MODELS.items()}}


@dataclass(frozen=True)
class Server:
    """A server in a process of its own."""

    url: str
    process: psutil.Process


@contextmanager
def _served(folder: Path, token: str | None = None) -> Iterator[Server]:
    """Serve a folder as m/1 over real HTTP, without Ray but with what its proxy is given."""
    environment = {**os.environ, **({"ASSAY_SERVE_TOKEN": token} if token else {})}
    words = [sys.executable, str(Path(__file__).with_name("serving.py")), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip(), psutil.Process(process.pid))
        finally:
            process.kill()


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[Server]]:
    """Serves a folder as m/1, maybe with a token."""
    return _served
