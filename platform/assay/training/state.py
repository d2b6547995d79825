"""Everything that a training needs to go on as if nothing had happened, as plain arrays and facts. Imports torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from assay.training.job import Job

if TYPE_CHECKING:
    from assay.training.loop import Loop

FACTS = "facts.json"


def digest_of(job: Job) -> str:
    """Return a digest of what is trained: the state of another training is not taken up."""
    about = {name: (list(array.shape), str(array.dtype)) for name, array in sorted(job.learning.items())}
    text = f"{job.build.__module__}.{job.build.__qualname__} {job.shape!r} {job.inputs} {job.plan!r} {job.seed} {about}"
    return hashlib.sha256(text.encode()).hexdigest()


def state_of(loop: Loop) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the state between two steps. All chance grows from the step's number, so none of it is kept."""
    arrays = {f"network/{name}": array for name, array in weights_of(loop.network).items()}
    if loop.answering is not loop.network:
        arrays |= {f"average/{name}": array for name, array in weights_of(loop.answering).items()}
    arrays |= {f"best/{name}": array for name, array in loop.best.items()}
    for index, values in loop.optimizer.state_dict()["state"].items():
        known = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        arrays |= {f"optimizer/{index}/{name}": array_of(value) for name, value in known.items()}
    facts = {
        "job": digest_of(loop.job),
        "step": loop.step,
        "epoch": loop.epoch,
        "accumulate": loop.accumulate,
        "loss_sum": loop.mean_loss_sum(),
        "best_loss": None if math.isinf(loop.best_loss) else loop.best_loss,
        "best_epoch": loop.best_epoch,
        "history": [dict(entry) for entry in loop.history],
        "seconds": loop.seconds,
    }
    return arrays, facts


def take_up(loop: Loop, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> bool:
    """Bring a loop to a state that `state_of` returned; False, and nothing done, where it is of another training."""
    if facts.get("job") != digest_of(loop.job):
        return False
    loop.network.load_state_dict(_tensors(arrays, "network/"))
    if loop.answering is not loop.network:
        loop.answering.load_state_dict(_tensors(arrays, "average/"))
    loop.best = {name: tensor.numpy() for name, tensor in _tensors(arrays, "best/").items()}
    values: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _tensors(arrays, "optimizer/").items():
        index, _, key = name.partition("/")
        values.setdefault(int(index), {})[key] = tensor
    groups = loop.optimizer.state_dict()["param_groups"]
    loop.optimizer.load_state_dict({"state": values, "param_groups": groups})
    loop.step, loop.epoch, loop.accumulate = facts["step"], facts["epoch"], facts["accumulate"]
    loop.loss_sum.fill_(facts["loss_sum"])
    loop.best_loss = math.inf if facts["best_loss"] is None else facts["best_loss"]
    loop.best_epoch, loop.history, loop.seconds_before = facts["best_epoch"], list(facts["history"]), facts["seconds"]
    return True


def packed(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return a state as arrays alone, for one file that is written whole."""
    return {**arrays, FACTS: np.frombuffer(json.dumps(facts).encode(), np.uint8)}


def unpacked(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return what `packed` was given."""
    facts: dict[str, Any] = json.loads(arrays[FACTS].tobytes())
    return {name: array for name, array in arrays.items() if name != FACTS}, facts


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Return a copy of the weights and other state of a network."""
    return {name: array_of(tensor) for name, tensor in network.state_dict().items()}


def array_of(tensor: Tensor) -> np.ndarray:
    """Return a copy of a tensor as an array."""
    return np.array(tensor.detach().cpu().numpy())


def _tensors(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
