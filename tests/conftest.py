"""What the whole test session shares: one Ray cluster, started only when a test asks for it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest

from assay.engines.cluster import set_environment

set_environment()  # before anything imports Ray


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """The one local Ray of the test session, with 4 CPUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    for name in ("ray", "ray.serve", "ray.data", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    yield
    ray.shutdown()
