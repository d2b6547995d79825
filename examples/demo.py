"""The whole way in one program: a real table becomes a served model, answers one request of each door, and stops.

python examples/demo.py [options of assay run]       or `make demo`, which installs first
"""
# ruff: noqa: T201, S603

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
FILE, MODEL, LABEL = "jobs/experiments/adult.yaml", "adult-income", "income"
ROWS = ROOT / "examples/data/adult/test.parquet"
ASSAY = (sys.executable, "-m", "assay")
STOP_TIMEOUT_S = 90.0


def main() -> None:
    """Train, serve, ask, stop."""
    started = time.monotonic()
    show_command("run", FILE, *sys.argv[1:])
    trained = subprocess.run([*ASSAY, "run", FILE, *sys.argv[1:]], cwd=ROOT, check=False)
    if trained.returncode:
        sys.exit(trained.returncode)
    records = first_of_each_class()
    with serving(free_port()) as url, httpx.Client(base_url=url, headers=token(), timeout=60, trust_env=False) as http:
        model = http.get(f"/v2/models/{MODEL}").raise_for_status().json()
        ask(http, f"/v2/models/{MODEL}/infer", {"inputs": tensors(model["inputs"], records)})
        ask(http, "/invocations", {"dataframe_records": records})
    print(f"\nDone in {time.monotonic() - started:.0f} s. The run and the model are kept: "
          f"assay leaderboard, assay models, assay serve {MODEL}")  # fmt: skip


def first_of_each_class() -> list[dict[str, Any]]:
    """Return the first test row of each class, without its label, as a client would have it."""
    table = pq.read_table(ROWS)
    labels = table[LABEL].to_pylist()
    rows: list[dict[str, Any]] = table.drop_columns([LABEL]).to_pylist()
    return [rows[labels.index(label)] for label in sorted(set(labels))]


def tensors(columns: list[dict[str, Any]], records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one tensor per column, as the Open Inference Protocol wants it; None stands for a missing value."""
    return [
        {
            "name": column["name"],
            "datatype": column["datatype"],
            "shape": [len(records)],
            "data": [record[column["name"]] for record in records],
        }
        for column in columns
    ]


def ask(http: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """Send one request and print it and its answer."""
    print(f"\nPOST {http.base_url.join(path)}\n{one_line_each(body)}")
    answer = http.post(path, json=body)
    print(f"\n{answer.status_code} {answer.reason_phrase}\n{one_line_each(answer.json())}", flush=True)
    answer.raise_for_status()


def one_line_each(body: dict[str, Any]) -> str:
    """Return JSON with a line for each tensor or row."""
    lines = []
    for key, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inner = ",\n".join(f"    {json.dumps(item)}" for item in value)
            lines.append(f"  {json.dumps(key)}: [\n{inner}\n  ]")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}"


@contextmanager
def serving(port: int) -> Iterator[str]:
    """Run `assay serve` in a process of its own and give its URL once it answers; afterwards stop it as Ctrl-C does."""
    show_command("serve", MODEL, "--port", str(port))
    # A session of its own, so that Ctrl-C here reaches us alone and the server is told to stop exactly once.
    server = subprocess.Popen(
        [*ASSAY, "serve", MODEL, "--port", str(port), "--json"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield ready_url(server)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        try:
            server.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def ready_url(server: subprocess.Popen[str]) -> str:
    """Return the URL that the server prints, as JSON, when it is ready; exits with the server's code if it gives up."""
    assert server.stdout is not None
    said = ""
    for line in server.stdout:
        said += line
        if line.rstrip() == "}":
            url: str = json.loads(said)["url"]
            return url
    sys.exit(server.wait() or 1)


def show_command(*words: str) -> None:
    """Print a command as a person would type it."""
    print(f"\n$ assay {' '.join(words)}", flush=True)


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def token() -> dict[str, str]:
    """Return the header that a server with a token asks for."""
    given = os.environ.get("ASSAY_SERVE_TOKEN", "").strip()
    return {"Authorization": f"Bearer {given}"} if given else {}


if __name__ == "__main__":
    main()
