"""What ensembles that fit their own members share: which algorithms they fit, and what these must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from assay import catalog
from assay.errors import Fault, SpecFault, raise_all
from assay.parts import Algorithm, Ensemble, Evidence, Json
from assay.spec.strict import Strict
from assay.vocabulary import Shelf, Task


class Learner(Strict):
    """An algorithm with its settings; a bare word is the algorithm with its own."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)


def _listed(value: Any) -> tuple[Learner, ...]:
    """Read the list as one setting, so that its fault has one place."""
    try:
        return tuple(Learner.model_validate({"name": item} if isinstance(item, str) else item) for item in value)
    except (ValidationError, TypeError):
        raise ValueError("write algorithms: [lightgbm, {name: ridge, params: {alpha: 3}}]") from None


class LearnerSettings(Strict):
    """Settings of an ensemble whose members are of one learner, or of several in turn."""

    num_members: int = Field(10, ge=2, le=500, description="members fitted, each on rows or features of its own")
    learner: str | None = Field(None, description="algorithm of every member; that of the best trial when left out")
    params: dict[str, Any] = Field(default_factory=dict, description="settings of the learner")
    members: Annotated[tuple[Learner, ...], BeforeValidator(_listed)] = Field(
        (), description="algorithms, bare or as name and params, that the members take in turn; instead of learner"
    )


@dataclass(frozen=True)
class Chosen:
    """The learner of a member: its name on the leaderboard, its algorithm and its settings."""

    name: str
    algorithm: str
    params: Json = field(default_factory=dict)

    @property
    def weighable(self) -> bool:
        """Whether it learns from weighted rows."""
        part: type[Algorithm] = catalog.find(Shelf.ALGORITHMS, self.algorithm)
        return part.weighable


class Growing(Ensemble):
    """An ensemble that fits members of one learner, or of several in turn, as `LearnerSettings` say."""

    grows = True

    def learners(self, task: Task) -> Sequence[str]:
        """Return the algorithms that the settings name."""
        named = self._named()
        if self.params.members and (self.params.learner or self.params.params):
            raise SpecFault.at("params.members", "is set beside learner or params", "keep one of them")
        if self.params.params and not named:
            raise SpecFault.at("params.params", "has settings of no learner", "name it: `learner: lightgbm`")
        raise_all(SpecFault, (fault for one in named for fault in learner_faults(one, task)))
        return [one.algorithm for one in named]

    def base(self, evidence: Evidence) -> list[Chosen]:
        """Return the learner of each member."""
        named = self._named() or [best_trial(evidence)]
        return [named[place % len(named)] for place in range(self.params.num_members)]

    def _named(self) -> list[Chosen]:
        if self.params.learner:
            return [Chosen(self.params.learner, self.params.learner, self.params.params)]
        return [Chosen(one.name, one.name, one.params) for one in self.params.members]


def best_trial(evidence: Evidence) -> Chosen:
    """Return the learner of the best trial, with the settings of a fit on all rows."""
    algorithm, params = evidence.learners[0]
    return Chosen(evidence.names[0], algorithm, params)


def learner_faults(learner: Chosen, task: Task) -> list[Fault]:
    """Return why an algorithm cannot be fitted for this task."""
    place = "params.learner"
    try:
        part: Algorithm = catalog.make(Shelf.ALGORITHMS, learner.algorithm, dict(learner.params))
    except SpecFault as error:
        return [Fault(f"{place} {fault.place}".strip(), fault.found, fault.fix) for fault in error.faults]
    if task not in part.tasks:
        fix = f"use one of: {', '.join(fitting(task))}"
        return [Fault(place, f"'{learner.algorithm}' is not for the task {task}", fix)]
    if part.optional and find_spec(part.optional) is None:
        return [Fault(place, f"'{learner.algorithm}' needs {part.optional}", f"install {part.optional}")]
    return []


def fitting(task: Task, weighable: bool = False) -> list[str]:
    """Return the algorithms of the shelf that are for a task and, where it is asked, learn from weighted rows."""
    parts = {key: catalog.find(Shelf.ALGORITHMS, key) for key in catalog.keys(Shelf.ALGORITHMS)}
    return [key for key, part in parts.items() if task in part.tasks and (part.weighable or not weighable)]
