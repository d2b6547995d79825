"""The search on Ray Tune: it schedules trials, reuses their processes, and is told what comes next.

Tune's own state is a cache that loses finished work when it is killed: nothing of it is kept or read (decision 1).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from assay import catalog
from assay.batch import Batch
from assay.engines.budget import Budget
from assay.engines.fit_torch import Place, trial_resources
from assay.engines.generations import Generations, Plan, Tell, TrialRecord, failed_file, fold_file, is_hopeless
from assay.engines.kept import keep_model
from assay.engines.trial import FIT_ERRORS, Bench, FoldResult, algorithm_of, fit_fold
from assay.errors import ClusterFault, Fault
from assay.parts import Algorithm, Json
from assay.seeds import child
from assay.store.runs import Run
from assay.training.network import Network
from assay.vocabulary import Shelf


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
    algorithm.warm()
    gains: list[float] = []
    started = time.monotonic()
    for fold in range(plan.num_folds):
        if run.exists(fold_file(number, fold)):
            result = FoldResult.from_json(run.read_json(fold_file(number, fold)))
        else:
            try:
                bench = Bench(plan.training, Place(folder, f"trials/{number:04d}", fold), _epochs(report, fold))
                result = _fit_and_write(algorithm, batch, fold, number, plan, run, bench)
            except FIT_ERRORS as error:
                reason = f"{type(error).__name__}: {str(error)[:500]}"
                run.write_json(failed_file(number), {"fold": fold, "reason": reason})
                report({"fold": fold})
                return
            except ClusterFault as fault:
                report({"fold": fold, "fault": astuple(fault.faults[0])})
                return
        gains.append(result.gain)
        needed_s = (time.monotonic() - started) * plan.num_folds / len(gains)
        if len(gains) < plan.num_folds and needed_s > config["left_s"]:
            report({"fold": fold, "needed_s": needed_s})
            return
        report({"fold": fold})
        if is_hopeless(gains, config["bars"]):
            return


def _epochs(report: Callable[[Json], None], fold: int) -> Callable[[Mapping[str, float]], None]:
    return lambda metrics: report({"epoch": dict(metrics), "of_fold": fold})


def _fit_and_write(
    algorithm: Algorithm, batch: Batch, fold: int, number: int, plan: Plan, run: Run, bench: Bench
) -> FoldResult:
    """Fit and judge one fold; its predictions are written first, then the JSON that says it is finished."""
    seed = child(plan.seed, "trial", number, fold)
    train_N, held_N = plan.folds.learning_N(fold), plan.folds.held_N(fold)
    result, prediction_nK, fitted = fit_fold(
        algorithm, batch, train_N, held_N, fold, seed, plan.threads, plan.metric, bench
    )
    if plan.keeps_models:
        keep_model(run, number, fold, fitted)
    run.write_arrays(Run.fold_name(number, fold), {"prediction": prediction_nK})
    run.write_json(fold_file(number, fold), result.to_json())
    bench.place.forget()
    return result


def search(
    plan: Plan,
    run: Run,
    batches: Mapping[str, Any],
    tell: Tell,
    budget: Budget | None = None,
    max_concurrent: int | None = None,
) -> list[TrialRecord]:
    """Run the search to its end and return the trials that count, in order.

    `max_concurrent` changes the speed alone: on a Ray of fixed size, queueing no more trials than it can run saves
    4 of 10 s for 100 short fits; a cluster that scales by itself must see the queue, so it gets None.

    Raises:
        ClusterFault: every trial failed, or Ray did.
    """
    generations = Generations(plan, run, tell, budget)
    first = generations.take()
    if first is not None:
        _tune(generations, first, batches, max_concurrent)
    counted = generations.finish()
    if not any(record.ended == "complete" for record in counted):
        reasons = sorted({record.reason for record in counted if record.ended == "failed"})
        raise ClusterFault.at(
            "search",
            f"no trial of {len(counted)} was completed ({'; '.join(reasons)[:500] or 'out of time'})",
            ("settle what they name, or take other algorithms" if reasons else "give more time")
            + f", then `assay resume {run.id}`",
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

    def resources(config: Json) -> Any:
        needed = trial_resources(plan.training, plan.threads) if is_network(config["algorithm"]) else {}
        return tune.PlacementGroupFactory([needed or {"CPU": plan.threads}])

    cache = tempfile.mkdtemp(prefix="assay-tune-")
    try:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(trial, plan_holder=[plan_ref], batch_refs=dict(batches)), resources
            ),
            tune_config=tune.TuneConfig(
                search_alg=_searcher(generations, first),
                num_samples=plan.num_trials,
                reuse_actors=True,
                max_concurrent_trials=max_concurrent,
            ),
            run_config=tune.RunConfig(
                storage_path=cache,
                name="search",
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=2),
                stop=_stopper(generations),
            ),
        )
        tuner.fit()
        if generations.fault is not None:
            raise generations.fault
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def is_network(key: str) -> bool:
    """Whether an algorithm is a network that several workers can train."""
    return issubclass(catalog.find(Shelf.ALGORITHMS, key), Network)


def _stopper(generations: Generations) -> Any:
    """Return what Tune asks whether trials that still run must be cut; its own time budget cannot move."""
    from ray.tune.stopper import Stopper

    class Overdue(Stopper):  # type: ignore[misc]
        def __call__(self, trial_id: str, result: Json) -> bool:
            return False

        def stop_all(self) -> bool:
            return generations.overdue

        def __reduce__(self) -> Any:
            return object, ()

    return Overdue()


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
            if result.get("fault"):
                generations.fault = ClusterFault(Fault(*result["fault"]))
            elif "epoch" in result:
                told = {"trial": record.number, "name": record.name, "fold": result["of_fold"]}
                generations.tell("epoch", {**told, **result["epoch"]})
            elif "fold" in result:
                generations.take_in(record)
                if "needed_s" in result and not record.ended:
                    generations.skip(record, result["needed_s"])

        def __reduce__(self) -> Any:
            return object, ()  # Tune pickles its searcher into a cache that nobody reads

        def save(self, checkpoint_path: str) -> None:
            """Write nothing: the truth is in the run's folder."""

        def restore(self, checkpoint_path: str) -> None:
            """Read nothing."""

    return Lagged()
