"""Presets: named fragments of an experiment file that lie under what the author wrote. One file is one preset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEY = "preset"
HOME = Path(__file__).parent / "presets"


def preset_names() -> list[str]:
    """Return the names of all presets, sorted; reads file names only."""
    return sorted(file.stem for file in HOME.glob("*.yaml"))


def fragment(name: str) -> dict[str, Any]:
    """Return what a preset says, as plain values.

    Example:
        >>> fragment("balanced")["search"]
        {'trials': 40}
    """
    from ruamel.yaml import YAML

    content: dict[str, Any] = YAML(typ="safe", pure=True).load(HOME / f"{name}.yaml")
    return content


def layered(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment's keys with those of its preset filled in, and the word `preset` gone.

    It is gone so that what a run writes down stands on its own, whatever the presets of a later version say. A preset
    that is not there stays, for the schema to find fault with.
    """
    if plain.get(KEY) not in preset_names():
        return dict(plain)
    return _laid(fragment(plain[KEY]), {key: value for key, value in plain.items() if key != KEY})


def _laid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; what lies over wins, keys inside keys are joined, a list is taken whole.

    Example:
        >>> _laid({"search": {"trials": 12, "generation": 4}, "seed": 1}, {"search": {"trials": 3}})
        {'search': {'trials': 3, 'generation': 4}, 'seed': 1}
    """
    joined = {**under, **over}
    for key, value in over.items():
        below = under.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            joined[key] = _laid(below, value)
    return joined
