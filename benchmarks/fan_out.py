"""What fan-out costs: an ensemble in one process, over three, and with a member that hangs or was killed.

    python benchmarks/fan_out.py             # a local Ray, one table; about two minutes

Three forests vote on 20 numbers. `p50` and `p95` are of lone requests of one row; `8 clients` is requests a second of
eight clients; `1,000 rows` is the median of such a request. A hanging member is a stopped process, waited for until it
was late three times in a row; a dead one is killed, and `whole after` is when every member answers again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa

from assay import catalog
from assay.engines import cluster, serving
from assay.model import Combination, Member, Model
from assay.parts import Learned
from assay.recipe import Recipe, StepState
from assay.store import artifact
from assay.store.releases import Release
from assay.vocabulary import Shelf

NUM_MEMBERS, NUM_COLUMNS, NUM_ROWS = 3, 20, 20_000
NUM_REQUESTS, DEADLINE_S = 300, 0.5
HEADER = "x-assay-degraded"


def ensemble() -> Model:
    """Return three forests that vote."""
    draw = np.random.default_rng(0)
    x_NF = draw.normal(size=(NUM_ROWS, NUM_COLUMNS))
    label = np.where(x_NF[:, :5].sum(axis=1) + draw.normal(size=NUM_ROWS) > 0, "yes", "no")
    table = pa.table({**{f"x{place}": x_NF[:, place] for place in range(NUM_COLUMNS)}, "y": label})
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(table, np.arange(NUM_ROWS), 0), "y", None, {}, None)
    recipe = Recipe((StepState("ordinal", {}, {}),))
    batch = recipe.apply(kind.to_batch(table, profile))
    forest = catalog.make(Shelf.ALGORITHMS, "random_forest")
    members = tuple(
        Member(f"forest-{seed}", "random_forest", {}, "codes", forest.fit(batch, seed)) for seed in range(NUM_MEMBERS)
    )
    return Model("tabular", profile, {"codes": recipe}, members, Combination("vote", {}, Learned()))


def body(num_rows: int) -> dict[str, object]:
    """Return a request."""
    rows = np.random.default_rng(1).normal(size=(num_rows, NUM_COLUMNS)).tolist()
    return {"dataframe_split": {"columns": [f"x{place}" for place in range(NUM_COLUMNS)], "data": rows}}


def alone_ms(client: httpx.Client, num_rows: int = 1, num_requests: int = NUM_REQUESTS) -> np.ndarray:
    """Return the milliseconds of requests, one after the other."""
    content, spent_ms = body(num_rows), []
    for _ in range(num_requests):
        start_s = time.perf_counter()
        client.post("/invocations", json=content).raise_for_status()
        spent_ms.append(1_000 * (time.perf_counter() - start_s))
    return np.array(spent_ms)


def together_hz(url: str, num_clients: int = 8) -> float:
    """Return requests a second of clients at once."""

    async def ask() -> float:
        async with httpx.AsyncClient(base_url=url, timeout=35.0, trust_env=False) as client:

            async def go_on() -> None:
                for _ in range(NUM_REQUESTS // 4):
                    (await client.post("/invocations", json=body(1))).raise_for_status()

            start_s = time.perf_counter()
            await asyncio.gather(*(go_on() for _ in range(num_clients)))
            return num_clients * (NUM_REQUESTS // 4) / (time.perf_counter() - start_s)

    return asyncio.run(ask())


def measured(name: str, url: str) -> None:
    """Print a line of the table."""
    with httpx.Client(base_url=url, timeout=35.0, trust_env=False) as client:
        alone_ms(client, num_requests=30)
        spent_ms, many_ms = alone_ms(client), alone_ms(client, 1_000, 30)
        p50, p95, p99 = np.quantile(spent_ms, [0.5, 0.95, 0.99])
        print(
            f"{name:34} {p50:7.1f} {p95:7.1f} {p99:7.1f} {np.median(many_ms):9.1f} {together_hz(url):9.0f}", flush=True
        )


def process(deployment: str) -> psutil.Process:
    """Return the newest replica of a deployment."""
    below = psutil.Process(os.getpid()).children(recursive=True)
    return [one for one in below if f"ServeReplica:assay:{deployment}" in " ".join(one.cmdline())][-1]


def memory_mb() -> str:
    """Return the memory of the replicas, that no other process shares."""
    below = psutil.Process(os.getpid()).children(recursive=True)
    found = {
        one.cmdline()[0].removeprefix("ray::ServeReplica:assay:"): one.memory_full_info().uss / 1e6
        for one in below
        if one.cmdline() and "ServeReplica:assay" in one.cmdline()[0]
    }
    return ", ".join(f"{name} {size:.0f}" for name, size in sorted(found.items()))


def killed(url: str) -> None:
    """Kill a member under requests, and print what clients saw until all answer again."""
    seen, worst_ms = Counter[str](), 0.0
    with httpx.Client(base_url=url, timeout=35.0, trust_env=False) as client:
        process("Member-1").kill()
        start_s = time.perf_counter()
        while time.perf_counter() - start_s < 60:
            began_s = time.perf_counter()
            answer = client.post("/invocations", json=body(1))
            worst_ms = max(worst_ms, 1_000 * (time.perf_counter() - began_s))
            whole = HEADER not in answer.headers
            seen[f"{answer.status_code}{'' if whole else ' degraded'}"] += 1
            if whole and seen["200 degraded"]:
                break
    print(f"killed: {dict(seen)}, slowest {worst_ms:.0f} ms, whole after {time.perf_counter() - start_s:.1f} s")


def main() -> None:
    """Serve the ensemble in one process, then over three, then without one of them."""
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        folder = artifact.pack(Path(home) / "model", ensemble()).folder
        print(f"artifact {artifact.open_artifact(folder).size_bytes / 1e6:.0f} MB")
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        cluster.connect(None, 2)
        print(f"{'ms':34} {'p50':>7} {'p95':>7} {'p99':>7} {'1,000 rows':>9} {'8 clients':>9}")
        release = Release.alone("m", "1", folder)
        with serving.start(release, port=port) as server:
            measured("one process", server.url)
            print(f"  MB: {memory_mb()}")
        fanned = serving.Scale(fan_out=NUM_MEMBERS, member_deadline_s=DEADLINE_S)
        with serving.start(release, port=port, scale=fanned) as server:
            measured("three member processes, whole", server.url)
            print(f"  MB: {memory_mb()}")
            stopped = process("Member-0")
            stopped.send_signal(signal.SIGSTOP)
            with httpx.Client(base_url=server.url, timeout=35.0, trust_env=False) as client:
                print(
                    "  first with a hanging member, ms:", alone_ms(client, num_requests=5).round().astype(int).tolist()
                )
            measured("  a member hangs", server.url)
            stopped.send_signal(signal.SIGCONT)
            time.sleep(5)
            killed(server.url)
        cluster.disconnect()


if __name__ == "__main__":
    main()
