"""What we tell people is so: pages made from the code are up to date, and what they name exists."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from assay.cli import app
from assay.evaluation.leaderboard import Entry

PAGE_NAMES = ["experiment-file.md", "cli.md"]
VERBS = [str(command.name) for command in app.registered_commands] + [str(g.name) for g in app.registered_groups]


@pytest.fixture(scope="module")
def generator(root: Path) -> ModuleType:
    """The program docs/generate.py."""
    spec = importlib.util.spec_from_file_location("generate", root / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_a_page_made_from_the_code_says_what_the_code_says(root: Path, generator: ModuleType, name: str) -> None:
    assert (root / "docs" / name).read_text() == generator.pages()[name], "run `make docs`"


def test_every_page_that_is_made_is_checked(generator: ModuleType) -> None:
    assert sorted(generator.pages()) == sorted(PAGE_NAMES)


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_every_verb_is_in_the_pages_that_list_them(root: Path, page: str) -> None:
    text = (root / page).read_text()
    assert [verb for verb in VERBS if f"assay {verb}" not in text] == []


def test_every_key_of_a_leaderboard_row_is_explained(root: Path) -> None:
    text = (root / "docs/experiment-file.md").read_text()
    keys = [field.name for field in dataclasses.fields(Entry)]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_every_make_command_that_a_page_names_exists(root: Path, texts: dict[Path, str]) -> None:
    listed = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^make (\w+)", listed, re.MULTILINE))
    named = {
        (str(path), target)
        for path, text in texts.items()
        if path.suffix == ".md" or path == Path("Makefile")
        for target in re.findall(r"(?:`|^    |^\$ )make ([a-z]+)", text, re.MULTILINE)
    }
    assert {entry for entry in named if entry[1] not in targets} == set()


def test_every_assay_command_that_a_page_names_is_a_verb(texts: dict[Path, str]) -> None:
    named = {
        (str(path), verb)
        for path, text in texts.items()
        if path.suffix in (".md", ".yaml")
        for verb in re.findall(r"(?:`|^    |^\$ )assay ([a-z]+)", text, re.MULTILINE)
    }
    assert {entry for entry in named if entry[1] not in VERBS} == set()


def test_every_link_between_pages_leads_somewhere(root: Path, texts: dict[Path, str]) -> None:
    broken = [
        f"{path}: {target}"
        for path, text in texts.items()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if not (root / path.parent / target).exists()
    ]
    assert broken == []


def test_the_gate_of_the_repository_runs_the_checks_and_so_the_tests(root: Path) -> None:
    assert "make check" in (root / ".ci/run").read_text()
    dry = subprocess.run(["make", "-n", "check"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert all(tool in dry for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "-m pytest"))
