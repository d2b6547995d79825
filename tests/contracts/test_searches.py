"""Promises of every search on the shelf; a new file is held to them without a word here."""

from __future__ import annotations

import copy
import json
import math
import random
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.errors import SpecFault
from assay.parts import Json, Search
from assay.profile import LabelProfile, Profile
from assay.proposals import Candidate, Outcome, Proposal
from assay.spec import PartSpec
from assay.spec.spaces import Choice, Integer, LogUniform, Uniform
from assay.vocabulary import Shelf, Task
from assay.workflows.choices import candidates_for

NUM_FOLDS = 3
KEYS = catalog.keys(Shelf.SEARCHES)
every_search = pytest.mark.parametrize("key", KEYS)
SPACE = {
    "depth": Integer(1, 12),
    "leaves": Integer(2, 512, log=True),
    "rate": LogUniform(1e-4, 1.0),
    "share": Uniform(0.1, 0.9),
    "growth": Choice(("leaf", "level", None)),
}
CANDIDATES = (
    Candidate("slow", {"bagging": True}, SPACE, ({}, {"depth": 3, "rate": 0.5}), 9.0),
    Candidate("quick", {}, {"rate": LogUniform(0.01, 10.0)}, ({"rate": 1.0},), 0.1),
    Candidate("plain", {"alpha": 2.0}, {}, ({},), 1.0),
)

PROFILE = Profile((), LabelProfile("y", Task.BINARY, ("no", "yes"), (500, 500)), 1_000)


def made(key: str) -> Search:
    return catalog.make(Shelf.SEARCHES, key)


def outcomes(count: int) -> list[Outcome]:
    """Return what became of trials: complete, stopped, failed, and with settings that no search would draw."""
    draw = np.random.default_rng(4)
    kinds: list[tuple[Json, int]] = [({"rate": 0.5}, 3), ({"rate": 0.02}, 1), ({"rate": 3.0}, 0), ({"rate": 99.0}, 3)]
    return [
        Outcome(Proposal("quick", kinds[n % 4][0]), tuple(draw.random(kinds[n % 4][1]).tolist()), n % 4 in (0, 3))
        for n in range(count)
    ]


def proposed(key: str, known: int = 12, first: int = 12, count: int = 5, seed: int = 3) -> list[Json]:
    found = made(key).propose(CANDIDATES, outcomes(known), first, count, seed)
    return [vars(proposal) for proposal in found]


@cache
def other_process() -> dict[str, Any]:
    script = f"""
import json, runpy
contract = runpy.run_path({str(__file__)!r})
print(json.dumps({{key: contract["proposed"](key) for key in contract["KEYS"]}}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))


@every_search
def test_the_same_arguments_propose_the_same_in_another_process(key: str) -> None:
    assert proposed(key) == other_process()[key]


@every_search
def test_proposals_depend_on_the_arguments_and_on_no_other_chance(key: str) -> None:
    search, expected = made(key), proposed(key)
    search.propose(CANDIDATES, outcomes(3), 3, 2, seed=8)  # what it was asked before leaves no trace
    random.seed(1)
    np.random.seed(1)
    assert [vars(proposal) for proposal in search.propose(CANDIDATES, outcomes(12), 12, 5, seed=3)] == expected


@every_search
def test_proposing_leaves_its_arguments_as_they_were(key: str) -> None:
    candidates, known = copy.deepcopy(CANDIDATES), outcomes(9)
    made(key).propose(candidates, known, 9, 4, seed=0)
    assert (candidates, known) == (CANDIDATES, outcomes(9))


@every_search
@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 7), (2, 4), (4, 1), (100, 9)])
def test_a_generation_has_the_size_that_was_asked_for(key: str, first: int, count: int) -> None:
    assert len(proposed(key, known=first, first=first, count=count)) == count


@every_search
def test_drawn_settings_lie_within_the_space_and_keep_what_is_fixed(key: str) -> None:
    for proposal in proposed(key, first=50, count=40):
        candidate = next(entry for entry in CANDIDATES if entry.key == proposal["algorithm"])
        assert candidate.fixed.items() <= proposal["params"].items()
        for name, form in candidate.space.items():
            value = proposal["params"][name]
            assert value in form.values if isinstance(form, Choice) else form.low <= value <= form.high


@every_search
def test_every_candidate_of_the_house_gets_valid_settings(key: str) -> None:
    for name in catalog.keys(Shelf.ALGORITHMS):
        candidates = candidates_for([PartSpec(name=name)], PROFILE)
        for proposal in made(key).propose(candidates, [], 0, 6, seed=1):
            catalog.make(Shelf.ALGORITHMS, proposal.algorithm, proposal.params)


@every_search
def test_all_candidates_get_their_turn(key: str) -> None:
    assert {proposal["algorithm"] for proposal in proposed(key, known=0, first=0, count=30)} == {
        candidate.key for candidate in CANDIDATES
    }


@every_search
def test_there_is_a_bar_for_every_fold(key: str) -> None:
    for known in ([], outcomes(1), outcomes(20)):
        bars = made(key).bars(known, NUM_FOLDS)
        assert len(bars) == NUM_FOLDS
        assert not any(math.isnan(bar) for bar in bars)


@every_search
def test_nothing_is_stopped_before_anything_is_known(key: str) -> None:
    assert made(key).bars([], NUM_FOLDS) == [-math.inf] * NUM_FOLDS


@every_search
def test_an_unknown_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.trails: unknown setting 'trails'"):
        catalog.make(Shelf.SEARCHES, key, {"trails": 3})


def test_auto_tries_each_family_once_before_any_twice_and_the_cheapest_first() -> None:
    first = [proposal["algorithm"] for proposal in proposed("auto", known=0, first=0, count=4)]
    assert first == ["quick", "plain", "slow", "slow"]


def test_auto_never_stops_the_first_setting_of_a_family() -> None:
    found = made("auto").propose(CANDIDATES, [], 0, 4, seed=0)
    assert [proposal.stoppable for proposal in found] == [False, False, False, True]


def test_auto_draws_more_where_it_was_told_that_gains_are_higher() -> None:
    told = [
        Outcome(Proposal("quick", {"rate": rate}), (rate,) * NUM_FOLDS, True) for rate in np.geomspace(0.01, 10, 30)
    ]
    found = made("auto").propose(CANDIDATES[1:2], told, 30, 20, seed=0)
    assert np.median([proposal.params["rate"] for proposal in found]) > 1.0
