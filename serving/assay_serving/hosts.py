"""Which names a server answers to: a page of another site cannot make its own name mean this machine (DNS rebinding).

A browser that was tricked sends the name it was tricked with, in the header `Host`. No name that somebody else can
point here is answered: only those the operator said, `localhost`, and addresses, which no name server is asked for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from assay_serving.settings import is_loopback

FORM = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+)(?::\d{1,5})?")


class HostNames:
    """The names of a server bound to `bound`, and those that were allowed beside.

    Example:
        >>> names = HostNames("127.0.0.1", ["Models.example.org"])
        >>> [names.admits(host) for host in ("localhost:8000", "[::1]", "models.example.org", "10.0.0.5", "evil.org")]
        [True, True, True, False, False]
        >>> HostNames("0.0.0.0").admits("10.0.0.5:80")
        True
    """

    def __init__(self, bound: str | None, allowed: Iterable[str] = ()) -> None:
        self._names = {_plain(name) for name in (bound or "", "localhost", *allowed)} - {""}
        self._loopback_only = is_loopback(bound)

    def admits(self, header: str) -> bool:
        """Return whether the header `Host` of a request names this server; its port is not looked at."""
        match = FORM.fullmatch(header)
        if match is None:
            return False
        name = _plain(match["name"])
        return name in self._names or self._is_address(name)

    def admits_origin(self, header: str) -> bool:
        """Return whether the header `Origin` of a request, which browsers send, names a page of this server's names.

        Example:
            >>> [HostNames("127.0.0.1").admits_origin(origin) for origin in ("http://localhost:80", "null", "https://a.b")]
            [True, False, False]
        """
        scheme, _, host = header.partition("://")
        return scheme in ("http", "https") and self.admits(host)

    def _is_address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback_only


def _plain(name: str) -> str:
    return name.strip().lower().strip("[]").removesuffix(".")
