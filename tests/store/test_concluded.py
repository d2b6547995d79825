"""How a retraining ends in the registry: once, and only if nobody else decided meanwhile."""

from __future__ import annotations

import re

import pytest

from assay.store.artifact import Artifact
from assay.store.registry import CHALLENGER, Registry
from assay.store.releases import Releases
from assay.workflows.retraining.retrain import conclude


@pytest.fixture
def releases(registry: Registry) -> Releases:
    return Releases(registry)


@pytest.fixture
def name(request: pytest.FixtureRequest, releases: Releases, packed: Artifact) -> str:
    """A name with three versions: the first is champion, the second has won against it."""
    name = re.sub(r"\W", "-", request.node.name)
    for number in range(1, 4):
        releases.registry.register(name, packed.folder, run_id=f"{name}-{number}", experiment="concluded")
    releases.promote(name, 1)
    releases.registry.promote(name, 2, CHALLENGER)
    return name


def aliases(releases: Releases, name: str) -> dict[str, int]:
    return {alias: one.number for one in releases.registry.versions(name) for alias in one.aliases}


def test_a_challenger_that_won_is_champion_and_no_challenger(releases: Releases, name: str) -> None:
    assert conclude(releases, name, 1, 2) == ""
    assert aliases(releases, name) == {"champion": 2}
    assert releases.rollback(name) == 1


def test_a_second_time_changes_nothing(releases: Releases, name: str) -> None:
    conclude(releases, name, 1, 2)
    assert conclude(releases, name, 1, 2) == ""
    assert releases.rollback(name) == 1


def test_a_champion_that_changed_meanwhile_stays(releases: Releases, name: str) -> None:
    releases.promote(name, 3)
    assert conclude(releases, name, 1, 2) == "the champion is 3 now, judged was against 1; retrain again"
    assert aliases(releases, name) == {"champion": 3, CHALLENGER: 2}


def test_what_a_person_rolled_back_is_not_promoted_again(releases: Releases, name: str) -> None:
    conclude(releases, name, 1, 2)
    releases.rollback(name)
    assert "is no challenger any more" in conclude(releases, name, 1, 2)
    assert aliases(releases, name) == {"champion": 1}


def test_a_challenger_whose_place_another_took_stays_out(releases: Releases, name: str) -> None:
    releases.registry.promote(name, 3, CHALLENGER)
    assert "another took its place" in conclude(releases, name, 1, 2)
