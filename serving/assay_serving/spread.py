"""A model whose members live in other processes: it asks them, and joins what came in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from assay.batch import Batch
from assay.model import Model
from assay.partial import Piece

Ask = Callable[[Batch], Mapping[int, np.ndarray]]


class NoMember(Exception):
    """Not one member answered in time: nothing can be said."""


@dataclass(frozen=True)
class Turnout:
    """How many of a model's members a vote is of."""

    num_members: int
    num_answering: int

    @property
    def degraded(self) -> bool:
        """Whether some did not answer."""
        return self.num_answering < self.num_members

    def told(self) -> dict[str, Any]:
        """Return it as clients read it."""
        return {"degraded": True, "members": self.num_members, "members_answering": self.num_answering}


@dataclass(frozen=True)
class Vote:
    """What a model says, and whose vote that is; `turnout` None: of all, since they are in this process."""

    prediction_NK: np.ndarray
    turnout: Turnout | None = None


@dataclass(frozen=True, kw_only=True)
class Spread(Model):
    """A model that holds what joins its members, and asks for what they say; never call it in the event loop."""

    piece: Piece
    ask: Ask

    @classmethod
    def of(cls, piece: Piece, ask: Ask) -> Spread:
        """Return the whole model of a piece without members."""
        known = {one.name: getattr(piece.model, one.name) for one in fields(Model)}
        return cls(**known, piece=piece, ask=ask)

    def vote(self, batch: Batch) -> Vote:
        """Return the vote of the members that answer in time.

        Raises:
            NoMember: none does.
        """
        said = self.ask(batch)
        if not said:
            raise NoMember
        return Vote(self.piece.joined(said, batch), Turnout(len(self.piece.names), len(said)))

    def predict_batch(self, batch: Batch) -> np.ndarray:
        """Return prediction_NK for canonical columns."""
        return self.vote(batch).prediction_NK
