"""The optimizer, its rate, and the average of the weights. Imports torch."""

from __future__ import annotations

import math

import torch
from torch import nn

from assay.training.job import Plan
from assay.training.muon import MuonAdamW


def optimizer_of(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Return the optimizer; vectors, such as offsets and scales, are not drawn to zero."""
    if plan.optimizer == "muon":
        return MuonAdamW(network, plan.learning_rate, plan.weight_decay)
    held = [one for one in network.parameters() if one.ndim > 1]
    free = [one for one in network.parameters() if one.ndim <= 1]
    groups = [{"params": held, "weight_decay": plan.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, plan.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, plan.learning_rate, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, plan: Plan, share: float) -> None:
    """Set the rate for a step, told as the share of all steps that lie before it."""
    rate = plan.learning_rate * factor(plan, share)
    for group in optimizer.param_groups:
        group["lr"] = rate


def factor(plan: Plan, share: float) -> float:
    """Return the part of the highest rate that a step gets.

    Source: Smith and Topin 2019 (one cycle); Loshchilov and Hutter 2017 (cosine).
    """
    if plan.schedule == "constant":
        return min(1.0, share / plan.warmup_share) if plan.warmup_share and share < plan.warmup_share else 1.0
    if plan.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
    if share < plan.warmup_share:
        return 0.04 + 0.96 * share / plan.warmup_share
    return max(0.0, (1 - share) / (1 - plan.warmup_share))


class Average:
    """Draws averaged weights towards the current ones; counters and statistics are taken as they are."""

    def __init__(self, kept: nn.Module, current: nn.Module, decay: float) -> None:
        self.decay = decay
        self.kept: list[torch.Tensor] = list(kept.parameters())
        self.current: list[torch.Tensor] = list(current.parameters())
        self.kept_buffers, self.current_buffers = list(kept.buffers()), list(current.buffers())

    @torch.no_grad()
    def after(self, step: int) -> None:
        """Take in the weights after a step, 1, 2, …; early ones count more, so that the draw is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.kept, self.current, 1 - decay)
        if self.kept_buffers:
            torch._foreach_copy_(self.kept_buffers, self.current_buffers)
