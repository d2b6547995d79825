"""Which trial comes next, and what it may know: the state of the search, free of Ray.

A proposal of generation g knows the outcomes of generations up to g - 2 and nothing of arrival order: g - 1 ends while
g runs, no CPU waits at a barrier, and the proposals are the same on 1 CPU and on many. A fold is finished when its two
files are in the run's folder, and a trial that starts again takes up what is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.engines.budget import SAFETY, Budget, Costs
from assay.engines.fit_torch import Training
from assay.engines.folds import Folds
from assay.engines.trial import FoldResult
from assay.errors import AssayError
from assay.parts import Json, Metric, Search
from assay.proposals import Candidate, Outcome, Proposal
from assay.seeds import child
from assay.store.runs import Run

Tell = Callable[[str, Json], None]
USUAL_MEMBERS = 5  # of a finished model: for so many the time of a last fit is kept
LONGEST_SHARE = 0.3  # of the time, for one trial
MAX_SKIPS_IN_A_ROW = 16  # proposing costs time too
FEW_S = 8.0  # of fits that one process does sooner than actors, which must start first
ACTORS_START_S = 4.0  # with all their imports
LATE_SHARE = 0.05  # of the time, by which the first trial of a strong family may be late: without one a model is poor
GRACE_S = 1.0  # a trial that ends a little late still counts


@dataclass(frozen=True)
class Plan:
    """All that the search needs; plain values and parts, made once."""

    candidates: tuple[Candidate, ...]
    recipe_of: Mapping[str, str]  # algorithm -> recipe
    search: Search
    metric: Metric
    folds: Folds
    num_trials: int
    generation: int
    threads: int
    seed: int
    skip: frozenset[int] = frozenset()  # trials that are proposed and not fitted, as in the run that is replayed
    keeps_models: bool = False  # whether the models of the folds become the members
    expected_s: Mapping[str, float] = field(default_factory=dict)  # seconds of a fit, as the algorithms say
    training: Training = field(default_factory=Training)  # of networks
    first: tuple[Proposal, ...] = ()  # tried before all that the search proposes
    naive_NK: np.ndarray | None = None  # what the baseline predicts for the training rows; the dummy does when None

    @property
    def num_folds(self) -> int:
        """Fits of a trial."""
        return self.folds.num


@dataclass
class TrialRecord:
    """A trial as far as it went."""

    number: int
    proposal: Proposal
    folds: list[FoldResult] = field(default_factory=list)
    ended: str = ""  # "", "complete", "stopped", "failed", "skipped" (too long) or "cut" (by the time budget)
    reason: str = ""

    @property
    def name(self) -> str:
        """Name on the leaderboard."""
        return f"{self.proposal.algorithm}-{self.number:02d}"

    def outcome(self) -> Outcome:
        """Return what a search may know of it; a fold without a score counts as the others do on average."""
        gain_n = np.array([] if self.ended in ("failed", "skipped") else [fold.gain for fold in self.folds])
        usual = float(np.nanmean(gain_n)) if not np.isnan(gain_n).all() else 0.0
        gains = tuple(np.nan_to_num(gain_n, nan=usual).tolist())
        return Outcome(self.proposal, gains, self.ended == "complete")

    @property
    def fit_s(self) -> float:
        """Mean seconds of its fits so far."""
        return float(np.mean([fold.fit_s for fold in self.folds])) if self.folds else 0.0


def fold_file(trial: int, fold: int) -> str:
    """Return the name of the JSON that says a fold is finished; its predictions were written before it."""
    return f"trials/{trial:04d}/fold-{fold}.json"


def failed_file(trial: int) -> str:
    """Return the name of the JSON that says why a trial failed."""
    return f"trials/{trial:04d}/failed.json"


def skipped_file(trial: int) -> str:
    """Return the name of the JSON that says that a trial would have taken too long."""
    return f"trials/{trial:04d}/skipped.json"


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

    def __init__(self, plan: Plan, run: Run, tell: Tell, budget: Budget | None = None) -> None:
        self.plan, self.run, self.tell = plan, run, tell
        self.budget, self.costs = budget or Budget(), Costs(plan.expected_s)
        self.records: list[TrialRecord] = []
        self.bars: dict[int, list[float]] = {}
        self.next = 0  # first trial not yet handed out
        self.fault: AssayError | None = None  # of a worker's disk: no trial can go on
        self.skips_in_a_row = 0
        self.handed_out: set[int] = set()  # the others were finished by an earlier session

    @property
    def left_s(self) -> float:
        """Seconds that the search may still take: what the members' last fits and the finish need is kept."""
        return self.budget.left_s - self.budget.finish_s - (0.0 if self.plan.keeps_models else self._refit_s())

    @property
    def longest_s(self) -> float:
        """Seconds that one trial may take: it should leave time for others, but for a holdout of many rows."""
        total_s = math.inf if self.budget.total_s is None else self.budget.total_s - self.budget.finish_s
        return total_s if self.plan.num_folds == 1 else LONGEST_SHARE * total_s

    def _refit_s(self) -> float:
        """Predict the seconds of fitting the best few trials once more, on all rows."""
        if math.isinf(self.budget.left_s):
            return 0.0
        complete = [record for record in self.records if record.ended == "complete"]
        best = sorted(complete, key=lambda record: -float(np.mean(record.outcome().gain_F)))[:USUAL_MEMBERS]
        return SAFETY * refit_s([record.fit_s for record in best], self.plan.num_folds, self.budget.num_slots)

    @property
    def out_of_time(self) -> bool:
        """Whether no further trial may begin: the cheapest would not end, or the last few were all too long.

        One trial is always fitted, however late: a model after its time beats none.
        """
        if not self.handed_out and not self.completed:
            return False
        return self.left_s <= self.plan.num_folds * self.costs.least_s or self.skips_in_a_row >= MAX_SKIPS_IN_A_ROW

    @property
    def overdue(self) -> bool:
        """Whether the trials that still run must be cut; never before one is complete."""
        return self.completed and self.left_s + self._late_s <= -GRACE_S

    @property
    def _late_s(self) -> float:
        """Seconds by which a trial may end late: some while no trial of a strong family has ended, else none."""
        if self.budget.total_s is None or any(self._is_strong(record) for record in self.records if record.folds):
            return 0.0
        return LATE_SHARE * self.budget.total_s

    def _is_strong(self, record: TrialRecord) -> bool:
        strong = {candidate.key for candidate in self.plan.candidates if candidate.strong}
        return record.proposal.algorithm in strong

    def take(self) -> TrialRecord | None:
        """Return the next trial to fit, or None while it may not be proposed yet or when there is none left."""
        while not self.done:
            if not self._propose(self.next // self.plan.generation):
                return None
            record = self.records[self.next]
            self.next += 1
            if not self.take_in(record) and not self._skipped(record):
                self.handed_out.add(record.number)
                self.skips_in_a_row = 0
                return record
        return None

    def _skipped(self, record: TrialRecord) -> bool:
        """Skip a trial that would not end in time; one trial is always fitted."""
        folds_left = self.plan.num_folds - len(record.folds)
        predicted_s = SAFETY * folds_left * self.costs.fit_s(record.proposal.algorithm)
        late_s = self._late_s if self._is_strong(record) and not self._strong_runs else 0.0
        if predicted_s <= min(self.left_s, self.longest_s) + late_s or not self.handed_out:
            return False
        self.skips_in_a_row += 1
        self.skip(record, predicted_s)
        return True

    @property
    def _strong_runs(self) -> bool:
        return any(
            self._is_strong(self.records[number]) and not self.records[number].ended for number in self.handed_out
        )

    def skip(self, record: TrialRecord, predicted_s: float) -> None:
        """Leave a trial out, now and whenever the run is taken up."""
        self.run.write_json(skipped_file(record.number), {"predicted_s": predicted_s, "left_s": self.left_s})
        self.end(record, "skipped")

    @property
    def completed(self) -> bool:
        """Whether some trial has ended on all its folds."""
        return any(record.ended == "complete" for record in self.records)

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
        proposals = list(plan.first[first : first + count])
        if len(proposals) < count:
            begin, more = max(0, first - len(plan.first)), count - len(proposals)
            seed = child(plan.seed, "search")
            proposals += plan.search.propose(plan.candidates, [*known, *pending], begin, more, seed)
        bars = plan.search.bars(known, plan.num_folds)
        return {
            "proposals": [vars(proposal) for proposal in proposals],
            "bars": [bar if np.isfinite(bar) else None for bar in bars],
        }

    def take_in(self, record: TrialRecord) -> bool:
        """Read what is on the disk of a trial; True when nothing of it is left to do."""
        if record.number in self.plan.skip or self.run.exists(skipped_file(record.number)):
            self.end(record, "skipped")
            return True
        failed = failed_file(record.number)
        if self.run.exists(failed):
            self.end(record, "failed", self.run.read_json(failed)["reason"])
            return True
        for fold in range(self.plan.num_folds):
            if not self.run.exists(fold_file(record.number, fold)):
                break
            self.note(record, FoldResult.from_json(self.run.read_json(fold_file(record.number, fold))))
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
            "left_s": self.left_s + self._late_s if self.completed else math.inf,
        }

    def note(self, record: TrialRecord, result: FoldResult) -> None:
        """Take in a finished fold; a fold told twice counts once."""
        if any(known.fold == result.fold for known in record.folds):
            return
        record.folds.append(result)
        self.costs.note(record.proposal.algorithm, result.fit_s + result.predict_s)
        self.tell(
            "fold",
            {
                "trial": record.number,
                "name": record.name,
                "fold": result.fold,
                "score": None if np.isnan(result.score) else result.score,
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
        if how == "skipped":
            return
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
                "elapsed_s": round(self.budget.elapsed_s, 3),
                "taken_up": taken_up,
            },
        )

    def finish(self) -> list[TrialRecord]:
        """Close the search and return the trials that count: all up to the last that ended.

        With a trial budget that is all of them. After a time budget, `search: {trials: NUMBER, skip: [...]}` with the
        number of trials that count and those that were skipped or cut replays exactly this search.
        """
        ended = [record.number for record in self.records if record.ended and record.ended != "skipped"]
        counted = self.records[: max(ended, default=-1) + 1]
        for record in self.records:
            record.ended = record.ended or "cut"
        return counted


def not_fitted(records: Sequence[TrialRecord]) -> list[int]:
    """Return the trials that were skipped or cut for want of time."""
    return [record.number for record in records if record.ended in ("skipped", "cut")]


def refit_s(fit_s_M: Sequence[float], num_folds: int, num_slots: int) -> float:
    """Predict the seconds of fitting members on all rows, some at once, from the mean seconds of their folds."""
    if not fit_s_M:
        return 0.0
    growth = num_folds / (num_folds - 1) if num_folds > 1 else 1.1  # all rows instead of those outside a fold
    if sum(fit_s_M) < FEW_S:
        return growth * sum(fit_s_M)
    return ACTORS_START_S + growth * max(max(fit_s_M), sum(fit_s_M) / num_slots)


def is_hopeless(gains: Sequence[float], bars: Sequence[float]) -> bool:
    """Whether the mean gain so far lies below the bar of this rung."""
    known = [gain for gain in gains if not np.isnan(gain)]
    return bool(known and np.mean(known) < bars[len(gains) - 1])


def mean_score(record: TrialRecord) -> float | None:
    """Return the mean score of the finished folds."""
    known = [fold.score for fold in record.folds if not np.isnan(fold.score)]
    return float(np.mean(known)) if known else None
