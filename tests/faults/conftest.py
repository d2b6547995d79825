"""The command line in this process, on a folder of its own, and small tables to break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

NUM_ROWS = 80
Columns = dict[str, list[object]]


@dataclass(frozen=True)
class Said:
    """What a verb said: its exit code, its data and its talk."""

    code: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        """The faults, one a line, below the name of their kind."""
        lines = self.err.splitlines()
        start = next(place for place, line in enumerate(lines) if line.endswith("Fault"))
        return lines[start + 1 :]


@pytest.fixture
def assay(
    monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> Callable[..., Said]:
    """Return a function that runs a verb in `tmp_path`, where the storage is too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_STORAGE", str(tmp_path / "storage"))
    return lambda *words: Said(*command_line(*words))


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a small experiment file on `data.csv`, with lines added at its end."""

    def write(*lines: str, data: str = "{train: data.csv, label: left}") -> Path:
        text = ["experiment: small", f"data: {data}", "algorithms: [decision_tree]", "search: {trials: 2}", *lines]
        file = tmp_path / "small.yaml"
        file.write_text("\n".join(text) + "\n", encoding="utf-8")
        return file

    return write


def columns(**changed: list[object]) -> Columns:
    """Return columns that a run would take: a number, a category and a label; changed or added to as told."""
    return {
        "age": [20 + row * 7 % 50 for row in range(NUM_ROWS)],
        "plan": ["abc"[row % 3] for row in range(NUM_ROWS)],
        "left": [["no", "yes"][row % 3 == 0] for row in range(NUM_ROWS)],
        **changed,
    }


def csv_text(table: Columns) -> str:
    """Return columns as CSV; None is an empty field."""
    rows = zip(*table.values(), strict=True)
    lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
    return "\n".join([",".join(table), *lines]) + "\n"
