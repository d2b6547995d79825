"""The training of `dense`: passes over the rows until an average of the weights gets no better. Imports torch."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, nll_loss

from assay.algorithms._network import PREDICT_ROWS, Network
from assay.training.muon import Muon

Rows = tuple[Tensor, Tensor, Tensor]  # features, class or standardised label, weight
MUON = 5.0  # how many times AdamW's rate the matrices get
CLIMB = 3.0  # how many times AdamW's rate the weights of the staircases get when they begin at zero
RECENT = 10  # the average remembers about the last 1 / RECENT of all steps so far
LEAST_STEPS = 8  # of a pass over few rows


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    num_epochs: int
    patience: int
    smooth: bool


def train(network: Network, learning: Rows, judging: Rows | None, plan: Plan) -> tuple[Network, int]:
    """Return the average network of the best pass, judged on `judging`, or of the last one; and which pass it was.

    The rate stays the same and the answer is an average of recent weights, so that it is good whenever one stops.
    Source: Shamir and Zhang 2013, "Stochastic Gradient Descent for Non-smooth Optimization", ICML.

    Raises:
        ValueError: the loss is no longer a number.
    """
    optimizers = _optimizers(network, plan)
    calm = copy.deepcopy(network)  # the average
    best_loss, best_epoch, best_weights = math.inf, 0, {}
    for epoch in range(1, plan.num_epochs + 1):
        loss = _one_pass(network, calm, learning, optimizers, plan.batch_size, epoch)
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
    """Return Muon for the matrices that all members share, AdamW for the others and for what is no matrix.

    The weights of the staircases begin at random and are learned as others are; when `smooth`, at zero and by AdamW,
    which comes to steep steps only where the label asks for them.
    """
    shared = [layer.weight for layer in (network.stem, *network.blocks) if isinstance(layer, nn.Linear)]
    climb: dict[str, Any] = {"params": [network.climb], "lr": CLIMB * plan.learning_rate}
    if not plan.smooth and len(network.climb):
        bound = (network.stem.in_features + len(network.climb)) ** -0.5
        nn.init.uniform_(network.climb, -bound, bound)
        shared.append(network.climb)
        climb["params"] = []
    held = (*shared, network.climb, network.head.weight)
    free = [one for one in network.parameters() if all(one is not other for other in held)]
    groups: list[dict[str, Any]] = [climb, {"params": [network.head.weight]}, {"params": free, "weight_decay": 0.0}]
    return [
        Muon(shared, MUON * plan.learning_rate, plan.weight_decay),
        torch.optim.AdamW(groups, plan.learning_rate, weight_decay=plan.weight_decay, fused=True),
    ]


def _one_pass(
    network: Network, calm: Network, learning: Rows, optimizers: list[torch.optim.Optimizer], size: int, epoch: int
) -> float:
    """Change the weights once for each batch; return the loss of the last."""
    num_rows = len(learning[0])
    per_pass = num_steps(num_rows, size)
    size = min(size, num_rows // per_pass)
    network.train()
    order = torch.randperm(num_rows)[: per_pass * size].reshape(per_pass, size)
    for step, rows in enumerate(order, start=(epoch - 1) * per_pass):
        x_NF, y_N, weight_N = (tensor[rows] for tensor in learning)
        loss = _loss(network(x_NF), y_N, weight_N)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
        with torch.no_grad():
            for kept, current in zip(calm.parameters(), network.parameters(), strict=True):
                kept.lerp_(current, RECENT / (step + RECENT))
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
