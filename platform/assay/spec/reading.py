"""Read an experiment file: safe YAML in, settings out, and every fault at once with its line and column."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from assay.errors import Fault, SpecFault
from assay.spec.schema import Experiment
from assay.spec.wording import kind_of, names_of, setting_fault, shown

Address = tuple[str | int, ...]
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Located:
    """A tree of plain values that remembers where each key stood in its file."""

    name: str
    plain: Any
    position: Mapping[Address, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: Address) -> str:
        """Return `file:line:column key`, or the nearest enclosing place that is known."""
        known = self.where(path)
        file = self.name if known is None else f"{self.name}:{known[0]}:{known[1]}"
        return f"{file} {dotted(path)}".rstrip()

    def where(self, path: Address) -> tuple[int, int] | None:
        """Return line and column of a key, or of the nearest one around it that is known."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.position:
                return self.position[path[:end]]
        return None


def dotted(path: Address) -> str:
    """Return a path as people write it.

    Example:
        >>> dotted(("algorithms", 1, "params"))
        'algorithms[1].params'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(file: str | Path) -> Located:
    """Read a YAML file into plain values with their places.

    Raises:
        SpecFault: the file is missing, is not UTF-8, is too large or is not YAML.
    """
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecFault.at(
            str(file),
            f"cannot be read ({error.strerror})",
            "give the path of an experiment file, or make one with `assay init DATA --label COLUMN`",
        ) from None
    if len(content) > MAX_BYTES:
        raise SpecFault.at(str(file), f"is {len(content):,} bytes, an experiment file has at most {MAX_BYTES:,}")
    try:
        return parse_yaml(content.decode("utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise SpecFault.at(str(file), f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None


def parse_yaml(text: str, name: str = "experiment") -> Located:
    """Parse YAML text; `name` stands for the file in messages. Tags and duplicate keys are faults."""
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        tree = yaml.load(io.StringIO(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise SpecFault.at(
            where,
            f"is not YAML ({getattr(error, 'problem', None) or 'unreadable'})",
            "check the indentation and the quotes",
        ) from None
    position: dict[Address, tuple[int, int]] = {}
    return Located(name, _plain(tree, (), position), position)


def _plain(node: Any, path: Address, position: dict[Address, tuple[int, int]]) -> Any:
    if isinstance(node, Mapping):
        marks = getattr(getattr(node, "lc", None), "data", None) or {}
        for key in node:
            if key in marks:
                position[(*path, key)] = (marks[key][0] + 1, marks[key][1] + 1)
        return {str(key): _plain(value, (*path, key), position) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        marks = getattr(getattr(node, "lc", None), "data", None) or {}
        for index in range(len(node)):
            if index in marks:
                position[(*path, index)] = (marks[index][0] + 1, marks[index][1] + 1)
        return [_plain(value, (*path, index), position) for index, value in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)  # drops ruamel's scalar classes
    return node


def check(tree: Located) -> tuple[Experiment | None, list[Fault]]:
    """Check a tree against the schema: the experiment, or every fault it has."""
    if not isinstance(tree.plain, dict):
        return None, [
            Fault(
                tree.name,
                f"holds {kind_of(tree.plain) or shown(tree.plain)}, expected keys and values",
                "start from `assay init DATA --label COLUMN`",
            )
        ]
    try:
        return Experiment.model_validate(tree.plain), []
    except ValidationError as error:
        return None, schema_faults(error, tree, (), Experiment)


def schema_faults(error: ValidationError, tree: Located, prefix: Address, model: type[BaseModel]) -> list[Fault]:
    """Turn pydantic's errors into our faults, one per place, each with what was found and the fix."""
    found: dict[Address, tuple[list[Any], type[BaseModel]]] = {}
    for item in error.errors():
        path, owner = _walk(item["loc"], model)
        found.setdefault(path, ([], owner))[0].append(item)
    # A value that fits no branch of a union is reported once per branch: keep the deepest, they say most.
    deepest = [path for path in found if not any(other != path and other[: len(path)] == path for other in found)]
    deepest.sort(key=lambda path: tree.where((*prefix, *path)) or (0, 0))
    return [setting_fault(tree.place((*prefix, *path)), *found[path], str(path[-1])) for path in deepest]


def _walk(location: tuple[str | int, ...], model: type[BaseModel]) -> tuple[Address, type[BaseModel]]:
    """Drop the names of union branches from pydantic's location and find the settings class it ends in."""
    path: list[str | int] = []
    current: type[BaseModel] | None = model
    owner = model
    for part in location:
        known = names_of(current) if current else {}
        if isinstance(part, int) or part in known or not _is_branch(part):
            path.append(part)
        if current is not None:
            owner = current
        if isinstance(part, str) and part in known:
            current = _inner(known[part]) or current
    return tuple(path), owner


def _is_branch(part: str) -> bool:
    return part in ("str", "int", "float", "bool", "function-before") or part.startswith(
        ("list[", "dict[", "literal[", "constrained-", "function-", "tagged-union")
    )


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found:
            return found
    return None
