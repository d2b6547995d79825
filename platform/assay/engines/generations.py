"""Which trial comes next, and what it may know: the state of the search, free of Ray.

A proposal of generation g knows the outcomes of generations up to g - 2 and nothing of arrival order: g - 1 ends while
g runs, no CPU waits at a barrier, and the proposals are the same on 1 CPU and on many. A fold is finished when its two
files are in the run's folder, and a trial that starts again takes up what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.engines.trial import FoldResult
from assay.errors import AssayError
from assay.parts import Candidate, Json, Metric, Outcome, Proposal, Search, Split
from assay.seeds import child
from assay.store.runs import Run

Tell = Callable[[str, Json], None]


@dataclass(frozen=True)
class Plan:
    """All that the search needs; plain values and parts, made once."""

    candidates: tuple[Candidate, ...]
    recipe_of: Mapping[str, str]  # algorithm -> recipe
    search: Search
    metric: Metric
    split: Split
    fold_N: np.ndarray
    num_folds: int
    num_trials: int
    generation: int
    time_budget_s: float | None
    threads: int
    seed: int


@dataclass
class TrialRecord:
    """A trial as far as it went."""

    number: int
    proposal: Proposal
    folds: list[FoldResult] = field(default_factory=list)
    ended: str = ""  # "", "complete", "stopped", "failed" or "cut" (by the time budget)
    reason: str = ""

    @property
    def name(self) -> str:
        """Name on the leaderboard."""
        return f"{self.proposal.algorithm}-{self.number:02d}"

    def outcome(self) -> Outcome:
        """Return what a search may know of it."""
        gains = () if self.ended == "failed" else tuple(fold.gain for fold in self.folds)
        return Outcome(self.proposal, gains, self.ended == "complete")


def fold_file(trial: int, fold: int) -> str:
    """Return the name of the JSON that says a fold is finished; its predictions were written before it."""
    return f"trials/{trial:04d}/fold-{fold}.json"


def failed_file(trial: int) -> str:
    """Return the name of the JSON that says why a trial failed."""
    return f"trials/{trial:04d}/failed.json"


def generation_file(generation: int) -> str:
    """Return the name of the JSON that holds what was proposed for a generation."""
    return f"trials/generation-{generation:04d}.json"


def proposals_of(run: Run) -> list[Proposal]:
    """Return what was proposed in a run so far, in trial order."""
    found: list[Proposal] = []
    generation = 0
    while run.exists(generation_file(generation)):
        found += [Proposal(**entry) for entry in run.read_json(generation_file(generation))["proposals"]]
        generation += 1
    return found


class Generations:
    """Which trial comes next, and what it may know: the state of the search, free of Ray."""

    def __init__(self, plan: Plan, run: Run, tell: Tell) -> None:
        self.plan, self.run, self.tell = plan, run, tell
        self.records: list[TrialRecord] = []
        self.bars: dict[int, list[float]] = {}
        self.next = 0  # first trial not yet handed out
        self.fault: AssayError | None = None  # of a worker's disk: no trial can go on
        self.handed_out: set[int] = set()  # the others were finished by an earlier session
        self.started = time.monotonic()
        self.elapsed_before_s = max((event.data.get("elapsed_s", 0.0) for event in run.events.read()), default=0.0)

    @property
    def elapsed_s(self) -> float:
        """Seconds that the search has run, over all sessions."""
        return self.elapsed_before_s + time.monotonic() - self.started

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget is spent."""
        return self.plan.time_budget_s is not None and self.elapsed_s >= self.plan.time_budget_s

    def take(self) -> TrialRecord | None:
        """Return the next trial to fit, or None while it may not be proposed yet or when there is none left."""
        while not self.done:
            if not self._propose(self.next // self.plan.generation):
                return None
            record = self.records[self.next]
            self.next += 1
            if not self.take_in(record):
                self.handed_out.add(record.number)
                return record
        return None

    @property
    def done(self) -> bool:
        """Whether no further trial will be handed out."""
        return self.next >= self.plan.num_trials or self.out_of_time or self.fault is not None

    def _propose(self, generation: int) -> bool:
        """Make sure that a generation is proposed; False while one that it depends on has not ended."""
        size, first = self.plan.generation, generation * self.plan.generation
        if len(self.records) > first:
            return True
        known_until = max(0, (generation - 1) * size)
        if any(not record.ended for record in self.records[:known_until]):
            return False
        file = generation_file(generation)
        if not self.run.exists(file):
            self.run.write_json(file, self._proposals(generation, known_until))
        written = self.run.read_json(file)
        self.bars[generation] = [float("-inf") if bar is None else bar for bar in written["bars"]]
        proposals = [Proposal(**entry) for entry in written["proposals"]]
        self.records += [TrialRecord(first + index, proposal) for index, proposal in enumerate(proposals)]
        return True

    def _proposals(self, generation: int, known_until: int) -> Json:
        """Ask the search for a generation; written down before it is fitted, so that a resume never asks again."""
        plan, first = self.plan, generation * self.plan.generation
        known = [record.outcome() for record in self.records[:known_until]]
        pending = [Outcome(record.proposal, (), False) for record in self.records[known_until:first]]
        count = min(plan.generation, plan.num_trials - first)
        proposals = plan.search.propose(plan.candidates, [*known, *pending], first, count, child(plan.seed, "search"))
        bars = plan.search.bars(known, plan.num_folds)
        return {
            "proposals": [vars(proposal) for proposal in proposals],
            "bars": [bar if np.isfinite(bar) else None for bar in bars],
        }

    def take_in(self, record: TrialRecord) -> bool:
        """Read what is on the disk of a trial; True when nothing of it is left to do."""
        failed = failed_file(record.number)
        if self.run.exists(failed):
            self.end(record, "failed", self.run.read_json(failed)["reason"])
            return True
        for fold in range(self.plan.num_folds):
            if not self.run.exists(fold_file(record.number, fold)):
                break
            self.note(record, FoldResult(**self.run.read_json(fold_file(record.number, fold))))
        return bool(record.ended)

    def config(self, record: TrialRecord) -> Json:
        """Return what a worker needs to run a trial."""
        stoppable = record.proposal.stoppable
        bars = self.bars[record.number // self.plan.generation]
        return {
            "number": record.number,
            "algorithm": record.proposal.algorithm,
            "params": record.proposal.params,
            "bars": bars if stoppable else [float("-inf")] * self.plan.num_folds,
        }

    def note(self, record: TrialRecord, result: FoldResult) -> None:
        """Take in a finished fold; a fold told twice counts once."""
        if any(known.fold == result.fold for known in record.folds):
            return
        record.folds.append(result)
        self.tell(
            "fold",
            {
                "trial": record.number,
                "name": record.name,
                "fold": result.fold,
                "score": result.score,
                "fit_s": result.fit_s,
            },
        )
        if len(record.folds) == self.plan.num_folds:
            self.end(record, "complete")
        elif is_hopeless([fold.gain for fold in record.folds], self.config(record)["bars"]):
            self.end(record, "stopped", "below the bar")

    def end(self, record: TrialRecord, how: str, reason: str = "") -> None:
        """Close a trial."""
        if record.ended:
            return
        record.ended, record.reason = how, reason
        taken_up = record.number not in self.handed_out
        self.tell(
            "trial",
            {
                "trial": record.number,
                "name": record.name,
                "ended": how,
                "reason": reason,
                "folds": len(record.folds),
                "score": mean_score(record),
                "elapsed_s": round(self.elapsed_s, 3),
                "taken_up": taken_up,
            },
        )

    def finish(self) -> list[TrialRecord]:
        """Close the search: the trials that count are the longest run of ended ones from the first on.

        With a trial budget that is all of them. After a time budget the number of trials that count is written down,
        and `search: {trials: NUMBER}` replays exactly this search.
        """
        counted = []
        for record in self.records:
            if not record.ended:
                break
            counted.append(record)
        for record in self.records[len(counted) :]:
            record.ended = record.ended or "cut"
        return counted


def is_hopeless(gains: Sequence[float], bars: Sequence[float]) -> bool:
    """Whether the mean gain so far lies below the bar of this rung."""
    return bool(np.mean(gains) < bars[len(gains) - 1])


def mean_score(record: TrialRecord) -> float | None:
    """Return the mean score of the finished folds."""
    return float(np.mean([fold.score for fold in record.folds])) if record.folds else None
