"""A registered model with a reference, as a run leaves it, made without Ray."""

from __future__ import annotations

import pyarrow as pa
import pytest

from assay.store import artifact
from assay.store.registry import Registry
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from measuring.simulated import Stream, fitted


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage that holds `clicks/1`, trained on 800 rows."""
    home = tmp_path_factory.mktemp("watching")
    stream = Stream(seed=0)
    trained = fitted(stream.rows(800), stream.rows(200))
    artifact.pack(home / "clicks", trained.model, trained.reference)
    found = Storage(home / "storage")
    registry = Registry(Tracking(None, found.root))
    registry.register("clicks", home / "clicks", run_id="run", experiment="clicks", tags=trained.tags)
    return found


@pytest.fixture
def calm() -> pa.Table:
    """300 labelled rows as in training."""
    return Stream(seed=7).rows(300)


@pytest.fixture
def shifted() -> pa.Table:
    """300 labelled rows whose numbers moved by a standard deviation."""
    return Stream(seed=7).rows(300, "covariate")
