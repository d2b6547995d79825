"""Distributions that a hyperparameter may be drawn from, as data: one line in YAML, one word in Python.

space:
  learning_rate: {log_uniform: [0.01, 0.3]}
  num_leaves: {integer: [8, 256]}
  boosting: {choice: [gbdt, dart]}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Scalar = float | int | str | bool | None


@dataclass(frozen=True)
class Uniform:
    """A real number between `low` and `high`, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class LogUniform:
    """A positive real number whose logarithm is uniform between those of `low` and `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Integer:
    """A whole number between `low` and `high`, both included; `log` draws small ones more often."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Scalar, ...]


Distribution = Uniform | LogUniform | Integer | Choice
Space = dict[str, Distribution]


def from_yaml(value: Any) -> Distribution:
    """Read one distribution as written in an experiment file.

    Raises:
        ValueError: with a sentence that names the form expected.

    Example:
        >>> from_yaml({"log_uniform": [0.01, 0.3]})
        LogUniform(low=0.01, high=0.3)
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError(
            "expected one of {uniform: [low, high]}, {log_uniform: [low, high]}, {integer: [low, high]}, "
            "{log_integer: [low, high]}, {choice: [a, b]}"
        )
    ((form, bounds),) = value.items()
    if form == "choice":
        if not isinstance(bounds, list) or not bounds:
            raise ValueError("choice needs a list of at least one value")
        return Choice(tuple(bounds))
    return _between(form, bounds)


def _between(form: str, bounds: Any) -> Distribution:
    numbers = (
        isinstance(bounds, list)
        and len(bounds) == 2
        and all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds)
    )
    if not numbers or bounds[0] > bounds[1]:
        raise ValueError(f"{form} needs [low, high] with low <= high, got {bounds!r}")
    low, high = bounds
    if form.startswith("log_") and low <= 0:
        raise ValueError(f"{form} needs low > 0, got {low!r}")
    match form:
        case "uniform":
            return Uniform(float(low), float(high))
        case "log_uniform":
            return LogUniform(float(low), float(high))
        case "integer" | "log_integer" if isinstance(low, int) and isinstance(high, int):
            return Integer(low, high, log=form == "log_integer")
        case "integer" | "log_integer":
            raise ValueError(f"{form} needs whole numbers, got {bounds!r}")
    raise ValueError(f"unknown distribution '{form}'; use uniform, log_uniform, integer, log_integer or choice")


def to_yaml(distribution: Distribution) -> dict[str, list[Scalar]]:
    """Return the form that `from_yaml` reads."""
    match distribution:
        case Uniform(low, high):
            return {"uniform": [low, high]}
        case LogUniform(low, high):
            return {"log_uniform": [low, high]}
        case Integer(low, high, log):
            return {"log_integer" if log else "integer": [low, high]}
        case Choice(values):
            return {"choice": list(values)}
