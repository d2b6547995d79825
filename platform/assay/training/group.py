"""One worker of several that `torch.distributed` has joined, under Ray Train or torchrun. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from assay.training.world import Memory, World


class Group(World):
    """One of several workers; each takes its share of every batch, and all take the same step."""

    def __init__(
        self,
        memory: Memory | None = None,
        tell: Callable[[Mapping[str, float]], None] | None = None,
        *,
        device: str = "cpu",
        every_s: float = 60.0,
        every_steps: int = 0,
    ) -> None:
        super().__init__(memory, tell, device=device, every_s=every_s, every_steps=every_steps)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.probes = device != "cpu"

    def wrapped(self, network: nn.Module, *, has_unused: bool = False) -> nn.Module:
        """Return the network under DDP, whose normalisation sees the whole batch."""
        device = torch.device(self.device)
        return DistributedDataParallel(
            network,
            device_ids=None if device.type == "cpu" else [device],
            broadcast_buffers=False,  # they are the same everywhere
            gradient_as_bucket_view=True,
            find_unused_parameters=has_unused,  # DDP would wait for their gradients for ever
        )

    def unsynced(self, network: nn.Module) -> AbstractContextManager[Any]:
        """Return DDP's context in which gradients are not averaged."""
        context: AbstractContextManager[Any] = network.no_sync()  # type: ignore[operator]
        return context

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over all workers."""
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        mean: np.ndarray = (total / self.size).cpu().numpy()
        return mean


class SharedNorm(_BatchNorm):
    """Batch normalisation by the statistics of the batches of all workers; torch's own needs a GPU."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Take what the layer that it stands for takes."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input with mean 0 and deviation 1 in each channel, times `weight` plus `bias`."""
        if not self.training:
            plain: Tensor = super().forward(input)
            return plain
        x = input.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        here = torch.cat([x.sum(axes), (x * x).sum(axes), count])
        total: Tensor = all_reduce(here)  # type: ignore[no-untyped-call]  # its gradients are summed too
        num = total[-1].detach()
        mean_C, square_C = (total[:-1] / num).chunk(2)
        variance_C = (square_C - mean_C * mean_C).clamp(min=0)
        self._note(mean_C.detach(), variance_C.detach(), num)
        shape = [1, -1, *([1] * (x.ndim - 2))]
        scale_C = torch.rsqrt(variance_C + self.eps)
        if self.weight is not None:
            scale_C = scale_C * self.weight
        shift_C = -mean_C * scale_C if self.bias is None else self.bias - mean_C * scale_C
        y: Tensor = x * scale_C.view(shape) + shift_C.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _note(self, mean_C: Tensor, variance_C: Tensor, num: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), share)
        unbiased_C = variance_C * (num / (num - 1).clamp(min=1))
        self.running_var.lerp_(unbiased_C.to(self.running_var.dtype), share)


def share_norms(network: nn.Module) -> nn.Module:
    """Return the network with every batch normalisation turned into one over all workers; weights stay as they are."""
    for module in network.modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            module.__class__ = SharedNorm
    return network
