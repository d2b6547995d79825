"""What a search tries first: the settings that the file gives, each once, and then what it would have tried anyway."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.engines.folds import Folds
from assay.engines.generations import Generations, Plan, proposals_of
from assay.errors import SpecFault
from assay.proposals import Candidate, Proposal
from assay.spec import Located, PartSpec
from assay.spec.spaces import LogUniform
from assay.store.runs import Storage
from assay.vocabulary import Shelf
from assay.workflows.checking import checked
from assay.workflows.warm_start import settings_of, tried_first

RIDGE = Candidate("ridge", {}, {"alpha": LogUniform(1e-3, 1e3)}, ({"alpha": 1.0}, {"alpha": 10.0}), 0.1)
TREE = Candidate("decision_tree", {}, {}, ({},), 0.2)


def proposed(given: list[PartSpec], tmp_path: Any, num_trials: int = 4) -> list[Proposal]:
    """Return the first generation of a search."""
    first, candidates = tried_first(given, (RIDGE, TREE))
    plan = Plan(
        candidates, {}, catalog.make(Shelf.SEARCHES, "auto"), catalog.make(Shelf.METRICS, "r2"),
        Folds(catalog.make(Shelf.SPLITS, "shuffled"), np.arange(30)[None] % 3, 3), num_trials, num_trials,
        threads=1, seed=0, first=first,
    )  # fmt: skip
    run = Storage(tmp_path).new_run("first")
    Generations(plan, run, lambda *_: None).take()
    return proposals_of(run)


def test_given_settings_come_first_and_once(tmp_path: Any) -> None:
    given = [PartSpec(name="ridge", params={"alpha": 3.0}), PartSpec(name="ridge", params={"alpha": 10.0})]
    found = [(one.algorithm, one.params) for one in proposed(given, tmp_path)]
    assert found[:2] == [("ridge", {"alpha": 3.0}), ("ridge", {"alpha": 10.0})]
    assert found[2:] == [("ridge", {"alpha": 1.0}), ("decision_tree", {})]


def test_without_any_nothing_changes(tmp_path: Any) -> None:
    assert proposed([], tmp_path)[0] == Proposal("ridge", {"alpha": 1.0}, stoppable=False)


def test_an_algorithm_that_the_search_may_not_try_is_a_fault() -> None:
    with pytest.raises(SpecFault, match=r"search.first\[0\]: 'svm' is none of the algorithms"):
        tried_first([PartSpec(name="svm")], (RIDGE, TREE))


def test_a_wrong_setting_is_a_fault_of_the_file_with_its_place() -> None:
    settings = {
        "experiment": "x", "data": {"train": "x.csv", "label": "y"},
        "search": {"first": [{"name": "ridge", "params": {"alpha": -1}}]},
    }  # fmt: skip
    with pytest.raises(SpecFault, match=r"search\.first\[0\]\.params\.alpha|search\.first\.0\.params\.alpha"):
        checked(Located("file", settings))


def row(name: str, kind: str = "trial", members: tuple[str, ...] = (), **params: float) -> dict[str, Any]:
    return {"name": name, "kind": kind, "members": list(members), "params": params if kind == "trial" else None}


def test_the_settings_of_a_run_are_those_of_its_members_and_then_its_best() -> None:
    board = [
        row("vote", "ensemble", ("svm-03", "ridge-01")), row("ridge-00", alpha=1), row("ridge-01", alpha=2),
        row("svm-02", c=1), row("svm-03", c=2), row("knn-04", k=5), row("ridge-05", alpha=1),
    ]  # fmt: skip
    found = settings_of({"winner": "vote", "leaderboard": board}, ["ridge", "svm"], most=3)
    assert [(one.name, one.params) for one in found] == [
        ("ridge", {"alpha": 2}),
        ("svm", {"c": 2}),
        ("ridge", {"alpha": 1}),
    ]
