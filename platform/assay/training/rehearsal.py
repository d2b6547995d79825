"""One pass forward and back of a few rows: what is wrong with a network is said before hours are spent on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from assay.training.feed import tensors
from assay.training.job import Job, NetworkError, Rows

FEW_ROWS = 8
Result = TypeVar("Result")


def rehearse(job: Job, num_outputs: int) -> None:
    """Build the network, and pass a few rows through it and back.

    Raises:
        NetworkError: says what the network returned and what is expected; also when its own code fails.
    """
    rows = few(job.learning, min(FEW_ROWS, job.plan.batch_size))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        network = _guarded("cannot be made", lambda: job.build(job.shape))
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise NetworkError("has no parameters that can be trained; assign its layers to attributes of `self`")
        sizes = ", ".join(f"{name} of shape {tuple(rows[name].shape)}" for name in job.inputs)
        output_NK = _guarded(f"fails in `forward` with {sizes}", lambda: _outputs(network.train(), job, rows))
        _check(output_NK, len(rows["y"]), num_outputs)
        if not output_NK.requires_grad:
            raise NetworkError("returns what no parameter has a part in; leave out `detach()` and `no_grad()`")
        _guarded("fails in the backward pass", lambda: _backward(output_NK, rows))


def unused_parameters(network: nn.Module, job: Job) -> list[str]:
    """Return the names of parameters that get no gradient from a few rows; buffers stay as they are."""
    rows = few(job.learning, FEW_ROWS)
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with torch.random.fork_rng(devices=[]):
        _backward(_outputs(network.train(), job, rows), rows)
    found = [name for name, one in network.named_parameters() if one.requires_grad and one.grad is None]
    network.zero_grad(set_to_none=True)
    for name, buffer in network.named_buffers():
        buffer.copy_(kept[name])
    return found


def few(rows: Rows, count: int) -> dict[str, Tensor]:
    """Return the first rows as tensors."""
    return tensors({name: np.array(array[:count]) for name, array in rows.items()})


def _outputs(network: nn.Module, job: Job, rows: dict[str, Tensor]) -> Tensor:
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    read = {name: rows[name].to(device) for name in job.inputs}
    output_NK: Tensor = network(**(job.prepare(read) if job.prepare is not None else read))
    return output_NK


def _loss(output_NK: Tensor, rows: dict[str, Tensor]) -> Tensor:
    y_N = rows["y"].to(output_NK.device)
    if y_N.is_floating_point():
        return ((output_NK[:, 0].float() - y_N) ** 2).mean()
    return cross_entropy(output_NK.float(), y_N)


def _backward(output_NK: Tensor, rows: dict[str, Tensor]) -> None:
    _loss(output_NK, rows).backward()  # type: ignore[no-untyped-call]


def _check(output_NK: Tensor, num_rows: int, num_outputs: int) -> None:
    expected = f"expected numbers of shape ({num_rows}, {num_outputs}): for each row "
    expected += "one number" if num_outputs == 1 else f"a logit for each of {num_outputs} classes"
    if not isinstance(output_NK, Tensor):
        raise NetworkError(f"returns {type(output_NK).__name__} from `forward`; {expected}")
    if tuple(output_NK.shape) != (num_rows, num_outputs):
        raise NetworkError(f"returns a tensor of shape {tuple(output_NK.shape)} for {num_rows} rows; {expected}")
    if not output_NK.is_floating_point():
        raise NetworkError(f"returns numbers of type {output_NK.dtype}; {expected} of a floating type")
    if not bool(torch.isfinite(output_NK).all()):
        raise NetworkError("returns NaN or infinite numbers; look for a logarithm, a root or a division in `forward`")


def _guarded(what: str, call: Callable[[], Result]) -> Result:
    try:
        return call()
    except NetworkError:
        raise
    except Exception as error:
        said = str(error).splitlines()[0][:300] if str(error) else "no message"
        raise NetworkError(f"{what} ({type(error).__name__}: {said})") from error
