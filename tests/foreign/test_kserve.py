"""KServe's REST client, in an environment of its own, against a real server."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster
PROGRAM = Path(__file__).with_name("asking_with_kserve.py")


@pytest.fixture(scope="module")
def told(url: str, photos: list[bytes], kserve_python: Path) -> dict[str, Any]:
    """What came of each call."""
    texts = json.dumps([base64.b64encode(file).decode() for file in photos])
    said = subprocess.run([kserve_python, PROGRAM, url, texts], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr[-3_000:]
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_the_server_and_its_models_are_live_and_ready(told: dict[str, Any]) -> None:
    asked = ["live", "ready", "model ready", "version ready", "unknown ready"]
    assert [told[name] for name in asked] == [True, True, True, True, False]


@pytest.mark.parametrize(("form", "request_id"), [("json", "a-1"), ("binary", "a-2")])
def test_tensors_are_answered(told: dict[str, Any], form: str, request_id: str) -> None:
    found = told[form]
    assert (found["model"], found["id"]) == ("demo", request_id)
    assert found["outputs"]["prediction"] == ["over", "under"]
    assert [sum(row) for row in found["outputs"]["probability"]] == pytest.approx([1.0, 1.0])


def test_the_first_version_of_the_protocol_which_is_its_default_is_spoken_too(told: dict[str, Any]) -> None:
    assert told["v1 live"] is True
    assert told["v1 model ready"] is True
    assert [record["prediction"] for record in told["v1"]["predictions"]] == ["over", "under"]
    assert [why["prediction"] for why in told["v1 explain"]["explanations"]] == ["over", "under"]
    assert "column 'age': found text 'old'" in told["v1 wrong"]["error"]


def test_a_version_may_stand_in_the_address(told: dict[str, Any]) -> None:
    assert told["version"]["outputs"]["prediction"] == ["over", "under"]


def test_only_the_outputs_that_are_asked_for_are_sent(told: dict[str, Any]) -> None:
    assert list(told["dict"]["outputs"]) == ["probability"]


@pytest.mark.parametrize("form", ["number", "binary number"])
def test_numbers_are_predicted(told: dict[str, Any], form: str) -> None:
    assert told[form]["outputs"]["prediction"] == pytest.approx([6, 0], abs=1.5)


def test_images_are_read(told: dict[str, Any]) -> None:
    assert told["photos"]["outputs"]["prediction"] == ["upper", "lower"]


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        ("unknown", 404, "no model named 'unknown'"),
        ("wrong", 400, "column 'age': found text 'old'"),
        ("encoding", 415, "'br' is not supported"),
        ("large", 413, "larger than 16 MiB"),
    ],
)
def test_the_client_reads_what_is_wrong(told: dict[str, Any], call: str, status: int, text: str) -> None:
    assert told[call]["status"] == status
    assert text in told[call]["error"]
