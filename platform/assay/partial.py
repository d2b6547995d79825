"""A finished model in pieces: some members in one process, others in another, and what joins them in a third.

A piece is read from the files of a whole model. What no piece of a process holds is never turned into objects there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from assay.batch import Batch
from assay.model import Model
from assay.parts import Files

Holds = Callable[[int], bool]  # whether a process holds the member at this place in the model
FOLDER = "members/"


@dataclass(frozen=True, eq=False)
class Piece:
    """A model with some of its members, or with none and all that joins them."""

    model: Model
    names: tuple[str, ...]  # of all members of the whole model, in order
    held: tuple[int, ...]  # places, among them, of those that are here

    def said(self, batch: Batch) -> dict[int, np.ndarray]:
        """Return prediction_NK of each member that is here, by its place, for canonical columns."""
        return dict(zip(self.held, self.model.said(batch, {}), strict=True))

    def joined(self, said: Mapping[int, np.ndarray], batch: Batch) -> np.ndarray:
        """Return prediction_NK, calibrated, of what members said, by their places; one of them at least.

        With all of them it is what the whole model predicts, to the bit.
        """
        found = [said.get(place) for place in range(len(self.names))]
        return self.model.calibrated(self.model.join(self.names, found, batch, {}))


def wanted(name: str, holds: Holds) -> bool:
    """Return whether a file of a model is needed by a process that holds these members.

    Example:
        >>> [wanted(name, lambda place: place == 1) for name in ("model.json", "members/0/a", "members/1/a")]
        [True, False, True]
    """
    place = name.removeprefix(FOLDER).partition("/")[0]
    return not name.startswith(FOLDER) or (place.isdecimal() and holds(int(place)))


def piece_of(content: Files, holds: Holds) -> Piece:
    """Return the members that a process holds; one that holds none gets what joins them.

    The caller has checked hashes; files of other members need not be there.

    Raises:
        ArtifactFault: the content is not a model, or of a newer format.
    """
    try:
        described = json.loads(content["model.json"])
        entries = list(described["members"])
        names = tuple(str(entry["name"]) for entry in entries)
    except (KeyError, TypeError, ValueError):
        Model.from_files(content)  # says what is wrong
        raise
    held = tuple(place for place in range(len(entries)) if holds(place))
    kept = {name: data for name, data in content.items() if not name.startswith(FOLDER)}
    for number, place in enumerate(held):
        folder = f"{FOLDER}{place}/"
        kept |= {
            f"{FOLDER}{number}/{name.removeprefix(folder)}": data
            for name, data in content.items()
            if name.startswith(folder)
        }
    described |= {"members": [entries[place] for place in held]}
    if held:
        described |= {"combination": None}
    return Piece(Model.from_files({**kept, "model.json": json.dumps(described).encode()}), names, held)
