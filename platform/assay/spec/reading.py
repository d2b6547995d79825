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

from assay.errors import Fault, SpecFault, did_you_mean
from assay.spec.schema import Experiment

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
        key = dotted(path)
        for end in range(len(path), -1, -1):
            if path[:end] in self.position:
                line, column = self.position[path[:end]]
                return f"{self.name}:{line}:{column} {key}".rstrip()
        return f"{self.name} {key}".rstrip()


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
                f"holds {_kind_of(tree.plain)}, expected keys and values",
                "start from `assay init DATA --label COLUMN`",
            )
        ]
    try:
        return Experiment.model_validate(tree.plain), []
    except ValidationError as error:
        return None, schema_faults(error, tree, (), Experiment)


def schema_faults(error: ValidationError, tree: Located, prefix: Address, model: type[BaseModel]) -> list[Fault]:
    """Turn pydantic's errors into our faults, one per place, each with what was found and the fix."""
    found: dict[Address, Fault] = {}
    for item in error.errors():
        path, field_model = _walk(item["loc"], model)
        found.setdefault(path, _fault(tree.place((*prefix, *path)), item, field_model, path))
    # A value that fits no branch of a union is reported once per branch: keep the deepest, it says most.
    deepest = [path for path in found if not any(other != path and other[: len(path)] == path for other in found)]
    return [found[path] for path in sorted(deepest, key=lambda path: tree.position.get((*prefix, *path), (0, 0)))]


def _walk(location: tuple[str | int, ...], model: type[BaseModel]) -> tuple[Address, type[BaseModel]]:
    """Drop the names of union branches from pydantic's location and find the settings class it ends in."""
    path: list[str | int] = []
    current: type[BaseModel] | None = model
    owner = model
    for part in location:
        known = _fields(current) if current else {}
        if isinstance(part, int) or part in known or not _is_branch(part):
            path.append(part)
        if current is not None:
            owner = current
        if isinstance(part, str) and part in known:
            current = _inner(known[part]) or current
    return tuple(path), owner


def _is_branch(part: str) -> bool:
    return part in ("str", "int", "float", "bool", "function-before") or part.startswith(
        ("list[", "dict[", "literal[", "function-", "tagged-union")
    )


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner(argument)
        if found:
            return found
    return None


def _fault(place: str, item: Any, model: type[BaseModel], path: Address) -> Fault:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(_fields(model))
        return Fault(place, f"unknown key '{path[-1]}'", did_you_mean(str(path[-1]), known))
    if kind == "missing":
        return Fault(place, "is missing", f"add the line `{path[-1]}: …`")
    if kind in ("enum", "literal_error"):
        words = [word.strip(" '") for word in str(context.get("expected", "")).replace(" or ", ",").split(",")]
        return Fault(place, f"got {_short(value)}", did_you_mean(str(value), [word for word in words if word]))
    if kind == "value_error":
        return Fault(place, f"got {_short(value)}", str(context["error"]))
    expectation = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return Fault(place, f"got {_kind_of(value)} {_short(value)}", f"expected {expectation}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _kind_of(value: Any) -> str:
    names = {str: "text", bool: "true/false", int: "a whole number", float: "a number", list: "a list", dict: "keys"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
