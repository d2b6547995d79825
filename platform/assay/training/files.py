"""A trained network as named bytes: its shape as JSON, its weights as safetensors; checked on the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from assay.errors import ArtifactFault
from assay.parts import Files
from assay.spec.strict import Strict

if TYPE_CHECKING:
    from torch import nn

SHAPE, WEIGHTS = "network.json", "weights.safetensors"
S = TypeVar("S", bound=Strict)


def to_files(shape: Strict, weights: Mapping[str, np.ndarray]) -> Files:
    """Return the shape as JSON and the weights as safetensors."""
    from safetensors.numpy import save

    kept = {name: np.array(array, order="C") for name, array in weights.items()}
    return {SHAPE: shape.model_dump_json(indent=1).encode(), WEIGHTS: save(kept)}


def from_files(files: Files, kind: type[S], build: Callable[[Any], nn.Module]) -> tuple[S, nn.Module]:
    """Read what `to_files` wrote; `kind` bounds what a shape from a stranger may ask for.

    Raises:
        ArtifactFault: a file is missing or broken, or a weight has another shape or type than its layer.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        shape = kind.model_validate(json.loads(files[SHAPE]))
        weights = load(files[WEIGHTS])
    except (KeyError, ValueError, TypeError, ValidationError, SafetensorError) as error:
        raise ArtifactFault.at(SHAPE, f"or {WEIGHTS} is missing or broken ({type(error).__name__}: {error})") from None
    with torch.device("meta"):  # no memory yet: a shape from a stranger may ask for more than there is
        network = build(shape)
    _check(network.state_dict(), weights)
    # A copy: torch cannot hold read-only memory.
    network.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, assign=True)
    return shape, network.eval()


def _check(expected: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> None:
    if expected.keys() != weights.keys():
        differing = sorted(expected.keys() ^ weights.keys())
        raise ArtifactFault.at(WEIGHTS, f"does not hold the layers of {SHAPE}, look at {', '.join(differing[:5])}")
    for name, tensor in expected.items():
        array = weights[name]
        if array.shape != tuple(tensor.shape) or str(array.dtype) != str(tensor.dtype).removeprefix("torch."):
            raise ArtifactFault.at(
                WEIGHTS,
                f"has {name} as {array.dtype} {array.shape}, {SHAPE} needs {tensor.dtype} {tuple(tensor.shape)}",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ArtifactFault.at(WEIGHTS, f"has numbers in {name} that are not finite")
