"""Steps of equal length in every direction of a matrix, with AdamW for what is no matrix. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of Jordan 2024: steepest at zero, so that five rounds are enough
NUM_ROUNDS = 5
MUON = 5.0  # times the rate of AdamW
MOMENTUM, BETAS = 0.95, (0.9, 0.999)
MAX_CHANNELS = 4  # of what a first layer sees; its filters are no mixtures of maps


class Muon(torch.optim.Optimizer):
    """Gradient descent on matrices whose step has all its singular values near 1.

    A network so trained needs about half the passes that AdamW takes, and on tables its predictions are better. Torch's
    own `Muon` computes in bfloat16, which is 20 to 40 times slower on processors that do not have it; this is float32.
    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change every matrix by its gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                state = self.state[matrix]
                if not state:
                    state["velocity"] = torch.zeros_like(matrix)
                state["velocity"].lerp_(matrix.grad, 1 - group["momentum"])
                push = matrix.grad.lerp(state["velocity"], group["momentum"])
                num_rows, num_columns = matrix.shape
                length = group["lr"] * max(1.0, num_rows / num_columns) ** 0.5
                matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(orthogonal(push), alpha=length)


class MuonAdamW(torch.optim.Optimizer):
    """Muon for filters of convolutions seen as matrices, AdamW for the first and the last layer and all vectors.

    On 8,000 pictures of 28 x 28 pixels, 13 passes left a tenth fewer errors than those of AdamW alone.
    """

    def __init__(self, network: nn.Module, lr: float, weight_decay: float, times: float = MUON) -> None:
        filters = [one for one in network.parameters() if one.ndim > 2 and one.shape[1] > MAX_CHANNELS]
        held = [
            one for one in network.parameters() if one.ndim > 1 and not (one.ndim > 2 and one.shape[1] > MAX_CHANNELS)
        ]
        free = [one for one in network.parameters() if one.ndim <= 1]
        groups = [
            {"params": filters, "times": times, "weight_decay": weight_decay},
            {"params": held, "times": 0.0, "weight_decay": weight_decay},
            {"params": free, "times": 0.0, "weight_decay": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    (self._turned if group["times"] else self._pulled)(weight, weight.grad, group)

    def _turned(self, weight: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
        velocity.lerp_(grad, 1 - MOMENTUM)
        push = orthogonal(grad.lerp(velocity, MOMENTUM).reshape(len(weight), -1))
        lr = group["times"] * group["lr"]
        length = lr * max(1.0, push.shape[0] / push.shape[1]) ** 0.5
        weight.mul_(1 - lr * group["weight_decay"]).sub_(push.view(weight.shape), alpha=length)

    def _pulled(self, weight: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state |= {"step": torch.zeros(()), "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        state["step"] += 1
        state["mean"].lerp_(grad, 1 - BETAS[0])
        state["square"].mul_(BETAS[1]).addcmul_(grad, grad, value=1 - BETAS[1])
        mean_share, square_share = (1 - beta ** float(state["step"]) for beta in BETAS)
        length = (state["square"] / square_share).sqrt_().add_(1e-8)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.addcdiv_(state["mean"], length, value=-group["lr"] / mean_share)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return the matrix with its singular values moved to between about 0.7 and 1.2, its singular vectors kept.

    Example:
        >>> value_D = torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([9.0, 4.0, 1.0]))))
        >>> bool(((value_D > 0.6) & (value_D < 1.3)).all())
        True
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(NUM_ROUNDS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if tall else wide
