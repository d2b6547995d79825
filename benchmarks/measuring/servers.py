"""The servers that are compared: ours, MLflow's and a plain one, each as its users start it, and all of one model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Pending
from assay.model import Member, Model
from assay.recipe import Recipe, learn_steps
from assay.store import artifact
from assay.vocabulary import ColumnKind, Shelf

BENCHMARKS = Path(__file__).resolve().parent.parent
READY_S, STOP_S = 120.0, 60.0


def fitted(rows: pa.Table, label: str, positive: str) -> Model:
    """Return LightGBM behind the step that makes codes of categories."""
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(rows.num_rows), 0), label, None, {}, positive)
    steps, batch = learn_steps((Pending("ordinal"),), kind.to_batch(rows, profile), seed=0)
    learned = catalog.make(Shelf.ALGORITHMS, "lightgbm", {}).fit(batch.packed(), seed=0)
    return Model("tabular", profile, {"codes": Recipe(steps)}, (Member("lightgbm", "lightgbm", {}, "codes", learned),))


def write_ours(model: Model, folder: Path) -> Path:
    """Write the model as our server reads it."""
    return artifact.pack(folder, model).folder


def write_plain(model: Model, folder: Path) -> Path:
    """Write the same trees, and the codes of the categories, as the peers read them."""
    folder.mkdir(parents=True)
    (folder / "model.txt").write_bytes(model.members[0].fitted.files()["model.txt"])
    columns = {
        column.name: list(column.levels) if column.kind is ColumnKind.CATEGORY else None
        for column in model.profile.used
    }
    (folder / "columns.json").write_text(json.dumps({"classes": list(model.classes), "columns": columns}))
    return folder


def write_mlflow(plain: Path, folder: Path) -> Path:
    """Write the plain model as MLflow's server reads it."""
    from mlflow import pyfunc

    pyfunc.save_model(str(folder), loader_module="measuring.plain_model", data_path=str(plain), pip_requirements=[])
    return folder


def ours(folder: Path, port: int, *extra: str) -> list[str]:
    """Return the command that serves a folder of ours."""
    return [sys.executable, "-m", "assay", "serve", str(folder), "--port", str(port), *extra]


def mlflow(folder: Path, port: int) -> list[str]:
    """Return the command that serves a folder of MLflow's."""
    options = ["--env-manager", "local", "--port", str(port)]
    return [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), *options]


def fastapi(application: str, port: int) -> list[str]:
    """Return the command that serves an application of FastAPI."""
    options = ["--factory", "--port", str(port), "--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", application, *options]


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answer_of(url: str, body: str) -> list[dict[str, object]]:
    """Return the predictions for a body.

    Raises:
        OSError: nobody answers, or with an error.
    """
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as found:
        predictions: list[dict[str, object]] = json.load(found)["predictions"]
        return predictions


@contextmanager
def started(command: Sequence[str], url: str, body: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a server until the block ends; the block begins when it answers `body`."""
    # MLflow finds uvicorn by its name alone.
    before = {"PYTHONPATH": str(BENCHMARKS), "PATH": str(Path(sys.executable).parent)}
    known = {name: os.pathsep.join([place, os.environ.get(name, "")]) for name, place in before.items()}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory() as cwd:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **known, **environment},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            _await(process, url, body)
            yield
        except BaseException:
            said.seek(0)
            sys.stderr.write(said.read().decode(errors="replace")[-4_000:])
            raise
        finally:
            _end(process)


def _await(process: subprocess.Popen[bytes], url: str, body: str) -> None:
    deadline_s = time.monotonic() + READY_S
    while True:
        try:
            answer_of(url, body)
            return
        except (URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise SystemExit(f"{url} does not answer ({error})") from None
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server as Ctrl-C does, with what it started."""
    for number, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGKILL, STOP_S)):
        try:
            os.killpg(process.pid, number) if number == signal.SIGKILL else process.send_signal(number)
            process.wait(patience_s)
            break
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
