"""A small real model, and one MLflow database for the whole session: making it takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe, StepState
from assay.store.artifact import Artifact, pack
from assay.store.registry import Registry
from assay.store.tracking import Tracking
from assay.vocabulary import Shelf


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """Sixty rows with a number that has gaps, a category, and a label that follows from both."""
    rng = np.random.default_rng(0)
    age_N = rng.integers(18, 80, 60)
    plan_N = rng.choice(["basic", "plus"], 60)
    left_N = np.where((age_N > 50) | (plan_N == "plus"), "yes", "no")
    age = [None if row % 7 == 0 else int(value) for row, value in enumerate(age_N)]
    return pa.table({"age": age, "plan": plan_N.tolist(), "left": left_N.tolist()})


@pytest.fixture(scope="session")
def fit(table: pa.Table) -> Callable[[int], Model]:
    """Fit the given number of trees on the table, as a run would."""
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(table, np.arange(60), 0), "left", None, {}, None)
    recipe = Recipe((StepState("ordinal", {}, {}),))
    batch = recipe.apply(kind.to_batch(table, profile))

    def fitted(num_trees: int) -> Model:
        params = {"num_trees": num_trees, "min_child_samples": 2, "early_stopping_rounds": 0}
        trees = catalog.make(Shelf.ALGORITHMS, "lightgbm", params).fit(batch, seed=0)
        member = Member("trees", "lightgbm", params, "codes", trees)
        return Model("tabular", profile, {"codes": recipe}, (member,), card={"num_trees": num_trees})

    return fitted


@pytest.fixture(scope="session")
def model(fit: Callable[[int], Model]) -> Model:
    return fit(4)


@pytest.fixture
def packed(tmp_path: Path, model: Model) -> Artifact:
    return pack(tmp_path / "model", model, {"report.html": b"<p>fine</p>"})


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    return Tracking(None, tmp_path_factory.mktemp("storage with space"))


@pytest.fixture(scope="session")
def registry(tracking: Tracking) -> Registry:
    return Registry(tracking)
