"""Try ensembles on what a run has stored: no member is fitted again, and Ray is not started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from assay import catalog
from assay.engines.folds import Folds
from assay.engines.generations import TrialRecord, fold_file, proposals_of
from assay.engines.local_fleet import LocalFleet
from assay.engines.trial import FoldResult
from assay.errors import Fault, SpecFault, raise_all
from assay.evaluation.diversity import diversity
from assay.evaluation.leaderboard import ranked
from assay.parts import Ensemble, Json, Split
from assay.profile import Profile
from assay.proposals import Proposal
from assay.seeds import child
from assay.spec import Experiment, Located, PartSpec, Strict, read_yaml
from assay.spec.reading import schema_faults
from assay.store.runs import Run
from assay.vocabulary import Shelf, Task
from assay.workflows import choices
from assay.workflows.checking import part_faults
from assay.workflows.combine import Scored, baseline_entry, ensemble_entries, one_thread, trial_entries
from assay.workflows.evidence import FILE, Judging, evidence_of
from assay.workflows.run import read_spec

WORD = "ensembles"


class Trying(Strict):
    """A file of ensembles to try: what stands under `ensembles:` in an experiment file."""

    ensembles: list[PartSpec] = Field(min_length=1, description="ways to combine the members of a run")


def try_ensembles(run: Run, asked: str | Path | Sequence[Any]) -> Json:
    """Score ensembles, judged as a run judges them, and rank them with the members that the run gave to its own.

    `asked` is a YAML file, or the list itself. Learned once without each fold and scored on it, with the seeds of the
    run: an ensemble that the run judged gets the same score.

    Raises:
        SpecFault: every fault of the file with its line; the run keeps no evidence; an ensemble needs more than that.
        ArtifactFault: a file of the run is missing or broken.
    """
    tree = _tree(asked)
    experiment, task = _told(run)
    specs = _checked(tree, task)
    with one_thread():
        return _tried(run, experiment, task, specs)


def _tried(run: Run, experiment: Experiment, task: Task, specs: Sequence[PartSpec]) -> Json:
    judging, records = _kept(run, experiment, task)
    given = evidence_of(records, run, judging)
    scored, told = Scored(judging, given.y_N), []
    rows = trial_entries({record.name: record for record in records}, given, scored)
    driver = LocalFleet(experiment.compute.threads_per_fit)
    joined, _ = ensemble_entries(specs, given, rows, judging, scored, driver, lambda _, data: told.append(data))
    entries = scored.with_gaps(ranked([*rows, *joined, baseline_entry(judging, scored)], judging.metric))
    return {
        "run": run.id,
        "task": task.value,
        "metric": choices.metric_key(experiment, task),
        "greater_is_better": judging.metric.greater_is_better,
        "leaderboard": [entry.to_json() for entry in entries],
        "diversity": diversity(given.names, given.prediction_MNK, given.y_N).to_json(),
        "failed": {data["name"]: data["failed"] for data in told if "failed" in data},
    }


def _tree(asked: str | Path | Sequence[Any]) -> Located:
    """Return a file or a list as a mapping with the one key `ensembles`; a bare list keeps its lines."""
    tree = read_yaml(asked) if isinstance(asked, str | Path) else Located("ensembles to try", list(asked))
    if not isinstance(tree.plain, list):
        return tree
    position = {(WORD, *path): where for path, where in tree.position.items()}
    return Located(tree.name, {WORD: tree.plain}, position)


def _checked(tree: Located, task: Task) -> list[PartSpec]:
    """Return the ensembles, or raise all faults at once."""
    if not isinstance(tree.plain, dict):
        raise SpecFault.at(
            tree.name, "holds no list of ensembles", "write `- vote` and `- stack` on lines of their own"
        )
    faults: list[Fault] = []
    try:
        specs = Trying.model_validate(tree.plain).ensembles
    except ValidationError as error:
        specs, faults = [], schema_faults(error, tree, (), Trying)
    told = {fault.place for fault in faults}
    faults += [fault for fault in part_faults(tree) if fault.place not in told]
    raise_all(SpecFault, faults)
    raise_all(SpecFault, [fault for place, spec in enumerate(specs) for fault in _unfit(spec, task, tree, place)])
    return specs


def _unfit(spec: PartSpec, task: Task, tree: Located, place: int) -> list[Fault]:
    """Return why an ensemble cannot be tried on the evidence of this run."""
    part: Ensemble = catalog.make(Shelf.ENSEMBLES, spec.name, spec.params)
    where, needs_a_run = tree.place((WORD, place)), "name it under `ensembles` in an experiment file and run that"
    if task not in part.tasks:
        return [Fault(where, f"'{spec.name}' is not for the task {task}", "see `assay parts ensembles`")]
    if part.grows:
        return [Fault(where, f"'{spec.name}' fits new members, so it needs a run", needs_a_run)]
    if part.reads:
        return [Fault(where, f"'{spec.name}' reads the original columns, so it needs a run", needs_a_run)]
    return []


def _told(run: Run) -> tuple[Experiment, Task]:
    """Return what was asked and the task.

    Raises:
        SpecFault: the run has not ended its search, or was made by a version that kept no evidence.
    """
    if not run.exists(FILE):
        ended = run.exists("result.json")
        raise SpecFault.at(
            f"run '{run.id}'",
            "is of an older version, which kept no labels and folds" if ended else "has not ended its search",
            "run its experiment anew" if ended else f"assay resume {run.id}",
        )
    return read_spec(run), Profile.from_json(run.read_json("profile.json")).label.task


def _kept(run: Run, experiment: Experiment, task: Task) -> tuple[Judging, list[TrialRecord]]:
    """Return what everything is judged on, and the trials that the run gave to its ensembles."""
    arrays = run.read_arrays(FILE)
    label = Profile.from_json(run.read_json("profile.json")).label
    split: Split = catalog.make(Shelf.SPLITS, choices.split_key(experiment, task.is_classification))
    per_repeat = experiment.split.folds
    assert isinstance(per_repeat, int), "a run writes down what it settled"
    judging = Judging(
        arrays["y"],
        Folds(split, arrays["fold"], per_repeat),
        len(label.classes),
        task,
        choices.metric_for(experiment, task),
        child(experiment.seed, "run"),
        naive_NK=arrays.get("naive"),
    )
    proposals = proposals_of(run)
    return judging, [_record(run, int(trial), proposals, judging.folds.num) for trial in arrays["trials"]]


def _record(run: Run, trial: int, proposals: Sequence[Proposal], num_folds: int) -> TrialRecord:
    folds = [FoldResult.from_json(run.read_json(fold_file(trial, fold))) for fold in range(num_folds)]
    return TrialRecord(trial, proposals[trial], folds, "complete")
