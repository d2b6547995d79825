"""What pydantic finds wrong with a setting, in the words of the people who wrote it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from assay.errors import Fault, did_you_mean

WHOLE, NUMBER, TEXT, KEYS, LIST, TRUTH = (
    "a whole number",
    "a number",
    "text",
    "keys and values",
    "a list",
    "true or false",
)
EXPECTED = {
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "a finite number",
    "string_type": TEXT,
    "bool_type": TRUTH,
    "bool_parsing": TRUTH,
    "dict_type": KEYS,
    "model_type": KEYS,
    "model_attributes_type": KEYS,
    "list_type": LIST,
    "tuple_type": LIST,
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "at least {min_length} in the list",
    "string_pattern_mismatch": "letters, digits and . _ - only, a letter or digit first, 100 at most",
    "enum": "{expected}",
    "literal_error": "{expected}",
}
ELSEWHERE = {  # what other tools call a key, or who looks for it in another place; near in letters, far in meaning
    **dict.fromkeys(("target", "targets", "label_column", "y"), "the column to predict is `data: {label: COLUMN}`"),
    **dict.fromkeys(("trials", "num_trials", "n_trials", "max_trials"), "write `search: {trials: NUMBER}`"),
    **dict.fromkeys(("time_budget_s", "time_budget", "time_limit"), "write `search: {time_budget_s: SECONDS}`"),
    **dict.fromkeys(("folds", "cv", "n_splits", "num_folds"), "write `split: {folds: NUMBER}`"),
    **dict.fromkeys(("test_fraction", "test_size"), "write `split: {test_fraction: SHARE}`"),
    **dict.fromkeys(("features", "ignore", "drop"), "leave a column out with `columns: {NAME: {drop: true}}`"),
    **dict.fromkeys(("models", "estimators", "learners"), "name them under `algorithms`"),
    **dict.fromkeys(("random_state", "random_seed"), "write `seed: NUMBER`"),
    "train": "write `data: {train: FILE, label: COLUMN}`",
    "label": "write `data: {train: FILE, label: COLUMN}`",
    "name": "the name of an experiment is `experiment: NAME`",
    "horizon": "write `forecast: {horizon: STEPS}`",
}
SPOKEN = {str: TEXT, bool: "", int: "", float: "", list: LIST, dict: KEYS}
MAX_SHOWN = 60


def setting_fault(place: str, items: Sequence[Any], settings: type[BaseModel], name: str) -> Fault:
    """Return the fault of one setting; `items` are pydantic's errors of it, one for each form it may take."""
    item = items[0]
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(names_of(settings))
        return Fault(place, f"unknown key '{name}'", _elsewhere(settings, name) or did_you_mean(name, known))
    if kind == "missing":
        return Fault(place, "is missing", f"add the line `{name}: …`")
    if kind == "value_error":
        return Fault(place, f"got {shown(value)}", str(context["error"]))
    expected = " or ".join(dict.fromkeys(_expected(item) for item in items))
    return Fault(place, f"got {shown(value)}, expected {expected}", _fix(items, value, settings, name))


def _elsewhere(settings: type[BaseModel], name: str) -> str:
    """Return where a key of an experiment file belongs; nothing for the settings of parts."""
    return ELSEWHERE.get(name, "") if settings.__module__.startswith("assay.spec.") else ""


def _expected(item: Any) -> str:
    context = item.get("ctx", {})
    known = EXPECTED.get(item["type"])
    return known.format(**context) if known else item["msg"].removeprefix("Input should be ").removeprefix("a valid ")


def _fix(items: Sequence[Any], value: Any, settings: type[BaseModel], name: str) -> str:
    """Return how to write the value, the nearest word of a choice, or else the default."""
    kinds = {item["type"] for item in items}
    if "list_type" in kinds and isinstance(value, str):
        return f"write `[{value}]`"
    if kinds == {"string_type"} and isinstance(value, int | float):
        return f'put it in quotes: "{value}"'
    if len(items) == 1 and kinds & {"enum", "literal_error"}:
        words = str(items[0]["ctx"]["expected"]).replace(" or ", ",").split(",")
        nearest = did_you_mean(str(value), [word.strip(" '") for word in words if word.strip()])
        if nearest.startswith("did"):
            return nearest
    return _default(settings, name)


def _default(settings: type[BaseModel], name: str) -> str:
    for key, info in settings.model_fields.items():
        if name in (key, info.alias) and isinstance(info.default, str | int | float):
            return f"use {json.dumps(info.default)}, the default, or remove the line"
    return ""


def names_of(settings: type[BaseModel]) -> dict[str, Any]:
    """Return the type of each key, under the name that it has in a file."""
    return {info.alias or name: info.annotation for name, info in settings.model_fields.items()}


def shown(value: Any) -> str:
    """Return a value as a message shows it: its kind where that is not plain, and not too much of it."""
    if value is None:
        return "nothing"
    text = repr(value)
    text = text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
    return f"{kind_of(value)} {text}".strip()


def kind_of(value: Any) -> str:
    """Return what kind of value stands in a file, in a word; numbers and true/false speak for themselves."""
    return "nothing" if value is None else SPOKEN.get(type(value), type(value).__name__)
