"""What the whole test session shares: one Ray cluster, started only when a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from assay.engines import cluster

cluster.set_environment()  # before anything imports Ray
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """The one local Ray of the test session, with 4 CPUs."""
    cluster.connect(None, 4)
    yield
    cluster.disconnect()
