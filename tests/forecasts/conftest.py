"""Small series with a season and a rise, as tables; and a model that forecasts two of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.forecasting.framing import Framing
from assay.forecasting.requests import CARD
from assay.model import Member, Model
from assay.spec import ForecastSpec, PartSpec
from assay.store import artifact
from assay.vocabulary import Shelf, Task
from assay.workflows.prepare import learn_recipe

HORIZON, SEASON = 5, 7
FIRST = date(2024, 1, 1)
SPEC = ForecastSpec(horizon=HORIZON, season=SEASON, series=["shop"], known=["holiday"])


def sales(num_days: int = 90, shops: tuple[str, ...] = ("north", "south"), seed: int = 0) -> pa.Table:
    """Return daily sales of shops: a week's shape, a slow rise, less on holidays, some noise."""
    draw, parts = np.random.default_rng(seed), []
    for place, shop in enumerate(shops):
        day_T = np.arange(num_days)
        holiday_T = draw.random(num_days) < 0.1
        shape_T = np.array([0, 1, 2, 3, 5, 9, 7])[day_T % SEASON]
        value_T = (place + 1) * (50 + 0.2 * day_T + 4 * shape_T - 10 * holiday_T + draw.normal(size=num_days))
        days = [FIRST + timedelta(days=int(day)) for day in day_T]
        parts.append(pa.table({"shop": [shop] * num_days, "day": days, "holiday": holiday_T, "sold": value_T}))
    return pa.concat_tables(parts).combine_chunks()


def learned(table: pa.Table, **changed: object) -> Framing:
    """Return the framing of a table of sales."""
    return Framing.learn(table, SPEC.model_copy(update=changed), "sold", "day", scaled=True)


def with_values(table: pa.Table, value_N: np.ndarray) -> pa.Table:
    """Return the table with other sales."""
    return table.set_column(table.column_names.index("sold"), "sold", pa.array(value_N, from_pandas=True))


def history(num_days: int = 60, to_come: int = HORIZON) -> pa.Table:
    """Return sales of which the last days are to come: they have no value."""
    table = sales(num_days + to_come)
    value_N = table.column("sold").to_numpy().copy()
    value_N[np.tile(np.arange(num_days + to_come), 2) >= num_days] = np.nan
    return with_values(table, value_N)


def train(table: pa.Table) -> Model:
    """Return a ridge regression on framed sales."""
    framing, kind = learned(table), catalog.make(Shelf.KINDS, "tabular")
    framed = framing.to_learn(table)
    profile = kind.profile(
        kind.summarise(framed.table, np.arange(framed.table.num_rows), 0), "sold", Task.REGRESSION, {}, None
    )
    steps = [PartSpec(name=key) for key in kind.default_steps("dense")]
    recipe, batch = learn_recipe(steps, kind.to_batch(framed.table, profile), 0)
    fitted = catalog.make(Shelf.ALGORITHMS, "ridge", {"alpha": 10.0}).fit(batch, seed=0)
    member = Member("ridge", "ridge", {"alpha": 10.0}, "dense", fitted)
    return Model("tabular", profile, {"dense": recipe}, (member,), card={CARD: framing.to_json(), "metric": "mase"})


@pytest.fixture(scope="session")
def model() -> Model:
    """Forecasts the sales of two shops for five days."""
    return train(sales())


@pytest.fixture(scope="session")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packed model."""
    return artifact.pack(tmp_path_factory.mktemp("models") / "sales", model).folder


@pytest.fixture(scope="session")
def coming() -> pa.Table:
    """Sixty days of two shops, and five to come."""
    return history()


@pytest.fixture(scope="session")
def make_sales() -> Callable[..., pa.Table]:
    """Makes tables of sales."""
    return sales


@pytest.fixture(scope="session")
def learn() -> Callable[..., Framing]:
    """Learns the framing of tables of sales."""
    return learned


@pytest.fixture(scope="session")
def revalue() -> Callable[[pa.Table, np.ndarray], pa.Table]:
    """Gives a table other sales."""
    return with_values
