"""An ensemble over three member processes: whichever dies or hangs, clients get answers, and whole ones again later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Combination, Member, Model
from assay.parts import Learned
from assay.recipe import Recipe
from assay.store import artifact
from assay.store.registry import Registry
from assay.store.releases import Releases
from assay.store.tracking import Tracking
from assay.vocabulary import Shelf

pytestmark = pytest.mark.faults
START_TIMEOUT_S, NUM_MEMBERS, DEADLINE_S = 180.0, 3, 0.5
ONE_ROW = {"dataframe_split": {"columns": ["x"], "data": [[0.5]]}}


def ensemble(level: float) -> Model:
    """Return the mean of three trees that predict numbers about a level."""
    x_N = np.linspace(0.0, 1.0, 200)
    rows = pa.table({"x": x_N, "y": level + np.sin(6 * x_N)})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(200), 0), "y", None, {}, None)
    batch = kind.to_batch(rows, profile).packed()
    members = []
    for depth in (2, 4, 6):
        fitted = catalog.make(Shelf.ALGORITHMS, "decision_tree", {"max_depth": depth}).fit(batch, seed=0)
        members.append(Member(f"tree-{depth}", "decision_tree", {"max_depth": depth}, "codes", fitted))
    return Model("tabular", profile, {"codes": Recipe(())}, tuple(members), Combination("average", {}, Learned()))


@dataclass
class Service:
    """`assay serve m --fan-out 3` in processes of its own, and the registry that it follows."""

    url: str
    releases: Releases
    process: subprocess.Popen[bytes]

    def member(self, number: int, other_than: int = 0) -> psutil.Process:
        """Return the process of some members, once there is one."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            for one in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if f"ServeReplica:assay:Member-{number}" in " ".join(one.cmdline()) and one.pid != other_than:
                        return one
            time.sleep(0.1)
        raise AssertionError(f"no process of members {number}")

    def await_whole(self, version: int) -> None:
        """Return when this version answers with all its members."""
        until, said = time.monotonic() + START_TIMEOUT_S, ""
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.post(f"{self.url}/invocations", json=ONE_ROW, timeout=35.0, trust_env=False)
                said = f"{answer.status_code} {dict(answer.headers)}"
                whole = answer.is_success and "x-assay-degraded" not in answer.headers
                if whole and answer.headers["x-assay-version"] == str(version):
                    return
            time.sleep(0.05)
        raise AssertionError(f"version {version} was never whole; last: {said}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("fan-out")
    registry = Registry(Tracking(None, home / "storage"))
    for version in (1, 2):
        folder = artifact.pack(home / f"packed-{version}", ensemble(1_000.0 * version)).folder
        registry.register("m", folder, run_id=f"run-{version}", experiment="production")
    releases = Releases(registry)
    releases.promote("m", 1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    verb = ["serve", "m", "--port", str(port), "--storage", "storage", "--fan-out", str(NUM_MEMBERS)]
    process = subprocess.Popen(
        [sys.executable, "-m", "assay", *verb, "--member-deadline", str(DEADLINE_S)],
        cwd=home, env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    service = Service(f"http://127.0.0.1:{port}", releases, process)
    try:
        service.await_whole(1)
        yield service
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@dataclass
class Load:
    """What clients were answered while something happened."""

    answers: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    spent_s: list[float] = field(default_factory=list)

    @property
    def statuses(self) -> set[str]:
        return {told.split()[0] for told in self.answers}


@contextlib.asynccontextmanager
async def clients(url: str, count: int = 4) -> AsyncIterator[Load]:
    """Let clients ask one row after the other, without a retry, until the block ends."""
    load, over = Load(), asyncio.Event()

    async def go_on() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=35.0, trust_env=False) as client:
            while not over.is_set():
                began_s = time.monotonic()
                answer = await client.post("/invocations", json=ONE_ROW)
                load.spent_s.append(time.monotonic() - began_s)
                load.answers[f"{answer.status_code} {answer.headers.get('x-assay-degraded', 'whole')}"] += 1
                load.versions[answer.headers["x-assay-version"]] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(go_on())
        try:
            yield load
        finally:
            over.set()


def test_a_killed_member_costs_no_answer_and_comes_back_by_itself(service: Service) -> None:
    async def during() -> Load:
        async with clients(service.url) as load:
            await asyncio.sleep(1)
            killed = service.member(1)
            killed.kill()
            await asyncio.to_thread(service.member, 1, killed.pid)
            await asyncio.to_thread(service.await_whole, 1)
        return load

    service.await_whole(1)
    load = asyncio.run(during())
    sys.stderr.write(f"killed: {dict(load.answers)}, slowest {max(load.spent_s):.2f} s\n")

    assert load.statuses == {"200"}
    assert min(load.answers["200 true"], load.answers["200 whole"]) > 0
    assert float(np.quantile(load.spent_s, 0.9)) < DEADLINE_S


def test_a_member_that_hangs_holds_no_answer_up_for_longer_than_its_deadline(service: Service) -> None:
    async def during(stopped: psutil.Process) -> Load:
        async with clients(service.url) as load:
            stopped.suspend()
            await asyncio.sleep(4)
        stopped.resume()
        return load

    service.await_whole(1)
    load = asyncio.run(during(service.member(0)))
    sys.stderr.write(f"hangs: {dict(load.answers)}, slowest {max(load.spent_s):.2f} s\n")

    assert load.statuses == {"200"}
    assert load.answers["200 true"] > 0
    assert max(load.spent_s) < 3 * DEADLINE_S  # one request may wait for the batch before its own
    service.await_whole(1)


def test_promotions_under_load_are_whole_from_the_first_answer_on(service: Service) -> None:
    async def during() -> Load:
        async with clients(service.url) as load:
            for version in (2, 1, 2, 1):
                await asyncio.to_thread(service.releases.promote, "m", version)
                await asyncio.to_thread(service.await_whole, version)
        return load

    service.await_whole(1)
    load = asyncio.run(during())

    assert set(load.answers) == {"200 whole"}
    assert set(load.versions) == {"1", "2"}


def test_without_any_member_the_server_says_so_and_recovers(service: Service) -> None:
    service.await_whole(1)
    for number in range(NUM_MEMBERS):
        service.member(number).kill()
    statuses = {httpx.post(f"{service.url}/invocations", json=ONE_ROW, timeout=35.0, trust_env=False).status_code}
    assert statuses <= {200, 503}
    service.await_whole(1)
