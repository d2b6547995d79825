"""Where a server may listen is known before anything is started."""

from __future__ import annotations

import socket

import pytest

from assay.engines import addresses
from assay.errors import ClusterFault


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]"), ("fd00::2", "[fd00::2]")],
)
def test_a_server_is_reached_by_an_address_that_fits_into_a_url(host: str, url: str) -> None:
    assert addresses.reachable(host) == url


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_port_that_is_taken_is_told(host: str, family: socket.AddressFamily) -> None:
    with socket.socket(family) as other:
        other.bind((host, 0))
        other.listen()
        with pytest.raises(ClusterFault, match="is in use on"):
            addresses.claim(host, other.getsockname()[1])


def test_a_machine_without_ipv6_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", unknown)
    with pytest.raises(ClusterFault, match=r"\[::1\]:8000: cannot be listened on \(Address family not supported"):
        addresses.claim("::1", 8000)
