"""Bodies that nobody should send, against a real server: each is answered with 4xx and `error`, or predictions."""

from __future__ import annotations

import copy
import gzip
import json
import random
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay_serving.faults import MAX_CHARACTERS

MAX_GROWTH_BYTES = 50 * 2**20
Body = tuple[dict[str, str], bytes]
ROW: dict[str, dict[str, Any]] = {
    "mixed": {"age": 61, "city": "Rome", "member": True, "joined": "2024-05-17", "note": "good fast"},
    "number": {"x0": 0.5, "x1": -1.5},
    "texts": {"said": "a lovely film"},
    "images": {"photo": [[0, 9, 200], [3, 4, 5], [1, 1, 1]]},
    "forecast": {"shop": "north", "day": "2024-05-17", "sold": 3.5},
}
NASTY: list[Any] = [
    None, True, 0, -1, 1.5, 1e39, 1e308, -1e308, 5e-324, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, float("nan"),
    float("inf"), "", " ", "\0", "\udead", "é" * 50, "x" * 70_000, "9" * 400, "0000-01-01", "9999-12-31T23:59:59Z",
    "2024-02-30", "AAAA", "1e9",
    [], {}, [[]], [None], [[[[[[]]]]]], {"": {"": []}}, ["a", 1], [1, [2]], [True, 2], "NaN",
]  # fmt: skip
TYPES = [
    "application/json", "text/csv", "application/octet-stream", "text/plain", "", "application/json; charset=utf-16",
    "application/JSON;charset=UTF-8", "text/csv; header=absent", "multipart/form-data", ";;;", "a" * 5_000, "\xff/\xfe",
]  # fmt: skip
ENCODINGS = ["gzip", "deflate", "identity", "br", "gzip, gzip", "x-gzip", "GZIP", "zstd"]


def valid(row: dict[str, Any], draw: random.Random) -> Any:
    """Return a body that some door takes."""
    rows = [row] * draw.choice([1, 1, 2, 30])
    lists = [list(one.values()) for one in rows]
    tensors = [
        {"name": name, "shape": [len(rows)], "datatype": datatype(value), "data": [value] * len(rows)}
        for name, value in row.items()
    ]
    return draw.choice([
        {"dataframe_records": rows}, {"dataframe_split": {"columns": list(row), "data": lists}}, {"instances": rows},
        {"instances": lists}, {"inputs": {name: [row[name]] * len(rows) for name in row}},
        {"inputs": tensors}, {"inputs": tensors, "outputs": [{"name": "prediction"}], "id": "7"},
    ])  # fmt: skip


def datatype(value: Any) -> str:
    return {bool: "BOOL", int: "FP64", float: "FP64", str: "BYTES"}.get(type(value), "FP32")


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every part of a body."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from nodes(child, (*path, key))


def changed(body: Any, draw: random.Random) -> Any:
    """Return a body in which one part is replaced, left out, doubled or wrapped."""
    body = copy.deepcopy(body)
    *parents, last = draw.choice([path for path in nodes(body) if path] or [(None,)])
    if last is None:
        return draw.choice(NASTY)
    place = body
    for key in parents:
        place = place[key]
    match draw.randrange(6):
        case 0:
            del place[last]
        case 1:
            place[last] = [place[last]]
        case 2 if isinstance(place, list):
            place.extend([place[last]] * draw.choice([1, 500]))
        case 3 if isinstance(place, dict):
            place[str(draw.choice(NASTY))[:20]] = place.pop(last)
        case _:
            place[last] = draw.choice(NASTY)
    return body


def csv(row: dict[str, Any], draw: random.Random) -> bytes:
    """Return CSV, or nearly."""
    cells = [str(draw.choice([value, value, *NASTY]))[:200] for value in row.values()]
    lines = [",".join(row), *[",".join(cells)] * draw.choice([0, 1, 50])]
    text = draw.choice(["\n", "\r\n", "\r", "\n\n", ";"]).join(lines)
    return (text + draw.choice(["", "\n", '"', '"a""', ",,,", "\0", "," * 9_000])).encode("utf-8", "surrogatepass")


def broken(body: bytes, draw: random.Random) -> bytes:
    """Return bytes that are cut, flipped, doubled, deep or in another encoding."""
    at = draw.randrange(len(body) + 1)
    depth = draw.choice([10, 300, 5_000, 100_000])
    return draw.choice([
        lambda: body[:at], lambda: body[at:], lambda: body + body, lambda: b"", lambda: b"\xef\xbb\xbf" + body,
        lambda: body[:at] + draw.randbytes(4) + body[at:], lambda: draw.randbytes(200), lambda: b"[" * depth,
        lambda: b"[" * depth + b"]" * depth, lambda: b'{"inputs":' * depth,
        lambda: body.decode("latin-1").encode("utf-16"),
        lambda: body.replace(b'"', b"'"), lambda: body.replace(b"[", b"[" * 40),
        lambda: body[:at] + b"\xff\xfe" + body[at:],
        lambda: body.replace(b"{", b'{"inputs": [], "inputs": 3, ', 1), lambda: body.replace(b":", b":-"),
        lambda: body.replace(b"1", b"1e999"), lambda: b" " * 200_000 + body,
        lambda: body.replace(b'"', b'"\\ud800', 2),
    ])()  # fmt: skip


