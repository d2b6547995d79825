"""The actors that make ensembles share a cluster with others."""

from __future__ import annotations

import numpy as np
import pytest
import ray

from assay import catalog
from assay.engines.fleet import Fleet, Task
from assay.parts import Evidence, Learned
from assay.vocabulary import Shelf
from assay.vocabulary import Task as Word

pytestmark = pytest.mark.cluster


def test_a_fleet_works_on_the_cpus_that_a_server_leaves_free(ray_cluster: None) -> None:
    draw = np.random.default_rng(0)
    y_N = np.arange(40) % 2
    said_MN = np.clip(y_N + draw.normal(0, 0.4, (3, 40)), 0.01, 0.99)
    metric = catalog.make(Shelf.METRICS, "roc_auc")
    learners = (("decision_tree", {}),)
    given = Evidence(
        ("a", "b", "c"), np.stack([1 - said_MN, said_MN], axis=2), y_N, y_N * 0, Word.BINARY, metric, learners
    )
    num_free = int(ray.available_resources()["CPU"])
    server = ray.remote(num_cpus=num_free - 1)(_Server).remote()  # for as long as it runs
    ray.get(server.ask.remote())
    try:
        with Fleet(num_cpus=num_free, threads=1) as fleet:
            found = fleet.learn([Task("vote", {}), Task("average", {}), Task("greedy", {})], given, 7)
    finally:
        ray.kill(server)
    assert all(isinstance(one, Learned) for one in found)


class _Server:
    def ask(self) -> None:
        """Answer."""
