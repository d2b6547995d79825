"""Sends requests and says how fast they were answered. The standard library alone: it costs a server little CPU.

python load.py URL BODIES.json CLIENTS SECONDS      # prints one JSON object; BODIES is a list of texts, sent in turn

Each client has one connection that stays open, and sends its next request when the answer to the last has come.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"
WARM_S = 0.3  # not counted
GRACE_S = 30.0
MIN_ANSWERS = 5  # a slow server is waited for


@dataclass
class Client:
    """One connection and the answer that it waits for."""

    wire: socket.socket
    started_s: float = 0.0
    found: bytearray = field(default_factory=bytearray)
    ends: bool = False  # the server closes it after this answer

    def ask(self, request: bytes) -> None:
        """Send a request; it fits into the buffer of the system, or waits until it does."""
        self.found.clear()
        self.started_s = time.perf_counter()
        self.wire.setblocking(True)
        self.wire.sendall(request)
        self.wire.setblocking(False)

    def read(self) -> int | None:
        """Return the status once the answer is whole; None before.

        Raises:
            ConnectionError: the server closed the connection.
        """
        part = self.wire.recv(1 << 18)
        if not part:
            raise ConnectionError("the server closed the connection")
        self.found += part
        end = self.found.find(HEAD_END)
        if end < 0:
            return None
        head = bytes(self.found[:end]).lower()
        body = len(self.found) - end - len(HEAD_END)
        if b"content-length:" in head:
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            whole = body >= length
        else:
            whole = self.found.endswith(b"0" + HEAD_END)  # the last chunk
        self.ends = self.ends or b"connection: close" in head
        return int(head.split(b" ", 2)[1]) if whole else None


def connected(url: str) -> socket.socket:
    """Return a connection to a server."""
    parts = urlsplit(url)
    wire = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=GRACE_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


def request_of(url: str, body: str) -> bytes:
    """Return a POST as it goes over the wire."""
    parts, content = urlsplit(url), body.encode()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nAccept: application/json\r\n\r\n"
    )
    return head.encode() + content


def measured(url: str, bodies: list[str], num_clients: int, seconds: float) -> dict[str, Any]:
    """Return latencies in ms, answers a second, and how many were no 200."""
    requests = cycle([request_of(url, body) for body in bodies])
    walls_s: list[float] = []
    num_failed = 0
    with selectors.DefaultSelector() as ready:
        clients = [Client(connected(url)) for _ in range(num_clients)]
        for client in clients:
            ready.register(client.wire, selectors.EVENT_READ, client)
            client.ask(next(requests))
        counts_from_s = time.perf_counter() + WARM_S
        until_s = counts_from_s + seconds
        while (now_s := time.perf_counter()) < until_s or len(walls_s) < MIN_ANSWERS:
            for key, _ in ready.select(max(until_s - now_s, 0.1)):
                client = key.data
                status = client.read()
                if status is None:
                    continue
                ended_s = time.perf_counter()
                if client.started_s >= counts_from_s:
                    walls_s.append(ended_s - client.started_s)
                    num_failed += status != 200
                if client.ends:
                    ready.unregister(client.wire)
                    client.wire.close()
                    client.wire, client.ends = connected(url), False
                    ready.register(client.wire, selectors.EVENT_READ, client)
                client.ask(next(requests))
        for client in clients:
            client.wire.close()
        seconds = time.perf_counter() - counts_from_s
    cuts_s = statistics.quantiles(walls_s, n=100)
    return {
        "p50_ms": 1e3 * statistics.median(walls_s),
        "p99_ms": 1e3 * cuts_s[98],
        "per_s": len(walls_s) / seconds,
        "num_failed": num_failed,
    }


if __name__ == "__main__":
    url_, file, num_clients_, seconds_ = sys.argv[1:]
    found = measured(url_, json.loads(Path(file).read_text()), int(num_clients_), float(seconds_))
    print(json.dumps(found))
