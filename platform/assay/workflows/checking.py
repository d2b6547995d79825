"""Check an experiment whole, before anything starts: its keys, and every part that it names with its settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay import catalog
from assay.errors import Fault, SpecFault, did_you_mean, raise_all
from assay.parts import Part
from assay.spec import Experiment, Located, check, layered, preset_names, read_yaml
from assay.spec.reading import schema_faults
from assay.vocabulary import Shelf

Address = tuple[str | int, ...]


def read_experiment(file: str | Path, preset: str | None = None) -> Experiment:
    """Read and check an experiment file, with another preset than its own when one is given.

    Raises:
        SpecFault: there is no such preset; or every fault of the file at once, each with its line and column.
    """
    if preset is not None and preset not in preset_names():
        raise SpecFault.at("preset", f"there is none named '{preset}'", did_you_mean(preset, preset_names()))
    tree = read_yaml(file)
    _find_code_beside(file)
    if preset is not None and isinstance(tree.plain, dict):
        tree = replace(tree, plain={**tree.plain, "preset": preset})
    return checked(tree)


def checked(tree: Located) -> Experiment:
    """Return the experiment of a tree, its preset filled in, or raise all its faults at once."""
    if isinstance(tree.plain, dict):
        tree = replace(tree, plain=layered(tree.plain))
    experiment, faults = check(tree)
    if isinstance(tree.plain, dict):
        told = {fault.place for fault in faults}
        faults += [fault for fault in part_faults(tree) if fault.place not in told]
    raise_all(SpecFault, faults)
    assert experiment is not None
    return experiment


def part_faults(tree: Located) -> list[Fault]:
    """Return what is wrong with the parts that are named, as far as the tree is well-formed enough to tell."""
    faults: list[Fault] = []
    for shelf, path, key, params, params_path in _named(tree.plain):
        try:
            part = catalog.find(shelf, key)
        except SpecFault as error:
            faults += [Fault(tree.place(path), fault.found, fault.fix) for fault in error.faults]
            continue
        try:
            part.Params.model_validate(params)
        except ValidationError as error:
            faults += schema_faults(error, tree, params_path, part.Params)
        else:
            faults += _own_code_faults(part, params, tree, params_path)
        faults += _guide_faults(part, tree, path) + _weight_faults(part, tree, path)
    return faults


def _own_code_faults(part: type[Part], params: dict[str, Any], tree: Located, path: Address) -> list[Fault]:
    """Return the fault of a part whose settings name code that cannot be imported."""
    check = getattr(part, "setting_fault", None)
    said = check(params) if check is not None and "module" in params else ""
    return [Fault(tree.place((*path, "module")), said)] if said else []


def _find_code_beside(file: str | Path) -> None:
    """Let this process, and the workers that it starts, import modules from the folder of the experiment file.

    It comes last, so that no file there stands in for a library.
    """
    folder = str(Path(file).absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    known = os.environ.get("PYTHONPATH", "")
    if folder not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (known, folder)))


def _weight_faults(part: type[Part], tree: Located, path: Address) -> list[Fault]:
    """Return the fault of an algorithm that is to learn from weighted rows and cannot."""
    if tree.plain.get("class_weight", "none") == "none" or getattr(part, "weighable", True):
        return []
    return [Fault(tree.place(path), "cannot learn from weighted rows", "leave it out, or the line `class_weight`")]


def _guide_faults(part: type[Part], tree: Located, path: Address) -> list[Fault]:
    """Return the fault of a split by group or time whose column is not named."""
    needs, data = getattr(part, "needs", ""), tree.plain.get("data")
    if needs not in ("group", "time") or not isinstance(data, dict) or data.get(needs) is not None:
        return []
    return [
        Fault(tree.place(path), f"divides by {needs}, data.{needs} is not set", f"write `data: {{{needs}: COLUMN}}`")
    ]


def _named(plain: dict[str, Any]) -> Iterator[tuple[Shelf, Address, str, dict[str, Any], Address]]:
    """Yield each part that the tree names: shelf, place of its name, key, settings, place of the settings."""
    search = plain.get("search")
    lists: tuple[tuple[Address, Shelf, Any], ...] = (
        (("algorithms",), Shelf.ALGORITHMS, plain.get("algorithms")),
        (("steps",), Shelf.STEPS, plain.get("steps")),
        (("ensembles",), Shelf.ENSEMBLES, plain.get("ensembles")),
        (("search", "first"), Shelf.ALGORITHMS, search.get("first") if isinstance(search, dict) else None),
    )
    for path, shelf, entries in lists:
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, str):
                yield shelf, (*path, index), entry, {}, (*path, index)
            elif isinstance(entry, dict) and isinstance(entry.get("name"), str):
                params = entry.get("params") if isinstance(entry.get("params"), dict) else {}
                yield shelf, (*path, index, "name"), entry["name"], params or {}, (*path, index, "params")
    for word, shelf in (("split", Shelf.SPLITS), ("search", Shelf.SEARCHES)):
        entry = plain.get(word)
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            params = entry.get("params") if isinstance(entry.get("params"), dict) else {}
            yield shelf, (word, "name"), entry["name"], params or {}, (word, "params")
    for word, shelf in (("metric", Shelf.METRICS), ("kind", Shelf.KINDS)):
        if isinstance(plain.get(word), str):
            yield shelf, (word,), plain[word], {}, (word,)
