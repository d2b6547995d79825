"""How fast one model is served: by us, by `mlflow models serve`, and by a plain handler of FastAPI behind uvicorn.

    python benchmarks/serving.py             # prints a table and exits with 1 when a bound is missed

One LightGBM model, learned by assay from the table of adults. All servers run at once and get the same bytes, rows of
named columns as JSON; they take turns, and the median over rounds of the ratios counts. Each server is one process that
predicts with one thread, and before anything is measured all must say the same of the same rows.

FastAPI, same model    the handler one writes without a server of ours: our model, its conversion, nothing checked
FastAPI, by hand       the trees alone, behind an encoding written by hand for these 14 columns: nothing of ours runs
MLflow, by hand        the same code as a model of MLflow's

Bounds: a single row's p50 within 1.5 x that of FastAPI with the same model; requests a second of 8 and 32 clients above
MLflow's and not below those of FastAPI with the same model. They hold for the way that `assay serve` takes by itself;
what they would be for the other, and against what is written by hand, is printed too.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from assay.model import Model

HERE = Path(__file__).resolve().parent
ADULT = HERE.parent / "examples/data/adult"
CLIENTS, BATCH_ROWS, NUM_SINGLE = (1, 8, 32), 1_000, 64
PLAIN, BY_HAND, MLFLOW = "FastAPI, same model", "FastAPI, by hand", "MLflow, by hand"
OURS = {"ours, --haproxy": "--haproxy", "ours, --no-haproxy": "--no-haproxy"}
LATENCY_BOUND = 1.5
Measured = dict[tuple[str, str], list[dict[str, float]]]  # by server and load, a round each


def bodies(rows: list[dict[str, object]], size: int) -> list[str]:
    """Return requests of `size` rows each."""
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [json.dumps({"dataframe_records": part}) for part in parts]


def loaded(url: str, file: Path, num_clients: int, seconds: float) -> dict[str, float]:
    """Return what the load generator measured, in a process of its own."""
    command = [sys.executable, str(HERE / "measuring/load.py"), url, str(file), str(num_clients), str(seconds)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def same(one: list[dict[str, object]], other: list[dict[str, object]]) -> bool:
    """Whether two servers say the same of the same rows; probabilities to six digits."""
    return len(one) == len(other) and all(
        a["prediction"] == b["prediction"]
        and all(math.isclose(a[key], b[key], abs_tol=1e-6) for key in a if key != "prediction")  # type: ignore[arg-type]
        for a, b in zip(one, other, strict=True)
    )


def measure(num_rounds: int, seconds: float, modes: tuple[str, ...]) -> Measured:
    """Start all servers, and let them take turns."""
    from measuring import servers

    model = servers.fitted(pq.read_table(ADULT / "train.parquet"), "income", ">50K")
    rows = pq.read_table(ADULT / "test.parquet").drop_columns(["income"]).to_pylist()
    loads = {f"{clients} clients": (clients, bodies(rows[:NUM_SINGLE], 1)) for clients in CLIENTS}
    loads[f"{BATCH_ROWS:,} rows"] = (1, bodies(rows[: 4 * BATCH_ROWS], BATCH_ROWS))
    found: Measured = defaultdict(list)
    with tempfile.TemporaryDirectory() as home, ExitStack() as running:
        urls = started(model, Path(home), modes, loads[f"{BATCH_ROWS:,} rows"][1][0], running)
        files = {name: Path(home) / f"{place}.json" for place, name in enumerate(loads)}
        for name, (_, content) in loads.items():
            files[name].write_text(json.dumps(content))
        names = list(urls)
        for round_ in range(num_rounds):
            for load, (num_clients, _) in loads.items():
                for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
                    found[name, load].append(loaded(urls[name], files[load], num_clients, seconds))
    return found


def started(model: Model, home: Path, modes: tuple[str, ...], check: str, running: ExitStack) -> dict[str, str]:
    """Start a server of each kind; returns where they answer, once all have said the same of `check`."""
    from measuring import bare_handler, plain_model, servers

    ours, plain = servers.write_ours(model, home / "ours"), servers.write_plain(model, home / "plain")
    ports = {name: servers.free_port() for name in (PLAIN, BY_HAND, MLFLOW, *modes)}
    urls = {name: f"http://127.0.0.1:{port}/invocations" for name, port in ports.items()}
    commands = {
        PLAIN: servers.fastapi("measuring.bare_handler:app", ports[PLAIN]),
        BY_HAND: servers.fastapi("measuring.plain_model:app", ports[BY_HAND]),
        MLFLOW: servers.mlflow(servers.write_mlflow(plain, home / "mlflow"), ports[MLFLOW]),
        **{mode: servers.ours(ours, ports[mode], OURS[mode]) for mode in modes},
    }
    folders = {plain_model.FOLDER_VARIABLE: str(plain), bare_handler.FOLDER_VARIABLE: str(ours)}
    for name, command in commands.items():
        running.enter_context(servers.started(command, urls[name], check, folders))
    said = {name: servers.answer_of(url, check) for name, url in urls.items()}
    for name in said:
        if not same(said[name], said[PLAIN]):
            raise SystemExit(f"{name} does not predict what {PLAIN} predicts")
    return urls


def ratio(found: Measured, load: str, what: str, one: str, other: str) -> float:
    """Return the median of the rounds' ratios: what slows the machine in a round slows both."""
    pairs = zip(found[one, load], found[other, load], strict=True)
    return median(first[what] / second[what] for first, second in pairs)


