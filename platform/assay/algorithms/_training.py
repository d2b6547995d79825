"""The training of `dense`: passes over the rows until an average of the weights gets no better. Imports torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, nll_loss
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from assay.algorithms._muon import Muon
from assay.algorithms._network import PREDICT_ROWS, Network

Rows = tuple[Tensor, Tensor, Tensor]  # features, class or standardised label, weight
MUON = 5.0  # how many times AdamW's rate the matrices get
RECENT = 9  # the average remembers about one tenth of all steps so far
LEAST_STEPS = 8  # of a pass over few rows


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    num_epochs: int
    patience: int


def train(network: Network, learning: Rows, judging: Rows | None, plan: Plan) -> tuple[Network, int]:
    """Return the average network of the best pass, judged on `judging`, or of the last one; and which pass it was.

    The rate stays the same and the answer is an average of recent weights, so that it is good whenever one stops.
    Source: Shamir and Zhang 2013, "Stochastic Gradient Descent for Non-smooth Optimization", ICML.

    Raises:
        ValueError: the loss is no longer a number.
    """
    optimizers = _optimizers(network, plan)
    average = AveragedModel(network, multi_avg_fn=_recent)
    calm: Network = average.module
    best_loss, best_epoch, best_weights = math.inf, 0, {}
    for epoch in range(1, plan.num_epochs + 1):
        loss = _one_pass(network, learning, plan.batch_size, optimizers, average)
        if judging is None:
            best_epoch = epoch
        elif (loss := _judged(calm.eval(), judging)) < best_loss:
            best_loss, best_epoch = loss, epoch
            best_weights = {name: tensor.clone() for name, tensor in calm.state_dict().items()}
        if not math.isfinite(loss):
            raise ValueError(f"the loss is {loss} in pass {epoch}; use a learning_rate below {plan.learning_rate:g}")
        if epoch - best_epoch >= max(1, plan.patience):
            break
    calm.load_state_dict(best_weights or calm.state_dict())
    return calm.eval(), best_epoch


def num_steps(num_rows: int, batch_size: int) -> int:
    """Return the number of steps of a pass; few rows make small batches, so that a pass has at least a few."""
    return max(1, num_rows // min(batch_size, max(LEAST_STEPS, num_rows // LEAST_STEPS)))


def _optimizers(network: Network, plan: Plan) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices that all members share, AdamW for the others and for what is no matrix."""
    shared = [network.stem.weight, *(block.weight for block in network.blocks)]
    pulled = [network.climb, network.head.weight]
    free = [one for one in network.parameters() if all(one is not other for other in (*shared, *pulled))]
    groups = [{"params": pulled}, {"params": free, "weight_decay": 0.0}]
    return [
        Muon(shared, MUON * plan.learning_rate, plan.weight_decay),
        torch.optim.AdamW(groups, plan.learning_rate, weight_decay=plan.weight_decay, fused=True),
    ]


def _recent(averaged: list[Tensor], current: list[Tensor], num_averaged: Tensor | int) -> None:
    share = (RECENT + 1) / (int(num_averaged) + RECENT + 1)
    get_ema_multi_avg_fn(1 - share)(averaged, current, num_averaged)


def _one_pass(
    network: Network, learning: Rows, batch_size: int, optimizers: list[torch.optim.Optimizer], average: AveragedModel
) -> float:
    """Change the weights once for each batch; return the loss of the last."""
    steps = num_steps(len(learning[0]), batch_size)
    size = len(learning[0]) // steps if steps == 1 else min(batch_size, len(learning[0]) // steps)
    network.train()
    for rows in torch.randperm(len(learning[0]))[: steps * size].reshape(steps, size):
        x_NF, y_N, weight_N = (tensor[rows] for tensor in learning)
        loss = _loss(network(x_NF), y_N, weight_N)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
        average.update_parameters(network)
    return float(loss.detach())


def _loss(output_NMK: Tensor, y_N: Tensor, weight_N: Tensor) -> Tensor:
    """Return the mean over rows and members of each member's own loss."""
    num_members = output_NMK.shape[1]
    if y_N.is_floating_point():
        loss_NM = (output_NMK[..., 0] - y_N[:, None]) ** 2
    else:
        loss_NM = cross_entropy(output_NMK.flatten(0, 1), y_N.repeat_interleave(num_members), reduction="none").view(
            -1, num_members
        )
    return (loss_NM * weight_N[:, None]).mean()


def _judged(network: Network, judging: Rows) -> float:
    """Return the loss of the members' common answer."""
    x_NF, y_N, weight_N = judging
    with torch.inference_mode():
        output_NMK = torch.cat([network(rows) for rows in torch.split(x_NF, PREDICT_ROWS)])
        if y_N.is_floating_point():
            loss_N = (output_NMK[..., 0].mean(dim=1) - y_N) ** 2
        else:
            loss_N = nll_loss(output_NMK.softmax(dim=2).mean(dim=1).clamp(min=1e-15).log(), y_N, reduction="none")
        return float((loss_N * weight_N).mean())
