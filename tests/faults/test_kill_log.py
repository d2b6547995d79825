"""A server's process that is killed loses the lines of its last seconds, and none before."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe
from assay.store import artifact, prediction_log
from assay.store.runs import Storage
from assay.vocabulary import Shelf
from assay_serving.logbook import WRITE_EVERY_S

pytestmark = pytest.mark.faults

ANSWERS = """
import asyncio, sys, time
import pyarrow as pa
from assay_serving.desk import Answered, Desk
from assay_serving.logbook import Logbook
from assay_serving.settings import LogPlan, Plan

desk = Desk()
asyncio.run(desk.switch(Plan.alone("m", "1", sys.argv[1])))
served = asyncio.run(desk.served(desk.routes.find("m")))
logbook = Logbook(desk)
logbook.follow(LogPlan(storage=sys.argv[2], share=1.0))
table = pa.table({"x": [0.5]})
batch, _ = served.rows(table)
said = served.model.predict_batch(batch)
for number in range(100_000):
    logbook.watch(Answered(served, table, said, None, str(number), batch))
    print(number, flush=True)
    time.sleep(0.002)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A packed model of one number."""
    x_N = np.linspace(0.0, 1.0, 100)
    rows = pa.table({"x": x_N, "y": x_N})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(100), 0), "y", None, {}, None)
    fitted = catalog.make(Shelf.ALGORITHMS, "decision_tree").fit(kind.to_batch(rows, profile).packed(), seed=0)
    model = Model("tabular", profile, {"codes": Recipe(())}, (Member("t", "decision_tree", {}, "codes", fitted),))
    return artifact.pack(tmp_path / "model", model).folder


@pytest.mark.parametrize("after_s", [0.5, 4.0, 7.3])
def test_lines_that_are_some_seconds_old_outlive_their_process(folder: Path, tmp_path: Path, after_s: float) -> None:
    program = [sys.executable, "-c", ANSWERS, str(folder), str(tmp_path / "storage")]
    answered_s: list[float] = []
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in process.stdout:
            answered_s.append(time.monotonic())
            if answered_s[-1] - answered_s[0] > after_s:
                process.kill()
                break
    old = sum(one < answered_s[-1] - 2 * WRITE_EVERY_S for one in answered_s)
    files = list((tmp_path / "storage").rglob("*.parquet"))
    kept = prediction_log.read(Storage(tmp_path / "storage"), "m", 1)["request_id"].to_pylist() if files else []
    assert kept == [str(number) for number in range(len(kept))]
    assert len(kept) >= old
