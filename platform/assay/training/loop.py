"""Passes over the rows until an average of the weights gets no better. Imports torch."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from assay.seeds import child
from assay.training.feed import Feed, Tensors, on_device, split, tensors
from assay.training.job import Job, Trained
from assay.training.optimizing import Average, optimizer_of, set_rate
from assay.training.state import state_of, take_up, weights_of
from assay.training.world import ALONE, World

__all__ = ["Loop", "split", "tensors", "train", "weights_of"]
JUDGE_ROWS = 1_024  # at once
log = logging.getLogger(__name__)


def train(job: Job, world: World = ALONE) -> Trained:
    """Train a network; the same job and seed give the same weights, and nearly the same ones on several workers.

    What `world` kept of the same training is taken up, and ends as if it had never been interrupted.

    Raises:
        ValueError: the loss is no longer a number, or not even one row fits into the memory of the device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child(job.seed, "weights"))
        return Loop(job, world).run()


class Loop:
    """The state of a training: network, average, optimizer, place."""

    def __init__(self, job: Job, world: World) -> None:
        self.job, self.plan, self.world = job, job.plan, world
        self.device = torch.device(world.device)
        self.network = job.build(job.shape)
        if job.start:
            self.network.load_state_dict({**self.network.state_dict(), **_fitting(job, self.network)})
        self.network.to(self.device)
        self.answering = copy.deepcopy(self.network) if self.plan.ema_decay else self.network
        self.average = Average(self.answering, self.network, self.plan.ema_decay) if self.plan.ema_decay else None
        self.calling = self._called()
        self.feed = Feed(job.learning, self.plan.batch_size, job.seed, world)
        self.num_steps = self.feed.per_epoch * self.plan.num_epochs
        self.judging = None if job.judging is None else on_device(tensors(job.judging), world.device)
        self.optimizer = optimizer_of(self.network, self.plan)
        self.augmenting = torch.Generator(self.device)
        self.accumulate, self.step, self.epoch = self.plan.accumulate, 0, 0
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)  # of the epoch's steps, this worker's
        self.best_loss, self.best_epoch = math.inf, 0
        self.best: dict[str, np.ndarray] = {}
        self.history: list[Mapping[str, float]] = []
        self.started, self.seconds_before = time.monotonic(), 0.0

    def _called(self) -> nn.Module:
        has_unused = False
        if self.world.size > 1:
            from assay.training.group import share_norms
            from assay.training.rehearsal import unused_parameters

            has_unused = bool(unused_parameters(self.network, self.job))
            share_norms(self.network)
        compiled: Any = torch.compile(self.network) if self.plan.compile else self.network
        return self.world.wrapped(compiled, has_unused=has_unused)

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sessions."""
        return self.seconds_before + time.monotonic() - self.started

    def run(self) -> Trained:
        """Train to the end."""
        kept = self.world.kept()
        if kept is not None and take_up(self, *kept):
            log.info("taken up after step %d, epoch %d", self.step, self.epoch)
        while self.epoch < self.plan.num_epochs and self.seconds < self.plan.max_s:
            self._epoch()
            if self.plan.patience and self.epoch - self.best_epoch >= self.plan.patience:
                break
        best = self.best or weights_of(self.answering)
        return Trained(best, {"num_epochs": float(self.best_epoch or self.epoch)}, tuple(self.history))

    def mean_loss_sum(self) -> float:
        """Return the losses of the epoch's steps so far, added up, as the mean over workers."""
        return float(self.world.mean(np.array([self.loss_sum.item()]))[0])

    def _epoch(self) -> None:
        started, first = time.perf_counter(), self.step - self.epoch * self.feed.per_epoch
        self.network.train()
        for rows in self.feed.batches(self.epoch, first):
            if self.world.probes:
                self._probe(rows)
            self._one_step(rows)
            if self.world.due(self.step):
                self.world.keep(*state_of(self))
        loss = self.mean_loss_sum() / self.feed.per_epoch
        self.loss_sum.zero_()
        self.epoch += 1
        if not math.isfinite(loss):
            raise ValueError(
                f"the loss is {loss} in epoch {self.epoch}; use a learning_rate below {self.plan.learning_rate:g}"
            )
        seconds = time.perf_counter() - started
        num_rows = (self.feed.per_epoch - first) * self.feed.batch_size
        metrics = {"loss": loss, "seconds": seconds, "rows_per_s": num_rows / seconds}
        if self.accumulate != self.plan.accumulate:
            metrics["accumulate"] = float(self.accumulate)
        self._note(metrics)

    def _note(self, metrics: dict[str, float]) -> None:
        if self.judging is not None:
            metrics["judged_loss"] = judged = self._judged(self.judging)
            if judged < self.best_loss:
                self.best_loss, self.best_epoch, self.best = judged, self.epoch, weights_of(self.answering)
        self.history.append(metrics)
        self.world.epoch_ended({"epoch": float(self.epoch), **metrics})

    def _one_step(self, rows: Tensors) -> None:
        set_rate(self.optimizer, self.plan, self.step / self.num_steps)
        while True:
            try:
                loss = self._gradients(rows)
                break
            except torch.OutOfMemoryError:
                if self.world.size > 1:  # others may have this step's gradients already
                    raise
                self._halve(rows)
        if self.plan.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        self.optimizer.step()
        self.loss_sum += loss
        self.step += 1
        if self.average is not None:
            self.average.after(self.step)

    def _gradients(self, rows: Tensors, *, synced: bool = True) -> Tensor:
        """Leave the gradients of a step in the weights, and return its loss: the mean over workers is the batch's."""
        self._draw_anew()
        self.optimizer.zero_grad(set_to_none=True)
        parts = [rows] if self.accumulate == 1 else list(split(rows, self.accumulate))
        share = self.world.size / self.feed.batch_size
        total = torch.zeros((), device=self.device)
        for number, part in enumerate(parts, start=1):
            last = synced and number == len(parts)
            with nullcontext() if last else self.world.unsynced(self.calling):
                loss = self._losses(self._outputs(self.calling, part, training=True), part).sum() * share
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _draw_anew(self) -> None:
        """Let the chance of a step grow from its number alone: a training that is taken up draws the same."""
        seed = child(self.job.seed, "step", self.step, self.world.rank)
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        self.augmenting.manual_seed(seed + 1)

    def _halve(self, rows: Tensors) -> None:
        """Take the step in twice as many parts from now on."""
        if self.accumulate >= len(rows["y"]):
            raise ValueError(
                f"not even one row fits into the memory of the device {self.device}; make the network smaller"
            )
        self.accumulate *= 2
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning(
            "out of memory on %s at step %d: batches pass in %d parts from here",
            self.device,
            self.step,
            self.accumulate,
        )

    def _probe(self, rows: Tensors) -> None:
        """Find, before the first step, the number of parts that fits the memory of every worker; all agree on it."""
        self.world.probes = False
        kept = [buffer.clone() for buffer in self.network.buffers()]
        while True:
            failed = 0.0
            try:
                self._gradients(rows, synced=False)
            except torch.OutOfMemoryError:
                failed = 1.0
            if not self.world.mean(np.array([failed]))[0]:
                break
            self._halve(rows)
        for buffer, value in zip(self.network.buffers(), kept, strict=True):
            buffer.copy_(value)

    def _outputs(self, network: nn.Module, rows: Tensors, *, training: bool) -> Tensor:
        read = {name: rows[name] for name in self.job.inputs}
        on_gpu = self.device.type != "cpu"
        with torch.device(self.device) if on_gpu else nullcontext():  # what is drawn and made is made there
            if self.job.prepare is not None:
                read = self.job.prepare(read)
            if training and self.job.augment is not None:
                read = self.job.augment(read, self.augmenting)
        with torch.autocast(self.device.type, torch.bfloat16) if self.plan.precision == "bfloat16" else nullcontext():
            output_NK: Tensor = network(**read)
        return output_NK.float()

    def _losses(self, output_NK: Tensor, rows: Tensors, smoothing: float | None = None) -> Tensor:
        y_N = rows["y"]
        if y_N.is_floating_point():
            loss_N = (output_NK[:, 0] - y_N) ** 2
        else:
            smoothing = self.plan.label_smoothing if smoothing is None else smoothing
            loss_N = cross_entropy(output_NK, y_N, reduction="none", label_smoothing=smoothing)
        return loss_N * rows["weight"] if "weight" in rows else loss_N

    def _judged(self, judging: Tensors) -> float:
        """Return the mean loss of the rows that judge; each worker takes its share of them."""
        self.answering.eval()
        num_rows, rank, size = len(judging["y"]), self.world.rank, self.world.size
        mine = judging if size == 1 else {name: tensor[rank::size] for name, tensor in judging.items()}
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        with torch.inference_mode():
            for rows in split(mine, max(1, math.ceil(len(mine["y"]) / JUDGE_ROWS))):
                rows = {name: tensor.to(self.device) for name, tensor in rows.items()}
                loss_N = self._losses(self._outputs(self.answering, rows, training=False), rows, smoothing=0.0)
                total += loss_N.double().sum()
        return float(self.world.mean(np.array([total.item()]))[0]) * size / num_rows


def _fitting(job: Job, network: nn.Module) -> dict[str, Tensor]:
    """Return the weights to begin with that the network has, in the same shape: a warm start from a kin network."""
    known = network.state_dict()
    start = {name: array for name, array in job.start.items() if name in known and known[name].shape == array.shape}
    return {name: torch.from_numpy(np.array(array)) for name, array in start.items()}
