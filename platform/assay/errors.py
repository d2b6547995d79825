"""The tree of errors: each leaf has one reader and one exit code.

    AssayError
      SpecFault      2  the author of the experiment file, or of the command line
      DataFault      3  the owner of the data
      ClusterFault   4  the operator; says whether a retry may help
      ArtifactFault  5  whoever hands over a model: it was changed, is incomplete, or is not ours

Anything else that reaches a door is our own bug: it is not caught and exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where it is, what was found, and what to do about it."""

    place: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.place}: {self.found}.{fix}" if self.place else f"{self.found}.{fix}"


class AssayError(Exception):
    """Base of every error that a person is meant to read; carries all faults found, not only the first."""

    exit_code = 1

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))

    @classmethod
    def at(cls, place: str, found: str, fix: str = "") -> AssayError:
        """Return this error with one fault."""
        return cls(Fault(place, found, fix))

    def __reduce__(self) -> tuple[type[AssayError], tuple[Fault, ...]]:
        # Ray carries errors between processes; the default would rebuild us from the message alone.
        return (type(self), self.faults)


class SpecFault(AssayError):
    """The experiment file or the command line asks for something that does not exist or does not fit."""

    exit_code = 2


class DataFault(AssayError):
    """The data cannot be used as asked: unreadable, broken, or without what learning needs."""

    exit_code = 3


class ClusterFault(AssayError):
    """Ray, the network or the storage failed; `retry` says whether the same command may succeed later."""

    exit_code = 4
    retry = True


class ArtifactFault(AssayError):
    """A model artifact was refused: changed, incomplete, unsafe, or of another format version."""

    exit_code = 5


def raise_all(kind: type[AssayError], faults: Iterable[Fault]) -> None:
    """Raise one error that holds all `faults`, or return when there are none."""
    collected = tuple(faults)
    if collected:
        raise kind(*collected)


LONGEST_WORD = 200  # characters that are compared with known words: a client may have sent a book


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a fix that names the nearest known word, or all of them when none is near.

    Example:
        >>> did_you_mean("stak", ["stack", "vote"])
        "did you mean 'stack'?"
    """
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6) if len(word) <= LONGEST_WORD else []
    if near:
        return f"did you mean '{near[0]}'?"
    return f"use one of: {', '.join(sorted(known))}"
