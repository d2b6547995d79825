"""Several workers take the steps that one would take: the same batches, nearly the same loss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nets
import numpy as np
import pytest

from assay.training.loop import train

WORKER = """
import json, sys
from dataclasses import replace
from torch import distributed as dist
sys.path.insert(0, sys.argv[2])
import nets, test_loop
from assay.training.group import Group
from assay.training.loop import train
dist.init_process_group("gloo")
asked = json.loads(sys.argv[1])
build = {"Images": nets.Images, "Small": test_loop.Small}[asked.pop("build")]
group = Group()
group.probes = build is test_loop.Small
trained = train(replace(nets.job(replace(nets.PLAN, **asked)), build=build), group)
print("TOLD", json.dumps({"loss": [entry["loss"] for entry in trained.history],
    "judged": [entry["judged_loss"] for entry in trained.history],
    "accumulate": trained.history[-1].get("accumulate"),
    "sum": {name: float(abs(array).sum()) for name, array in trained.weights.items()}}))
dist.destroy_process_group()
"""


def two(build: str = "Images", **plan: Any) -> list[dict[str, Any]]:
    """Return what each of two processes told of the same training."""
    asked = json.dumps({"build": build, **plan})
    port = str(20_000 + os.getpid() % 10_000)
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, asked, str(Path(__file__).parent)],
            env={**common, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    told = []
    for worker in started:
        out, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
        told.append(json.loads(out.partition("TOLD")[2]))
    return told


@pytest.fixture(scope="module")
def both() -> list[dict[str, Any]]:
    return two(batch_size=31)  # which two cannot divide evenly


def test_two_workers_have_the_loss_of_one(both: list[dict[str, Any]]) -> None:
    alone = train(nets.job(replace(nets.PLAN, batch_size=31)))
    np.testing.assert_allclose(both[0]["loss"], [entry["loss"] for entry in alone.history], atol=1e-3)
    np.testing.assert_allclose(both[0]["judged"], [entry["judged_loss"] for entry in alone.history], atol=1e-3)
    for name, array in alone.weights.items():
        np.testing.assert_allclose(both[0]["sum"][name], float(abs(array).sum()), rtol=1e-3)


def test_both_workers_end_with_the_same_weights_and_history(both: list[dict[str, Any]]) -> None:
    assert both[0] == both[1]


def test_workers_that_run_out_of_memory_agree_on_smaller_parts() -> None:
    told = two("Small", num_epochs=2)
    assert [one["accumulate"] for one in told] == [2.0, 2.0]
    assert told[0]["loss"] == told[1]["loss"]


def test_more_workers_than_rows_of_a_batch_are_refused() -> None:
    from assay.training.feed import Feed
    from assay.training.world import World

    world = World()
    world.size = 4
    with pytest.raises(ValueError, match="4 workers cannot share batches of 3 rows"):
        Feed(nets.rows(), 3, 0, world)
