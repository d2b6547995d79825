"""Series of two channels and many lengths, and a small real model of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.batch import Pending
from assay.model import Member, Model
from assay.recipe import Recipe, learn_steps
from assay.vocabulary import Shelf


@pytest.fixture(scope="session")
def walks() -> list[list[list[float]]]:
    """40 series of 5 to 12 steps; the first channel of every second one rises."""
    draw = np.random.default_rng(0)
    found = []
    for row in range(40):
        x_TC = draw.normal(size=(int(draw.integers(5, 13)), 2))
        x_TC[:, 0] += np.linspace(-4, 4, len(x_TC)) * (1 if row % 2 else -1)
        found.append(x_TC.round(3).tolist())
    return found


@pytest.fixture(scope="session")
def rows(walks: list[list[list[float]]]) -> pa.Table:
    """The series as a table with a label."""
    return pa.table({"walk": walks, "way": ["up" if row % 2 else "down" for row in range(len(walks))]})


@pytest.fixture(scope="session")
def model(rows: pa.Table) -> Model:
    """Random convolutions that tell rising series from falling ones."""
    kind = catalog.make(Shelf.KINDS, "series")
    profile = kind.profile(kind.summarise(rows, np.arange(rows.num_rows), 0), "way", None, {}, None)
    states, batch = learn_steps(
        [Pending(key) for key in kind.default_steps("raw")], kind.to_batch(rows, profile), seed=0
    )
    recipe = Recipe(tuple(states))
    fitted = catalog.make(Shelf.ALGORITHMS, "random_convolutions", {"num_features": 84}).fit(recipe.packed(batch), 0)
    member = Member("random_convolutions", "random_convolutions", {"num_features": 84}, "raw", fitted)
    return Model("series", profile, {"raw": recipe}, (member,))
