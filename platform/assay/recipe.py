"""Preprocessing steps in order, and what each learned: from canonical columns to what an algorithm reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay import catalog
from assay.batch import Batch, Pending
from assay.parts import Files, Fitted, Json, Step
from assay.seeds import child
from assay.vocabulary import Shelf

OWN_STEPS = "steps.json"  # among a member's files: the steps that were learned with it


@dataclass(frozen=True)
class StepState:
    """A step and what it learned; None when every fit learns it anew on its own rows."""

    key: str
    params: Json
    state: Json | None

    @property
    def part(self) -> Step:
        """The step itself."""
        made: Step = catalog.make(Shelf.STEPS, self.key, self.params)
        return made

    def apply(self, batch: Batch) -> Batch:
        """Return the changed batch."""
        assert self.state is not None, f"step '{self.key}' is learned inside fits"
        return self.part.apply(self.state, batch)


@dataclass(frozen=True)
class Recipe:
    """Steps in order: turns canonical columns into what one family of algorithms reads.

    From the first step that looks at the label on, steps have no state here: each fit learns them on its own rows.
    """

    steps: tuple[StepState, ...]

    def apply(self, batch: Batch) -> Batch:
        """Return the batch as one packed matrix; pure, the same in training and in the server."""
        for step in self.steps:
            if step.state is not None:
                batch = step.apply(batch)
        return self.packed(batch)

    def packed(self, batch: Batch) -> Batch:
        """Pack a batch that passed the learned steps; what the others will change stays apart from the matrix."""
        waiting = [step for step in self.steps if step.state is None]
        names = {name for step in waiting for name in step.part.columns(batch)}
        apart = [name for name in batch.meaning if name in names]
        return replace(batch.packed(apart), pending=tuple(Pending(step.key, step.params) for step in waiting))


def learn_steps(steps: Sequence[Pending], batch: Batch, seed: int) -> tuple[tuple[StepState, ...], Batch]:
    """Learn steps in order, each on the rows as the one before left them; those that find no column are left out."""
    learned = []
    for place, spec in enumerate(steps):
        step = StepState(spec.key, dict(spec.params), None)
        if step.part.columns(batch):
            state, batch = step.part.learn(batch, child(seed, place, spec.key))
            learned.append(replace(step, state=state))
    return tuple(learned), batch


def settle(batch: Batch, seed: int) -> tuple[tuple[StepState, ...], Batch]:
    """Learn the pending steps of a batch on its own rows; returns them, and the rows as one matrix."""
    steps, changed = learn_steps(batch.pending, replace(batch, pending=()), seed)
    return steps, changed.packed()


@dataclass(frozen=True)
class WithSteps:
    """A fitted algorithm behind the steps that were learned with it, on the same rows."""

    steps: tuple[StepState, ...]
    fitted: Fitted

    @property
    def facts(self) -> Mapping[str, float]:
        """What fitting settled."""
        return self.fitted.facts

    def predict(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK for rows that passed the learned steps of the recipe."""
        batch = replace(batch, pending=())
        for step in self.steps:
            batch = step.apply(batch)
        return self.fitted.predict(batch.packed())

    def files(self) -> Files:
        """Return the algorithm's content, and the steps as JSON."""
        content = self.fitted.files()
        assert OWN_STEPS not in content, "an algorithm's file would be replaced"
        return {**content, OWN_STEPS: json.dumps([vars(step) for step in self.steps], allow_nan=False).encode()}
