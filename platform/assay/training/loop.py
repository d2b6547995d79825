"""Passes over the rows until an average of the weights gets no better. Imports torch."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from assay.seeds import child
from assay.training.job import Job, Plan, Rows, Trained
from assay.training.world import ALONE, World

JUDGE_ROWS = 1_024  # at once
Tensors = dict[str, Tensor]


def train(job: Job, world: World = ALONE) -> Trained:
    """Train a network; the same job and seed give the same weights, and nearly the same ones on several workers.

    Every worker draws the same order of rows and takes its share of each batch.

    Raises:
        ValueError: the loss is no longer a number.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child(job.seed, "weights"))
        loop = Loop(job, world)
        return loop.run()


class Loop:
    """The state of a training: network, average, optimizer, place."""

    def __init__(self, job: Job, world: World) -> None:
        self.job, self.plan, self.world = job, job.plan, world
        self.network = job.build(job.shape).to(world.device)
        if job.start:
            self.network.load_state_dict({**self.network.state_dict(), **tensors(job.start)})
        self.answering = copy.deepcopy(self.network) if self.plan.ema_decay else self.network
        compiled: Any = torch.compile(self.network) if self.plan.compile else self.network
        self.calling = world.wrapped(compiled)
        self.learning = tensors(job.learning)
        self.judging = None if job.judging is None else tensors(job.judging)
        self.per_epoch = max(1, len(self.learning["y"]) // self.plan.batch_size)
        self.optimizer = optimizer_of(self.network, self.plan)
        self.step, self.epoch = 0, 0
        self.best_loss, self.best_epoch, self.best = math.inf, 0, {}  # type: ignore[var-annotated]
        self.history: list[Mapping[str, float]] = []

    def run(self) -> Trained:
        """Train to the end."""
        started = time.monotonic()
        while self.epoch < self.plan.num_epochs and time.monotonic() - started < self.plan.max_s:
            self._epoch()
            if self.plan.patience and self.epoch - self.best_epoch >= self.plan.patience:
                break
        best = self.best or weights_of(self.answering)
        return Trained(best, {"num_epochs": float(self.best_epoch or self.epoch)}, tuple(self.history))

    def _epoch(self) -> None:
        started, losses = time.perf_counter(), []
        augmenting = torch.Generator().manual_seed(child(self.job.seed, "augment", self.epoch, self.world.rank))
        for rows in self._batches():
            losses.append(self._one_step(rows, augmenting))
        self.epoch += 1
        loss = float(self.world.mean(np.array([torch.stack(losses).mean().item()]))[0])
        if not math.isfinite(loss):
            raise ValueError(
                f"the loss is {loss} in epoch {self.epoch}; use a learning_rate below {self.plan.learning_rate:g}"
            )
        seconds = time.perf_counter() - started
        metrics = {"loss": loss, "seconds": seconds, "rows_per_s": self.per_epoch * self.plan.batch_size / seconds}
        if self.judging is not None:
            metrics["judged_loss"] = judged = self._judged(self.judging)
            if judged < self.best_loss:
                self.best_loss, self.best_epoch, self.best = judged, self.epoch, weights_of(self.answering)
        self.history.append(metrics)
        self.world.epoch_ended({"epoch": float(self.epoch), **metrics})

    def _batches(self) -> Iterator[Tensors]:
        """Yield this worker'"'"'s share of each batch of an epoch."""
        num_rows = len(self.learning["y"])
        size = min(self.plan.batch_size, num_rows)
        shuffling = torch.Generator().manual_seed(child(self.job.seed, "order", self.epoch))
        order = torch.randperm(num_rows, generator=shuffling)
        for start in range(0, self.per_epoch * size, size):
            mine = order[start : start + size][self.world.rank :: self.world.size]
            yield {name: tensor[mine] for name, tensor in self.learning.items()}

    def _one_step(self, rows: Tensors, augmenting: torch.Generator) -> Tensor:
        self.network.train()
        set_rate(self.optimizer, self.plan, self.step / (self.per_epoch * self.plan.num_epochs))
        parts = [rows] if self.plan.accumulate == 1 else list(split(rows, self.plan.accumulate))
        total = torch.zeros(())
        self.optimizer.zero_grad(set_to_none=True)
        for part in parts:
            loss = self._loss(self._outputs(self.calling, part, augmenting), part) / len(parts)
            loss.backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach().cpu()
        if self.plan.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        self.optimizer.step()
        self.step += 1
        if self.plan.ema_decay:
            average(self.answering, self.network, min(self.plan.ema_decay, (1 + self.step) / (10 + self.step)))
        return total

    def _outputs(self, network: nn.Module, rows: Tensors, augmenting: torch.Generator | None) -> Tensor:
        read = {name: rows[name] for name in self.job.inputs}
        if self.job.prepare is not None:
            read = self.job.prepare(read)
        if augmenting is not None and self.job.augment is not None:
            read = self.job.augment(read, augmenting)
        device = torch.device(self.world.device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.plan.precision == "bfloat16"):
            output_NK: Tensor = network(**{name: tensor.to(device, non_blocking=True) for name, tensor in read.items()})
        return output_NK.float()

    def _loss(self, output_NK: Tensor, rows: Tensors, smoothing: float | None = None) -> Tensor:
        y_N = rows["y"].to(output_NK.device)
        if y_N.is_floating_point():
            loss_N = (output_NK[:, 0] - y_N) ** 2
        else:
            smoothing = self.plan.label_smoothing if smoothing is None else smoothing
            loss_N = cross_entropy(output_NK, y_N, reduction="none", label_smoothing=smoothing)
        return (loss_N * rows["weight"].to(loss_N.device)).mean() if "weight" in rows else loss_N.mean()

    def _judged(self, judging: Tensors) -> float:
        self.answering.eval()
        total = 0.0
        with torch.inference_mode():
            for rows in split(judging, math.ceil(len(judging["y"]) / JUDGE_ROWS)):
                loss = self._loss(self._outputs(self.answering, rows, None), rows, smoothing=0.0)
                total += float(loss) * len(rows["y"])
        return total / len(judging["y"])


def tensors(rows: Rows) -> Tensors:
    """Return arrays as tensors; read-only ones, as they come from shared memory, without a copy."""
    with warnings.catch_warnings():  # torch fears writes into read-only memory; nothing here writes into rows
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return {name: torch.from_numpy(array) for name, array in rows.items()}


def split(rows: Tensors, num_parts: int) -> Iterator[Tensors]:
    """Yield the rows in so many parts, the first ones the largest."""
    for index in torch.tensor_split(torch.arange(len(rows["y"])), num_parts):
        if len(index):
            yield {name: tensor[index[0] : index[-1] + 1] for name, tensor in rows.items()}


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """Return a copy of the weights and other state of a network."""
    return {name: np.array(tensor.detach().cpu().numpy()) for name, tensor in network.state_dict().items()}


def average(kept: nn.Module, current: nn.Module, decay: float) -> None:
    """Draw the averaged weights towards the current ones; counters and statistics are taken as they are."""
    with torch.no_grad():
        for old, new in zip(kept.parameters(), current.parameters(), strict=True):
            old.lerp_(new, 1 - decay)
        for mine, theirs in zip(kept.buffers(), current.buffers(), strict=True):
            mine.copy_(theirs)


def optimizer_of(network: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Return the optimizer; vectors, such as offsets and scales, are not drawn to zero."""
    held = [one for one in network.parameters() if one.ndim > 1]
    free = [one for one in network.parameters() if one.ndim <= 1]
    groups = [{"params": held, "weight_decay": plan.weight_decay}, {"params": free, "weight_decay": 0.0}]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, plan.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, plan.learning_rate, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, plan: Plan, share: float) -> None:
    """Set the rate for a step, told as the share of all steps that lie before it."""
    for group in optimizer.param_groups:
        group["lr"] = plan.learning_rate * factor(plan, share)


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
