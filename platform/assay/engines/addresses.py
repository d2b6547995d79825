"""Where a server listens, and where it is reached; addresses of IPv4 and of IPv6."""

from __future__ import annotations

import errno
import ipaddress
import socket

from assay.errors import ClusterFault


def claim(host: str, port: int) -> None:
    """Find out before anything is started whether the port is free.

    Raises:
        ClusterFault: it is not, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ClusterFault.at(
                f"port {port}", f"is in use on {host}", "stop what uses it, or choose another with `--port`"
            ) from None
        raise ClusterFault.at(
            place_of(host, port),
            f"cannot be listened on ({error.strerror or error})",
            "choose another with `--host` and `--port`",
        ) from None


def plain_host(host: str) -> str:
    """Return a host without brackets, and an address in its shortest form.

    Example:
        >>> [plain_host(host) for host in ("[::1]", "0:0:0:0:0:0:0:0", "127.0.0.1", "localhost")]
        ['::1', '::', '127.0.0.1', 'localhost']
    """
    host = host.strip("[]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def place_of(host: str, port: int) -> str:
    """Return host and port as a URL has them.

    Example:
        >>> [place_of(host, 8000) for host in ("127.0.0.1", "::1")]
        ['127.0.0.1:8000', '[::1]:8000']
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(host: str) -> str:
    """Return the address at which a program on this machine reaches a server bound to `host`."""
    if host in ("", "0.0.0.0"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{'::1' if host == '::' else host}]" if ":" in host else host
