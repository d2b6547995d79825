"""schemathesis reads `/openapi.json` of a real server and asks what that allows and forbids, with all its checks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOKEN = "0123456789abcdef" * 4
# JSON Schema cannot say that a history has no gap and is long enough, or that text is an image: such requests are
# rightly refused though the schema allows them. Whatever else is checked is checked of these kinds too.
MOST = {"texts": 90, "images": 90}  # of kinds that have fewer ways to be wrong
BEYOND_A_SCHEMA = {"forecast": "positive_data_acceptance", "images": "positive_data_acceptance"}


def ask(url: str, kind: str, folder: Path, *, most: int, seed: int, phases: str = "") -> tuple[int, str]:
    """Return how many cases were asked, and what was wrong; `most` are the cases of each operation in each phase."""
    report = folder / "report.json"
    words = [
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{url}/openapi.json", "--checks", "all", "--max-examples", str(most), "--seed", str(seed)),
        *("--continue-on-failure", "--no-color", "--warnings", "off", "--generation-database", "none"),
        *("--report", "json", "--report-json-path", str(report), "--header", f"Authorization: Bearer {TOKEN}"),
        *(["--phases", phases] if phases else []),
        *(["--exclude-checks", BEYOND_A_SCHEMA[kind]] if kind in BEYOND_A_SCHEMA else []),
    ]
    program = Path(sys.executable).with_name("schemathesis")
    told = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert report.exists(), told.stdout + told.stderr
    found = json.loads(report.read_text())
    wrong = told.stdout.partition("= FAILURES =")[2] or told.stdout
    return found["test_cases"]["generated"], "" if found["exit_code"] == 0 and found["complete"] else wrong


@pytest.mark.parametrize("kind", ["mixed", "number"])
def test_what_the_document_says_is_true(
    kinds: dict[str, Path], serve: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    with serve(kinds[kind], TOKEN) as server:
        num_cases, wrong = ask(server.url, kind, tmp_path, most=3, seed=0, phases="fuzzing")
    assert wrong == ""
    assert num_cases >= 90


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["mixed", "number", "texts", "images", "forecast"])
def test_two_thousand_cases_find_nothing_untrue(
    kinds: dict[str, Path], serve: Callable[..., Any], tmp_path: Path, kind: str, seed: int
) -> None:
    with serve(kinds[kind], TOKEN) as server:
        num_cases, wrong = ask(server.url, kind, tmp_path, most=MOST.get(kind, 60), seed=seed)
    print(f"{kind}, seed {seed}: {num_cases} cases")  # noqa: T201 - the figures that are asked for before a release
    assert wrong == ""
    assert num_cases >= 2_000
