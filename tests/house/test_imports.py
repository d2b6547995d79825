"""What importing costs: nothing heavy before a verb runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "ray",
    "torch",
    "sklearn",
    "pandas",
    "polars",
    "mlflow",
    "lightgbm",
    "optuna",
    "scipy",
    "pyarrow",
    "numpy",
    "fastapi",
}


@pytest.mark.parametrize(
    "statement",
    [
        "import assay, assay.cli",
        "from assay import catalog, vocabulary; [catalog.keys(shelf) for shelf in vocabulary.Shelf]",
    ],
)
def test_importing_imports_nothing_heavy(statement: str) -> None:
    loaded = loaded_after(statement)
    allowed = {"numpy", "pyarrow"} if "catalog" in statement else set()  # what parts are told in
    assert loaded & HEAVY <= allowed


def test_help_is_printed_without_anything_heavy() -> None:
    program = "import sys; sys.argv = ['assay', '--help']\nfrom assay.cli import app\napp(standalone_mode=False)"
    assert loaded_after(program) & HEAVY == set()


def test_a_file_is_rendered_without_ray_or_torch() -> None:
    assert not loaded_after("from assay.workflows.checking import read_experiment; "
                            "read_experiment('jobs/experiments/adult.yaml')") & {"ray", "torch", "mlflow"}  # fmt: skip


def loaded_after(program: str) -> set[str]:
    """Return the top packages that a fresh process holds after running `program`."""
    tail = "\nimport sys, json; print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    told = subprocess.run([sys.executable, "-c", program + tail], capture_output=True, text=True, check=True)
    return set(json.loads(told.stdout.splitlines()[-1]))
