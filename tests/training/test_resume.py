"""A training that was interrupted goes on from what was kept, and ends with the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import nets
import numpy as np
import pytest

from assay.training.job import Trained
from assay.training.loop import train
from assay.training.state import packed, unpacked
from assay.training.world import World


class Drawer:
    """Keeps the newest state as one set of arrays; after some, the lights go out."""

    def __init__(self, num_states: int = 1_000) -> None:
        self.left, self.arrays = num_states, {}  # type: ignore[var-annotated]

    def write(self, state: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        self.arrays = packed(state, facts)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def read(self) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]] | None:
        return unpacked(self.arrays) if self.arrays else None


def same(one: Trained, other: Trained) -> bool:
    return (
        all((one.weights[name] == other.weights[name]).all() for name in one.weights)
        and [entry["loss"] for entry in one.history] == [entry["loss"] for entry in other.history]
        and one.facts == other.facts
    )


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon"])
@pytest.mark.parametrize("at_step", [1, 5, 7, 12])
def test_it_ends_as_if_it_had_never_been_interrupted(optimizer: Any, at_step: int) -> None:
    job = nets.job(replace(nets.PLAN, optimizer=optimizer), dropout=0.2, augment=True)
    drawer = Drawer(num_states=1)
    with pytest.raises(KeyboardInterrupt):
        train(job, World(drawer, every_steps=at_step))
    _, facts = unpacked(drawer.arrays)
    assert facts["step"] == at_step
    assert same(train(job, World(drawer, every_steps=1_000)), train(job))


def test_an_interruption_in_every_epoch_changes_nothing() -> None:
    job, drawer = nets.job(dropout=0.2), Drawer(num_states=0)
    while True:
        drawer.left = 1
        try:
            ended = train(job, World(drawer, every_steps=4))
            break
        except KeyboardInterrupt:
            continue
    assert same(ended, train(job))


def test_the_state_of_another_training_is_left_alone() -> None:
    drawer = Drawer()
    train(nets.job(), World(drawer, every_steps=3))
    other = replace(nets.job(), seed=6)
    assert same(train(other, World(drawer, every_steps=1_000)), train(other))


def test_the_state_is_kept_by_the_clock() -> None:
    drawer = Drawer()
    train(nets.job(), World(drawer, every_s=0.001))
    assert 3 <= 1_000 - drawer.left <= 15
    idle = Drawer()
    train(nets.job(), World(idle, every_s=60.0))
    assert not idle.arrays
