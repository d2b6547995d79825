"""What the whole test session shares: one Ray cluster, started only when a test asks for it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from assay.cli import main
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


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `assay` with some words in this process; returns its exit code, its data and its talk."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


@pytest.fixture(scope="session")
def free_port() -> int:
    """A port that nothing listened on; all servers of the session share it, since one cluster listens on one port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
