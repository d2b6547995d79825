"""Finds parts by key. The file name is the key; listing a shelf imports nothing.

lightgbm                   algorithms/lightgbm.py
my_module:MyAlgorithm      any importable class that keeps the shelf's promises
sklearn.svm:SVC            any scikit-learn estimator (algorithms) or transformer (steps), as it is
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assay.errors import ArtifactFault, Fault, SpecFault, did_you_mean
from assay.parts import Algorithm, Ensemble, Kind, Metric, Part, Search, Source, Split, Step
from assay.spec import wording
from assay.spec.strict import Strict
from assay.vocabulary import Shelf

PROMISE: dict[Shelf, type[Part]] = {
    Shelf.SOURCES: Source,
    Shelf.KINDS: Kind,
    Shelf.SPLITS: Split,
    Shelf.STEPS: Step,
    Shelf.ALGORITHMS: Algorithm,
    Shelf.ENSEMBLES: Ensemble,
    Shelf.METRICS: Metric,
    Shelf.SEARCHES: Search,
}
HOME = Path(__file__).parent


def keys(shelf: Shelf) -> list[str]:
    """Return the keys on a shelf, sorted; reads file names only."""
    return sorted(file.stem for file in (HOME / shelf.value).glob("*.py") if not file.stem.startswith("_"))


@cache
def find(shelf: Shelf, key: str) -> type[Any]:
    """Return the part's class.

    Raises:
        SpecFault: there is no such part; names the nearest one.
    """
    if ":" in key or "." in key:
        return _imported(shelf, key)
    if key not in keys(shelf):
        raise SpecFault.at("", f"no part named '{key}' on the shelf {shelf.value}", did_you_mean(key, keys(shelf)))
    return _only_class(importlib.import_module(f"assay.{shelf.value}.{key}"), PROMISE[shelf])


def _only_class(module: Any, promise: type[Part]) -> type[Any]:
    found = [
        value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, promise)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
    assert len(found) == 1, f"{module.__name__} must hold exactly one public {promise.__name__}, has {found}"
    return found[0]


def _imported(shelf: Shelf, key: str) -> type[Any]:
    module_name, _, class_name = key.partition(":") if ":" in key else key.rpartition(".")
    try:
        value = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecFault.at(
            "",
            f"'{key}' cannot be imported ({error})",
            "write module:Class, and make sure that the module is installed or on PYTHONPATH",
        ) from None
    if inspect.isclass(value) and issubclass(value, PROMISE[shelf]):
        return value
    if shelf is Shelf.ALGORITHMS and inspect.isclass(value) and value.__module__.split(".")[0] == "sklearn":
        adapter: type[Any] = importlib.import_module("assay.algorithms._estimator").adapted(value)
        return adapter
    raise SpecFault.at(
        "", f"'{key}' is not a {PROMISE[shelf].__name__}", f"subclass assay.parts.{PROMISE[shelf].__name__}"
    )


def make(shelf: Shelf, key: str, params: dict[str, Any] | None = None) -> Any:
    """Return a part made from unchecked settings.

    Raises:
        SpecFault: unknown part, or every setting that is unknown or out of bounds, by name.

    Example:
        >>> make(Shelf.ENSEMBLES, "vote", {"voting": "hard"}).params.voting
        'hard'
    """
    kind = find(shelf, key)
    try:
        return kind(kind.Params.model_validate(params or {}))
    except ValidationError as error:
        raise SpecFault(*(setting_fault(key, kind.Params, item) for item in error.errors())) from None


def setting_fault(key: str, settings: type[Strict], item: Any) -> Fault:
    """Turn one of pydantic's errors about a part's settings into our fault; its place is `key.params.name`."""
    name = ".".join(str(part) for part in item["loc"])
    fault = wording.setting_fault(f"{key}.params.{name}", [item], settings, name)
    return replace(fault, found=fault.found.replace("unknown key", "unknown setting"))


def summary(shelf: Shelf, key: str) -> str:
    """Return the first sentence of a part's module, read without importing it."""
    import ast

    tree = ast.parse((HOME / shelf.value / f"{key}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").split("\n")[0]


def known_import(key: str) -> None:
    """Refuse to import what an artifact names, unless it is scikit-learn or was imported by this process already."""
    module = key.partition(":")[0] if ":" in key else key.rpartition(".")[0]
    if module.split(".")[0] != "sklearn" and module not in sys.modules:
        raise ArtifactFault.at(
            "model.json", f"asks to import '{module}'", f"if you trust it, `import {module}` before loading the model"
        )