def binary(row: dict[str, Any], draw: random.Random) -> Body:
    """Return tensors behind JSON whose sizes may lie."""
    raw, inputs = b"", []
    for name, value in row.items():
        content = json.dumps(value).encode()
        part = len(content).to_bytes(4, "little") + content if datatype(value) == "BYTES" else b"\0" * 8
        size = draw.choice([len(part), len(part), len(part), 0, -1, 2**40, 7, "8", None])
        inputs.append(
            {"name": name, "shape": [draw.choice([1, 1, 1, 0, -1, 2**40])], "datatype": datatype(value),
             "parameters": {"binary_data_size": size}}
        )  # fmt: skip
        raw += part
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": draw.choice([True, False, 1])}}).encode()
    length = draw.choice([str(len(head)), str(len(head)), "0", "-1", "9" * 30, str(len(head) - 1), "x", "٣"])
    body = head + draw.choice([raw, raw, raw[:-1], raw + b"\xff" * 9, b"\xff" * len(raw)])
    return {"Inference-Header-Content-Length": length}, body


def request(row: dict[str, Any], draw: random.Random) -> Body:
    """Return headers and body of one request that is wrong, mostly."""
    headers, kind = {"content-type": "application/json"}, draw.randrange(10)
    if kind == 0:
        extra, body = binary(row, draw)
        headers |= extra
    elif kind == 1:
        headers["content-type"], body = "text/csv", csv(row, draw)
    else:
        content = valid(row, draw)
        for _ in range(draw.choice([0, 1, 1, 3])):
            content = changed(content, draw)
        body = json.dumps(content).encode()
        body = broken(body, draw) if kind < 5 else body
    if draw.random() < 0.1:
        headers["content-type"] = draw.choice(TYPES)
    if draw.random() < 0.1:
        headers["content-encoding"] = draw.choice(ENCODINGS)
        packed = draw.choice([gzip.compress, zlib.compress, lambda body: body, lambda body: gzip.compress(body)[:-5]])
        body = packed(body if draw.random() < 0.8 else b"[" * 2**24)
    return headers, body


@contextmanager
def asked_meanwhile(url: str) -> Iterator[list[float]]:
    """Ask for health all the time, and note how long each answer took: a server that computes still answers."""
    took_s: list[float] = []
    enough = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not enough.wait(0.02):
                started_s = time.perf_counter()
                client.get("/ping")
                took_s.append(time.perf_counter() - started_s)

    thread = threading.Thread(target=ask)
    thread.start()
    yield took_s
    enough.set()
    thread.join()


def fault_of(answer: httpx.Response) -> str:
    """Return what is wrong with an answer; empty when nothing is."""
    if answer.status_code == 200:
        return ""
    if not 400 <= answer.status_code < 500:
        return f"status {answer.status_code}"
    try:
        content = answer.json()
    except ValueError:
        return "an error that is no JSON"
    if list(content) != ["error"]:
        return f"the keys {list(content)}"
    return "" if len(content["error"]) <= MAX_CHARACTERS else f"an error of {len(content['error'])} characters"


def paths(client: httpx.Client) -> list[str]:
    """Return every path that takes a body."""
    found = client.get("/openapi.json").json()["paths"]
    return [path.replace("{name}", "m").replace("{version}", "1") for path, item in found.items() if "post" in item]


def fuzz(server: Any, row: dict[str, Any], num_bodies: int, seed: int) -> tuple[Counter[int], list[str], list[float]]:
    """Send bodies; return how often each status came, what was wrong, and the seconds of each answer."""
    draw, statuses, faults, took_s = random.Random(seed), Counter[int](), [], []
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        places = paths(client)
        for number in range(num_bodies):
            headers, body = request(row, draw)
            path, started_s = draw.choice(places), time.perf_counter()
            answer = client.post(
                path, content=body, headers={k: v.encode("latin-1", "ignore") for k, v in headers.items()}
            )
            took_s.append(time.perf_counter() - started_s)
            statuses[answer.status_code] += 1
            if fault := fault_of(answer):
                faults.append(f"{number} {path} {headers} {body[:300]!r}: {fault}")
    return statuses, faults, took_s


@pytest.mark.parametrize("kind", ["mixed", "texts"])
def test_a_few_bodies_that_nobody_should_send_are_refused_in_json(
    kinds: dict[str, Path], serve: Callable[..., Any], kind: str
) -> None:
    with serve(kinds[kind]) as server:
        statuses, faults, _ = fuzz(server, ROW[kind], 400, seed=0)
    assert faults == []
    assert {200, 400, 415} <= set(statuses)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", list(ROW))
def test_ten_thousand_bodies_break_nothing_and_leave_nothing_in_memory(
    kinds: dict[str, Path], serve: Callable[..., Any], kind: str
) -> None:
    with serve(kinds[kind]) as server:
        fuzz(server, ROW[kind], 300, seed=1)  # what a server loads and keeps for good, it has now
        before_bytes = server.process.memory_info().rss
        with asked_meanwhile(server.url) as health_s:
            statuses, faults, took_s = fuzz(server, ROW[kind], 10_000, seed=2)
        growth_bytes = server.process.memory_info().rss - before_bytes
    print(  # noqa: T201 - the figures that are asked for before a release
        f"{kind}: {dict(statuses)}, grew {growth_bytes / 2**20:.1f} MiB, slowest {max(took_s):.3f} s, "
        f"{sum(one > 0.1 for one in took_s)} over 100 ms; health p99 {sorted(health_s)[-len(health_s) // 100]:.3f} s, "
        f"slowest {max(health_s):.3f} s"
    )
    assert faults == []
    assert growth_bytes < MAX_GROWTH_BYTES
