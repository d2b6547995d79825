"""The cluster file, judged by the code that `ray up` runs before it talks to a cloud."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML


@pytest.fixture(scope="module")
def written(root: Path) -> dict[str, Any]:
    """The cluster file as it is written."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(root / "cluster.yaml")
    return content


@pytest.fixture(scope="module")
def prepared(written: dict[str, Any]) -> dict[str, Any]:
    """The cluster file with Ray's defaults filled in."""
    from ray.autoscaler._private.util import prepare_config

    filled: dict[str, Any] = prepare_config(copy.deepcopy(written))
    return filled


def test_it_fits_the_schema_of_ray(written: dict[str, Any]) -> None:
    import ray.autoscaler

    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(written, schema)


def test_ray_accepts_it_with_its_defaults_filled_in(prepared: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import validate_config

    validate_config(prepared)


def test_workers_with_and_without_gpus_come_and_go_with_the_work(written: dict[str, Any]) -> None:
    workers = {
        name: node for name, node in written["available_node_types"].items() if name != written["head_node_type"]
    }
    assert all(node["min_workers"] == 0 < node["max_workers"] for node in workers.values())
    assert {"GPU" in node["resources"] for node in workers.values()} == {True, False}
    assert written["idle_timeout_minutes"] > 0


def test_every_ray_process_asks_for_the_token(prepared: dict[str, Any]) -> None:
    commands = prepared["head_start_ray_commands"] + prepared["worker_start_ray_commands"]
    assert all("RAY_AUTH_MODE=token" in command for command in commands if "ray st" in command)
    assert any(remote.endswith(".ray/auth_token") for remote in prepared["file_mounts"])
    assert any("chmod 600 ~/.ray/auth_token" in command for command in prepared["setup_commands"])


def test_the_dashboard_stays_on_loopback(prepared: dict[str, Any]) -> None:
    assert "--dashboard-host=127.0.0.1" in " ".join(prepared["head_start_ray_commands"])
    assert "0.0.0.0" not in json.dumps(prepared)


def test_nodes_install_the_pinned_versions(written: dict[str, Any]) -> None:
    assert "constraints.txt" in written["file_mounts"].values()
    assert any("-c ~/assay/constraints.txt" in command for command in written["setup_commands"])
