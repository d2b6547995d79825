"""What is remembered of retrainings by their submission ids."""

from __future__ import annotations

from pathlib import Path

import pytest

import assay
from assay.errors import ArtifactFault, ClusterFault, SpecFault
from assay.store.retrainings import ASKED, OUTCOME, Retrainings
from assay.store.runs import Storage
from assay.workflows.retraining import watch


@pytest.fixture
def retrainings(tmp_path: Path) -> Retrainings:
    return Retrainings(Storage(tmp_path))


@pytest.mark.parametrize("id", ["a/b", "", "..", "x" * 129, "nightly 1"])
def test_an_id_that_could_lead_elsewhere_is_refused(id: str, retrainings: Retrainings) -> None:
    with pytest.raises(SpecFault, match="submission id"):
        retrainings.open(id, "clicks")


def test_without_an_id_every_retraining_is_one_of_its_own(retrainings: Retrainings) -> None:
    assert retrainings.open(None, "clicks").id != retrainings.open(None, "clicks").id


def test_what_cannot_be_asked_for_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SpecFault, match="'nope': is not registered"):
        assay.retrain("nope", storage=tmp_path, submission="nightly")
    assert not (tmp_path / "retrainings/nightly").exists()


def test_an_id_is_of_one_model(retrainings: Retrainings, tmp_path: Path) -> None:
    with (record := retrainings.open("nightly", "clicks")).lock():
        record.write(ASKED, {"model": "clicks", "champion": 1, "at": "2026"})
    with pytest.raises(SpecFault, match="is a retraining of 'clicks'"):
        assay.retrain("churn", storage=tmp_path, submission="nightly")


def test_two_processes_do_not_retrain_under_one_id(retrainings: Retrainings, tmp_path: Path) -> None:
    with retrainings.open("nightly", "clicks").lock(), pytest.raises(ClusterFault, match="is being written"):
        assay.retrain("clicks", storage=tmp_path, submission="nightly")


def test_those_of_a_model_come_in_the_order_in_which_they_were_asked_for(retrainings: Retrainings) -> None:
    for id, at, model in (("b", "1", "clicks"), ("a", "2", "clicks"), ("c", "0", "churn")):
        with (record := retrainings.open(id, model)).lock():
            record.write(ASKED, {"model": model, "at": at})
    assert [one.id for one in retrainings.of("clicks")] == ["b", "a"]


def test_a_torn_outcome_is_told_by_its_file(retrainings: Retrainings) -> None:
    with (record := retrainings.open("nightly", "clicks")).lock():
        (record.folder / OUTCOME).write_text("{")
    with pytest.raises(ArtifactFault, match=r"outcome\.json: is broken"):
        record.read(OUTCOME)


def test_a_time_between_looks_that_is_none_is_told_by_its_own_option() -> None:
    with pytest.raises(SpecFault, match="--every: 'soon' is no time"):
        watch.parse_every("soon")
