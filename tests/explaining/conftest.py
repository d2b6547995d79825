"""Tables with a known truth, and real models fitted on them the way a run fits them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.spec import PartSpec
from assay.vocabulary import Shelf
from assay.workflows.prepare import learn_recipe


@pytest.fixture(scope="session")
def fit() -> Callable[..., Model]:
    """Fits one algorithm on a table with the label `y`, behind the steps it usually has."""

    def fitted(table: pa.Table, algorithm: str, params: dict[str, Any]) -> Model:
        kind = catalog.make(Shelf.KINDS, "tabular")
        profile = kind.profile(kind.summarise(table, np.arange(table.num_rows), 0), "y", None, {}, None)
        part = catalog.make(Shelf.ALGORITHMS, algorithm, params)
        steps = [PartSpec(name=key) for key in kind.default_steps(part.wants) if key != "target_mean"]
        recipe, batch = learn_recipe(steps, kind.to_batch(table, profile), 0)
        member = Member(algorithm, algorithm, params, part.wants, part.fit(batch, seed=0))
        return Model("tabular", profile, {part.wants: recipe}, (member,))

    return fitted


@pytest.fixture(scope="session")
def additive() -> pa.Table:
    """200 rows whose label is a sum over four columns, of which `noise` adds nothing; no two columns are alike."""
    draw = np.random.default_rng(0)
    x_NF = draw.uniform(-1, 1, (200, 4))
    y_N = 3 * x_NF[:, 0] - 2 * x_NF[:, 1] + (x_NF[:, 2] > 0)
    names = ["up", "down", "jump", "noise"]
    return pa.table({**{name: x_NF[:, place] for place, name in enumerate(names)}, "y": y_N})


@pytest.fixture(scope="session")
def people() -> pa.Table:
    """400 rows of every plain kind of column with missing values, and a label of two classes that mixes them."""
    draw = np.random.default_rng(1)
    age_N, plan_N = draw.integers(18, 70, 400).astype(float), draw.choice(["basic", "gold", "team"], 400)
    pays_N, months_N = draw.random(400) < 0.5, draw.integers(1, 12, 400)
    left_N = (age_N > 45) ^ (plan_N == "gold") ^ (pays_N & (months_N > 6))
    age_N[::17] = np.nan
    columns = {
        "age": pa.array(age_N, from_pandas=True),
        "plan": pa.array([None if row % 23 == 0 else plan for row, plan in enumerate(plan_N)]),
        "pays": pays_N,
        "since": [f"2024-{month:02d}-15" for month in months_N],
        "a": draw.normal(size=400),
        "b": draw.normal(size=400),
        "c": draw.normal(size=400),
        "y": np.where(left_N, "left", "stays"),
    }
    return pa.table(columns)
