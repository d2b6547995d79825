"""What the rules of the building look at: the repository as it lies on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("platform", "serving", "jobs", "tests", "benchmarks", "docs", "examples", ".ci")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Path]:
    """Every Python file of the two source roots."""
    return [file for home in ("platform", "serving") for file in sorted((ROOT / home).rglob("*.py"))]


@pytest.fixture(scope="session")
def texts() -> dict[Path, str]:
    """Every text file that we wrote, by its path from the root."""
    return {file.relative_to(ROOT): file.read_text(encoding="utf-8", errors="replace") for file in _written()}


def _written() -> Iterator[Path]:
    skipped = {".parquet", ".pyc", ".gz"}
    top = [file for file in ROOT.iterdir() if file.is_file() and file.suffix != ".new"]
    below = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    for file in sorted(top + below):
        if file.suffix not in skipped and not any(part.endswith(".egg-info") for part in file.parts):
            yield file
