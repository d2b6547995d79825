"""Write an experiment as YAML that reads back to the same experiment."""

from __future__ import annotations

import io
from typing import Any

from assay.spec.schema import Experiment


def plain(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment as plain values, with every default filled in, under the names of the file."""
    return experiment.model_dump(mode="json", by_alias=True)


def to_yaml(value: Any) -> str:
    """Return plain values as YAML; keys keep their order."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def render(experiment: Experiment) -> str:
    """Return the whole experiment as YAML, with every default filled in."""
    return to_yaml(plain(experiment))
