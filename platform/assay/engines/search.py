"""The search on Ray Tune: generations with a lag, folds as rungs, truth on the disk.

A proposal of generation g knows the outcomes of generations up to g - 2 and nothing of arrival order; so g - 1 ends
while g runs, no CPU waits at a barrier, and the proposals are the same on 1 CPU and on many. Tune's own state is a
cache that loses finished work when it is killed: a fold is finished when its two files are in the run's folder, and a
trial that starts again takes up what is there.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from assay.engines.trial import FIT_ERRORS, FoldResult, algorithm_of, fit_fold
from assay.errors import ClusterFault
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


class Generations:
    """Which trial comes next, and what it may know: the state of the search, free of Ray."""

    def __init__(self, plan: Plan, run: Run, tell: Tell) -> None:
        self.plan, self.run, self.tell = plan, run, tell
        self.records: list[TrialRecord] = []
        self.bars: dict[int, list[float]] = {}
        self.next = 0  # first trial not yet handed out
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
        while self.next < self.plan.num_trials and not self.out_of_time:
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
        return self.next >= self.plan.num_trials or self.out_of_time

    def _propose(self, generation: int) -> bool:
        """Make sure that a generation is proposed; False while one that it depends on has not ended."""
        size, first = self.plan.generation, generation * self.plan.generation
        if len(self.records) > first:
            return True
        known_until = max(0, (generation - 1) * size)
        if any(not record.ended for record in self.records[:known_until]):
            return False
        file = f"trials/generation-{generation:04d}.json"
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
        failed = f"trials/{record.number:04d}/failed.json"
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


def run_trial(
    config: Json, plan: Plan, folder: str, batches: Mapping[str, Any], report: Callable[[Json], None]
) -> None:
    """Fit fold after fold, write each result whole, report it, and stop when the mean falls below the bar.

    Runs in a Tune actor. `batches` hold references; only the one that the algorithm reads is fetched.
    """
    import ray

    run, number, key = Run(Path(folder)), config["number"], config["algorithm"]
    batch = ray.get(batches[plan.recipe_of[key]])
    algorithm = algorithm_of(key, config["params"])
    gains: list[float] = []
    for fold in range(plan.num_folds):
        if run.exists(fold_file(number, fold)):
            result = FoldResult(**run.read_json(fold_file(number, fold)))
        else:
            seed = child(plan.seed, "trial", number, fold)
            train_N, held_N = plan.split.train_rows(plan.fold_N, fold), plan.fold_N == fold
            try:
                result, prediction_nK = fit_fold(
                    algorithm, batch, train_N, held_N, fold, seed, plan.threads, plan.metric
                )
            except FIT_ERRORS as error:
                reason = f"{type(error).__name__}: {str(error)[:500]}"
                run.write_json(f"trials/{number:04d}/failed.json", {"fold": fold, "reason": reason})
                report({"fold": fold, "failed": True})
                return
            run.write_arrays(Run.fold_name(number, fold), {"prediction": prediction_nK})
            run.write_json(fold_file(number, fold), result.to_json())
        gains.append(result.gain)
        report({"fold": fold, "failed": False})
        if is_hopeless(gains, config["bars"]):
            return


def search(
    plan: Plan, run: Run, batches: Mapping[str, Any], tell: Tell, max_concurrent: int | None = None
) -> list[TrialRecord]:
    """Run the search to its end and return the trials that count, in order.

    `max_concurrent` changes the speed alone: on a Ray of fixed size, queueing no more trials than it can run saves
    4 of 10 s for 100 short fits; a cluster that scales by itself must see the queue, so it gets None.

    Raises:
        ClusterFault: every trial failed, or Ray did.
    """
    generations = Generations(plan, run, tell)
    first = generations.take()
    if first is not None:
        _tune(generations, first, batches, max_concurrent)
    counted = generations.finish()
    if not any(record.ended == "complete" for record in counted):
        reasons = sorted({record.reason for record in counted if record.ended == "failed"})
        raise ClusterFault.at(
            "search",
            f"no trial of {len(counted)} was completed ({'; '.join(reasons)[:500] or 'out of time'})",
            "give more time, more trials, or other algorithms, then `assay resume " + run.id + "`",
        )
    return counted


def _tune(generations: Generations, first: TrialRecord, batches: Mapping[str, Any], max_concurrent: int | None) -> None:
    import ray
    from ray import tune

    plan = generations.plan
    plan_ref = ray.put(replace(plan, candidates=()))
    folder = str(generations.run.folder)

    def trial(config: Json, plan_holder: list[Any], batch_refs: Mapping[str, Any]) -> None:
        import ray
        from ray import tune

        run_trial(config, ray.get(plan_holder[0]), folder, batch_refs, tune.report)

    cache = tempfile.mkdtemp(prefix="assay-tune-")
    left_s = None if plan.time_budget_s is None else max(0.1, plan.time_budget_s - generations.elapsed_s)
    try:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(trial, plan_holder=[plan_ref], batch_refs=dict(batches)), {"cpu": plan.threads}
            ),
            tune_config=tune.TuneConfig(
                search_alg=_searcher(generations, first),
                num_samples=plan.num_trials,
                reuse_actors=True,
                max_concurrent_trials=max_concurrent,
                time_budget_s=left_s,
            ),
            run_config=tune.RunConfig(
                storage_path=cache, name="search", verbose=0, failure_config=tune.FailureConfig(max_failures=2)
            ),
        )
        tuner.fit()
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _searcher(generations: Generations, first: TrialRecord) -> Any:
    """Return the search as Tune sees it; defined here because its base class imports Ray Tune."""
    from ray.tune.search import Searcher

    class Lagged(Searcher):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.waiting: list[TrialRecord] = [first]
            self.running: dict[str, TrialRecord] = {}

        def suggest(self, trial_id: str) -> Any:
            record = self.waiting.pop() if self.waiting else generations.take()
            if record is None:
                return Searcher.FINISHED if generations.done else None
            self.running[trial_id] = record
            return generations.config(record)

        def on_trial_result(self, trial_id: str, result: Json) -> None:
            self._take_in(trial_id, result)

        def on_trial_complete(self, trial_id: str, result: Json | None = None, error: bool = False) -> None:
            self._take_in(trial_id, result or {})
            record = self.running.pop(trial_id, None)
            if record is not None and error:
                generations.end(record, "failed", "its worker died three times")

        def _take_in(self, trial_id: str, result: Json) -> None:
            record = self.running.get(trial_id)
            if record is None:
                return
            if "fold" in result:
                generations.take_in(record)

        def __reduce__(self) -> Any:
            return object, ()  # Tune pickles its searcher into a cache that nobody reads

        def save(self, checkpoint_path: str) -> None:
            """Write nothing: the truth is in the run's folder."""

        def restore(self, checkpoint_path: str) -> None:
            """Read nothing."""

    return Lagged()
