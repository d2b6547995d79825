"""The object store: put once, read everywhere without a copy."""

from __future__ import annotations

from typing import Any


def put(value: Any) -> Any:
    """Put a value into the object store and return the reference to it."""
    import ray

    return ray.put(value)
