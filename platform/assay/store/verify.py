"""Proof that an artifact predicts what its model predicted: a fresh process loads it and predicts the same rows.

Run as `python -m assay.store.verify ALGORITHMS`: a line of JSON and rows as an Arrow stream come in, predictions go out
as safetensors.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.errors import ArtifactFault, AssayError
from assay.parts import Json
from assay.store import artifact
from assay.vocabulary import Shelf

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
REFUSED = ArtifactFault.exit_code


class Prover:
    """A fresh process that will load an artifact; started early, it imports its libraries while others still work."""

    def __init__(self, algorithms: Sequence[tuple[str, Json]] = (), threads: int = 1) -> None:
        environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", __name__, json.dumps(list(algorithms))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, when nobody asked it."""
        self.process.kill()
        self.process.communicate()

    def verify(
        self,
        folder: Path,
        table: pa.Table,
        expected_nK: np.ndarray,
        *,
        imports: Sequence[str] = (),
        tolerance: float = 1e-12,
        timeout_s: float = 600.0,
    ) -> np.ndarray:
        """Load the artifact in the process, predict all rows of `table`, and return prediction_NK.

        The first n rows are compared with `expected_nK`, what the model predicted where it was fitted; they are
        predicted by themselves, since sums of a network's float32 depend on how many rows it reads at once. `imports`
        are modules of your own that hold parts of the model. Threads should be as many as made `expected_nK`, since
        another number may add up in another order. Nothing is written.

        Raises:
            ArtifactFault: it does not load, does not predict, or predicts otherwise; says the first row.
        """
        found_NK = self._predicted(folder, table, len(expected_nK), imports, timeout_s)
        found_nK = found_NK[: len(expected_nK)]
        if len(found_NK) != table.num_rows or found_nK.shape != expected_nK.shape:
            raise ArtifactFault.at(str(folder), f"predicts shape {found_nK.shape}, expected {expected_nK.shape}")
        same_n = np.isclose(found_nK, expected_nK, rtol=tolerance, atol=tolerance, equal_nan=True).all(axis=1)
        if not same_n.all():
            row = int(np.flatnonzero(~same_n)[0])
            raise ArtifactFault.at(
                str(folder),
                f"predicts otherwise once reloaded: row {row} gives {found_nK[row]}, expected {expected_nK[row]}",
                "this is a fault of an algorithm's `files` and `load`, or of a library version; report it",
            )
        return found_NK

    def _predicted(
        self, folder: Path, table: pa.Table, num_first: int, imports: Sequence[str], timeout_s: float
    ) -> np.ndarray:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        order = json.dumps({"folder": str(folder), "imports": list(imports), "num_first": num_first}).encode()
        try:
            answer, said = self.process.communicate(order + b"\n" + _to_stream(table), timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise ArtifactFault.at(str(folder), f"did not answer within {timeout_s:g} s in a fresh process") from None
        if self.process.returncode:
            text = said.decode(errors="replace").strip()
            raise ArtifactFault.at(str(folder), f"does not load in a fresh process: {text[-2_000:]}")
        try:
            prediction_NK: np.ndarray = load(answer)["prediction_NK"]
        except (SafetensorError, KeyError) as error:
            raise ArtifactFault.at(str(folder), f"gave no predictions in a fresh process ({error})") from None
        return prediction_NK


def _to_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def main(algorithms: str = "[]") -> int:
    """Answer for one artifact; what libraries print goes to stderr."""
    from safetensors.numpy import save

    answer = os.dup(1)
    os.dup2(2, 1)
    for key, params in json.loads(algorithms):
        catalog.make(Shelf.ALGORITHMS, key, params).warm()
    order = json.loads(sys.stdin.buffer.readline())
    for module in order["imports"]:
        importlib.import_module(module)
    try:
        table = pa.ipc.open_stream(sys.stdin.buffer.read()).read_all()
        model = artifact.load(Path(order["folder"]))
        first, rest = table.slice(0, order["num_first"]), table.slice(order["num_first"])
        parts = [first, rest] if first.num_rows and rest.num_rows else [table]
        prediction_NK = np.concatenate([model.predict(part) for part in parts])
    except AssayError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    with os.fdopen(answer, "wb") as out:
        out.write(save({"prediction_NK": np.asarray(prediction_NK, order="C")}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
