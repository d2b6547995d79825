"""The token that Ray writes for itself is for its owner's eyes, also where Ray was imported before us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ray
from assay.engines import cluster
cluster.connect(None, 1)
print(f"{cluster.token_file().stat().st_mode & 0o777:o}")
cluster.disconnect()
"""


@pytest.mark.cluster
def test_a_token_file_that_ray_writes_is_closed(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**environment, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert told.stdout.strip().splitlines()[-1] == "600"
