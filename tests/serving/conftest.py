"""Tiny real models, an application around one without Ray, and one served by a real Ray Serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe, StepState
from assay.store import artifact
from assay.store.releases import Release
from assay.vocabulary import Shelf
from assay_serving.access import Access
from assay_serving.desk import Desk
from assay_serving.hosts import HostNames
from assay_serving.settings import Plan
from assay_serving.web import create_app

CITIES = ("Oslo", "Rome", "Lima")


def train(rows: pa.Table, label: str) -> Model:
    """Return a decision tree on these rows."""
    kind = catalog.make(Shelf.KINDS, "tabular")
    row_N = np.arange(rows.num_rows)
    profile = kind.profile(kind.summarise(rows, row_N, 0), label, None, {}, None)
    batch = kind.to_batch(rows, profile)
    states = []
    for key in ("datetime_parts", "hashed_text"):
        step = catalog.make(Shelf.STEPS, key)
        state = step.merge([step.measure(batch)])
        batch = step.apply(state, batch)
        states.append(StepState(key, {}, state))
    params = {"max_depth": 4, "min_samples_leaf": 5}
    fitted = catalog.make(Shelf.ALGORITHMS, "decision_tree", params).fit(batch.packed(), seed=0)
    member = Member("decision_tree", "decision_tree", params, "codes", fitted)
    return Model("tabular", profile, {"codes": Recipe(tuple(states))}, (member,))


@pytest.fixture(scope="session")
def mixed_rows() -> pa.Table:
    """People with a number, a category, true/false, a date and a text, and whether they are `over` or `under` 40."""
    draw = np.random.default_rng(0)
    age_N = draw.integers(18, 70, 200)
    words = np.array(["good", "bad", "slow", "fast", "red", "blue", "old", "new"])
    return pa.table(
        {
            "age": pa.array([None if index % 20 == 0 else int(age) for index, age in enumerate(age_N)], pa.int64()),
            "city": [CITIES[index % 3] for index in range(200)],
            "member": [bool(index % 2) for index in range(200)],
            "joined": [f"2024-{1 + index % 12:02d}-{1 + index % 28:02d}" for index in range(200)],
            "note": [" ".join(draw.choice(words, 5)) for _ in range(200)],
            "answer": ["over" if age > 40 else "under" for age in age_N],
        }
    )


@pytest.fixture(scope="session")
def mixed_model(mixed_rows: pa.Table) -> Model:
    """Says whether somebody is `over` or `under` 40."""
    return train(mixed_rows, "answer")


@pytest.fixture(scope="session")
def number_model() -> Model:
    """Predicts a number from two numbers."""
    draw = np.random.default_rng(1)
    x_N2 = draw.normal(size=(300, 2))
    return train(pa.table({"x0": x_N2[:, 0], "x1": x_N2[:, 1], "y": 3 * x_N2[:, 0]}), "y")


@pytest.fixture(scope="session")
def folders(mixed_model: Model, number_model: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packed models, by name."""
    home = tmp_path_factory.mktemp("models")
    return {
        name: artifact.pack(home / name, model).folder
        for name, model in {"mixed": mixed_model, "number": number_model}.items()
    }


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    """A row as a client would send it to the mixed model."""
    return {"age": 61, "city": "Rome", "member": True, "joined": "2024-05-17", "note": "good fast red car here"}


class App:
    """An application in this process that serves `folder` as m/1, and its client; `together` asks at the same time."""

    def __init__(
        self,
        folder: Path,
        access: Access | None = None,
        hosts: HostNames | None = None,
        desk: Desk | None = None,
    ) -> None:
        self.desk = desk or Desk()
        self.runner = asyncio.Runner()
        self.runner.run(self.desk.switch(Plan.alone("m", "1", str(folder))))
        self.app = create_app(self.desk, access, hosts=hosts)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://here")

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.together((method, path, options))[0]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def together(self, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        async def ask() -> list[httpx.Response]:
            return await asyncio.gather(*(self.client.request(m, path, **options) for m, path, options in requests))

        return self.runner.run(ask())


@pytest.fixture(scope="session")
def open_app() -> Callable[..., App]:
    """Opens an application of one's own."""
    return App


@pytest.fixture(scope="session")
def mixed(folders: dict[str, Path]) -> App:
    """The mixed model as m/1, without Ray."""
    return App(folders["mixed"])


@pytest.fixture(scope="session")
def number(folders: dict[str, Path]) -> App:
    """The number model as m/1, without Ray."""
    return App(folders["number"])


@pytest.fixture(scope="session")
def served(ray_cluster: None, folders: dict[str, Path], free_port: int) -> Iterator[Any]:
    """The mixed model as demo/1 behind a real Ray Serve."""
    from assay.engines import serving

    with serving.start(Release.alone("demo", "1", folders["mixed"]), port=free_port) as server:
        yield server


@pytest.fixture
def http(served: Any) -> Iterator[httpx.Client]:
    """A client of the served model."""
    with httpx.Client(base_url=served.url, timeout=30.0, trust_env=False) as client:
        yield client
