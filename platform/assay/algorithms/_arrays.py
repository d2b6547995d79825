"""Fitted trees as plain arrays in a file: only numbers, each of a known type and shape, checked before use."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from pydantic import Field, ValidationError

from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.strict import Strict

SHAPE, TREES = "shape.json", "trees.safetensors"
FIX = "take the model from where it was made"


class Shape(Strict):
    """What rows and predictions look like; bounded, since it may come from a stranger."""

    num_features: int = Field(ge=0, le=10_000_000, description="columns of the matrix")
    num_classes: int = Field(ge=0, le=1_000_000, description="classes, or 0 for regression")


def to_files(shape: Shape, arrays: Mapping[str, np.ndarray]) -> Files:
    """Return the shape as JSON and the arrays as safetensors."""
    from safetensors.numpy import save

    # safetensors writes an array's memory as it lies: a view with strides would come back as other numbers.
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return {SHAPE: shape.model_dump_json().encode(), TREES: save(whole)}


def from_files(files: Files, types: Mapping[str, tuple[str, int]]) -> tuple[Shape, dict[str, np.ndarray]]:
    """Read what `to_files` wrote; `types` says the type and the number of axes of each array.

    Raises:
        ArtifactFault: a file is missing or broken, an array is of another type, or a number is not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        shape = Shape.model_validate(json.loads(files[SHAPE]))
        arrays = load(files[TREES])
    except (KeyError, ValueError, TypeError, RecursionError, ValidationError, SafetensorError) as error:
        raise ArtifactFault.at(
            SHAPE, f"or {TREES} is missing or broken ({type(error).__name__}: {error})", FIX
        ) from None
    need(arrays.keys() == types.keys(), f"holds {', '.join(sorted(arrays)[:9])}, expected {', '.join(sorted(types))}")
    for name, (dtype, num_axes) in types.items():
        array = arrays[name]
        said = f"has {name} as {array.dtype} of {array.ndim} axes, expected {dtype} of {num_axes}"
        need(str(array.dtype) == dtype and array.ndim == num_axes, said)
        need(bool(np.isfinite(array).all()), f"has numbers in {name} that are not finite")
    need(shape.num_classes != 1, "is of one class")
    return shape, arrays


def need(condition: bool, otherwise: str) -> None:
    """Raise ArtifactFault about the trees when the condition does not hold."""
    if not condition:
        raise ArtifactFault.at(TREES, otherwise, FIX)
