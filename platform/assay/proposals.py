"""What a search proposes, may propose, and is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.spec.spaces import Space


@dataclass(frozen=True)
class Proposal:
    """A trial to run: an algorithm with settings, and whether it may be stopped after a hopeless fold."""

    algorithm: str
    params: dict[str, Any]
    stoppable: bool = True


@dataclass(frozen=True)
class Candidate:
    """An algorithm that a search may propose, under its key, with what may be drawn."""

    key: str
    fixed: dict[str, Any]
    space: Space
    portfolio: tuple[dict[str, Any], ...]
    cost: float  # expected seconds of a fit
    strong: bool = True  # whether it is tried before those that are only different


@dataclass(frozen=True)
class Outcome:
    """What became of a proposal: gain per finished fold (more is better); failed trials have none."""

    proposal: Proposal
    gain_F: tuple[float, ...]
    complete: bool
