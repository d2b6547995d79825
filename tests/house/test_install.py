"""What a person installs: every dependency pinned, nothing that only works on our machines."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # of apache.org's LICENSE-2.0.txt


@pytest.fixture(scope="module")
def pinned(root: Path) -> dict[str, str]:
    """The version of each package in constraints.txt."""
    lines = (root / "constraints.txt").read_text().splitlines()
    pairs = [line.partition("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in pairs}


@pytest.fixture(scope="module")
def wanted(root: Path) -> list[Requirement]:
    """The dependencies of pyproject.toml, those for developers included."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    found = [Requirement(line) for line in project["dependencies"] + extras]
    here = [line for line in found if line.marker is None or line.marker.evaluate()]
    return [line for line in here if line.name != project["name"]]  # one extra may hold another


def test_every_dependency_is_pinned_to_a_version_in_its_range(
    pinned: dict[str, str], wanted: list[Requirement]
) -> None:
    wrong = [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert wrong == []


def test_every_pin_is_one_public_version(root: Path) -> None:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []


def test_no_pin_pulls_a_gpu_library(pinned: dict[str, str]) -> None:
    # `triton` is the GPU compiler; `tritonclient` is an HTTP client of an inference server and no relation of it.
    gpu = [name for name in pinned if name == "triton" or name.startswith(("nvidia-", "pytorch-triton", "cuda"))]
    assert gpu == []


def test_the_licence_is_the_whole_apache_licence(root: Path) -> None:
    assert hashlib.sha256((root / "LICENSE").read_bytes()).hexdigest() == APACHE_2_SHA256


def test_no_file_names_a_machine_or_a_registry(texts: dict[Path, str]) -> None:
    # Put together here, so that this file does not name them either.
    words = ("/root" + "/", "/home/" + "runner", "/work" + "/", "/opt/" + "wheels", "../" + "shared",
             "pypi" + ".org", "python" + "hosted", "download.py" + "torch")  # fmt: skip
    assert [f"{path}: {word}" for path, text in texts.items() for word in words if word in text] == []


def test_no_file_holds_a_key_or_a_token(texts: dict[Path, str]) -> None:
    secret = re.compile(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|ghp_[A-Za-z0-9]{36}|xox[bp]-[0-9A-Za-z-]{20}")
    assert [str(path) for path, text in texts.items() if secret.search(text)] == []


def test_shipped_data_says_where_it_is_from_and_on_what_terms(root: Path) -> None:
    for folder in (entry for entry in (root / "examples/data").iterdir() if entry.is_dir()):
        text = (folder / "README.md").read_text().lower()
        assert [word for word in ("source", "terms") if word not in text] == [], folder.name