def table(found: Measured) -> None:
    """Print what was measured: medians over the rounds, and the ratios to the plain server."""
    print(f"{'load':<12} {'server':<20} {'p50 ms':>8} {'p99 ms':>8} {'req/s':>8} {'p50 x':>7} {'req/s x':>8}  failed")
    for name, load in sorted(found, key=lambda key: list(dict.fromkeys(k[1] for k in found)).index(key[1])):
        rounds = found[name, load]
        p50, p99, per_s = (median(one[what] for one in rounds) for what in ("p50_ms", "p99_ms", "per_s"))
        times = [ratio(found, load, what, name, PLAIN) for what in ("p50_ms", "per_s")]
        failed = sum(one["num_failed"] for one in rounds)
        print(f"{load:<12} {name:<20} {p50:8.2f} {p99:8.2f} {per_s:8.0f} {times[0]:7.2f} {times[1]:8.2f}  {failed:.0f}")


def verdicts(found: Measured, mode: str, peer: str) -> list[tuple[str, float, str, bool]]:
    """Return what is bounded of a way to serve: its name, the ratio, the bound, and whether it holds."""
    wall = ratio(found, "1 clients", "p50_ms", mode, peer)
    told = [(f"one row, p50 / {peer}", wall, f"<= {LATENCY_BOUND}", wall <= LATENCY_BOUND)]
    for load in ("8 clients", "32 clients"):
        against = ratio(found, load, "per_s", mode, MLFLOW)
        told.append((f"{load}, req/s / {MLFLOW}", against, "> 1", against > 1))
        against = ratio(found, load, "per_s", mode, peer)
        told.append((f"{load}, req/s / {peer}", against, ">= 1", against >= 1))
    return told


def told(found: Measured, mode: str, peer: str) -> bool:
    """Print what is bounded; returns whether all of it holds."""
    print(f"\n{mode}, against {peer}")
    rows = verdicts(found, mode, peer)
    for what, number, bound, holds in rows:
        print(f"{what:<44} {number:7.2f}  {bound:<6} {'ok' if holds else 'MISSED'}")
    return all(holds for *_, holds in rows)


def main() -> int:
    """Measure, print, and say whether the bounds hold."""
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--rounds", type=int, default=5, help="turns of each server (default 5)")
    asking.add_argument("--seconds", type=float, default=1.5, help="seconds of each load (default 1.5)")
    asking.add_argument("--only", choices=list(OURS), help="one way of ours to serve; both when left out")
    asked = asking.parse_args()
    sys.path.insert(0, str(HERE))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped however it ends
    modes = (asked.only,) if asked.only else tuple(OURS)
    found = measure(asked.rounds, asked.seconds, modes)
    table(found)
    held = told(found, modes[0], PLAIN)
    for mode, peer in [(modes[0], BY_HAND), *((mode, PLAIN) for mode in modes[1:])]:
        told(found, mode, peer)
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
