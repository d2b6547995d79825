"""The inner loop: what its plan asks for is done, and what goes wrong is said."""

from __future__ import annotations

import logging
from dataclasses import replace

import nets
import numpy as np
import pytest
import torch
from torch import Tensor

from assay.training import loop as loops
from assay.training.job import Trained
from assay.training.loop import train


def losses(trained: Trained) -> list[float]:
    return [entry["loss"] for entry in trained.history]


def test_the_loss_falls_and_every_epoch_is_told() -> None:
    trained = train(nets.job())
    assert losses(trained)[-1] < 0.9 * losses(trained)[0]
    assert all({"loss", "judged_loss", "seconds", "rows_per_s"} <= entry.keys() for entry in trained.history)
    assert len(trained.history) == nets.PLAN.num_epochs


def test_the_same_job_gives_the_same_bits() -> None:
    one, other = (train(nets.job(dropout=0.2, augment=True)) for _ in range(2))
    assert all((one.weights[name] == other.weights[name]).all() for name in one.weights)


def test_training_leaves_the_chance_of_its_process_as_it_was() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(nets.job(dropout=0.2))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_in_parts_takes_the_same_steps_as_the_whole() -> None:
    plan = replace(nets.PLAN, num_epochs=2)
    whole, parts = (train(replace(plain(), plan=replace(plan, accumulate=count))) for count in (1, 4))
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=1e-5)
    for name in whole.weights:
        np.testing.assert_allclose(parts.weights[name], whole.weights[name], rtol=1e-3, atol=1e-5)


def plain() -> loops.Job:
    """Return a job without batch normalisation, whose statistics would be of the parts."""
    return replace(nets.job(), build=flat)


def flat(_: object) -> torch.nn.Module:
    """Return a network that treats each row alone."""

    class Flat(torch.nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.flatten(1))

    return Flat(36, 3)


def test_a_loss_that_is_no_number_is_told_with_the_rate() -> None:
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) in epoch \d; use a learning_rate below 1e\+30"):
        train(nets.job(replace(nets.PLAN, learning_rate=1e30, optimizer="sgd", clip_norm=0.0)))


def test_training_stops_when_the_judging_rows_gain_nothing_more() -> None:
    plan = replace(nets.PLAN, num_epochs=200, patience=3, schedule="constant")
    trained = train(nets.job(plan))
    assert len(trained.history) < 200
    assert trained.facts["num_epochs"] == len(trained.history) - 3


def test_bfloat16_trains_too() -> None:
    trained = train(nets.job(replace(nets.PLAN, precision="bfloat16")))
    assert losses(trained)[-1] < losses(trained)[0]
    assert trained.weights["head.weight"].dtype == np.float32


def test_training_begins_with_the_weights_it_is_given() -> None:
    first = train(nets.job(judging=False))
    start = {**first.weights, "head.bias": np.zeros(7, np.float32)}  # of a shape that does not fit: drawn anew
    again = train(nets.job(replace(nets.PLAN, num_epochs=1), judging=False, start=start))
    assert losses(again)[0] < losses(first)[0]


class Small(nets.Images):
    """Runs out of memory when more than 12 rows come at once."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        return super().forward(x)


def test_out_of_memory_halves_the_batch_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        trained = train(replace(nets.job(), build=Small))
    assert "out of memory on cpu at step 0: batches pass in 4 parts from here" in caplog.text
    assert [entry["accumulate"] for entry in trained.history] == [4.0] * 3
    assert losses(trained)[-1] < losses(trained)[0]


class Hopeless(nets.Images):
    """Has no room for a single row."""

    def forward(self, x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory (simulated)")


def test_a_network_that_has_no_room_for_one_row_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="not even one row fits"):
        train(replace(nets.job(), build=Hopeless))
