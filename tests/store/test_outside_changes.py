"""What somebody does to the registry or the storage from outside: reported, and never a reason to stop."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assay.engines.following import Problems
from assay.errors import SpecFault
from assay.model import Model
from assay.store import artifact, files
from assay.store.registry import CHAMPION_TAG, FORMER_TAG, Registry
from assay.store.releases import SHARE_TAG, Releases
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from assay.workflows import models
from assay.workflows.production import Production


@pytest.fixture
def storage(tmp_path: Path, model: Model) -> Storage:
    """A storage that holds `churn/1`, the champion, and `churn/2`."""
    found = Storage(tmp_path / "store")
    artifact.pack(tmp_path / "packed", model)
    registry = Registry(Tracking(None, found.root))
    for run in ("first", "second"):
        registry.register("churn", tmp_path / "packed", run_id=run, experiment="churn", tags={"assay.score": "0.9"})
    registry.promote("churn", 1)
    return found


def client(storage: Storage) -> object:
    return Tracking(None, storage.root).client()


def test_a_deleted_champion_is_reported_and_nobody_takes_its_place(storage: Storage) -> None:
    production = Production(storage, ["churn"])
    assert production.releases()[0].champion.version == "1"
    client(storage).delete_registered_model_alias("churn", "champion")  # type: ignore[attr-defined]
    assert production.releases()[0].champion.version == "1"
    assert "has no champion any more" in production.problems[0]
    Registry(Tracking(None, storage.root)).promote("churn", 2)
    assert production.releases()[0].champion.version == "2"
    assert production.problems == ()


def test_a_model_that_cannot_be_followed_does_not_hold_up_another(storage: Storage, tmp_path: Path) -> None:
    registry = Registry(Tracking(None, storage.root))
    for run in ("first", "second"):
        registry.register("price", tmp_path / "packed", run_id=run, experiment="price", tags={})
    registry.promote("price", 1)
    production = Production(storage, ["churn", "price"])
    client(storage).delete_registered_model_alias("churn", "champion")  # type: ignore[attr-defined]
    registry.promote("price", 2)
    assert [(one.name, one.champion.version) for one in production.releases()] == [("churn", "1"), ("price", "2")]


def test_a_promotion_succeeds_beside_a_broken_share_and_says_so(storage: Storage) -> None:
    releases = Releases(Registry(Tracking(None, storage.root)))
    releases.canary("churn", 2, 0.1)
    client(storage).set_registered_model_tag("churn", SHARE_TAG, "20%")  # type: ignore[attr-defined]
    found = models.promote(storage, "churn", 1)
    assert found["champion"] == 1
    assert SHARE_TAG in found["problem"]


def test_a_rollback_over_an_edited_history_is_refused(storage: Storage) -> None:
    releases = Releases(Registry(Tracking(None, storage.root)))
    releases.promote("churn", 2)
    client(storage).set_registered_model_tag("churn", FORMER_TAG, "v1")  # type: ignore[attr-defined]
    with pytest.raises(SpecFault, match=f"tag {FORMER_TAG}: holds 'v1'"):
        releases.rollback("churn")


@pytest.mark.parametrize("share", ["20%", "much", "-1", "nan", "1e9"])
def test_a_share_that_is_none_names_the_tag(storage: Storage, share: str) -> None:
    releases = Releases(Registry(Tracking(None, storage.root)))
    releases.canary("churn", 2, 0.1)
    client(storage).set_registered_model_tag("churn", SHARE_TAG, share)  # type: ignore[attr-defined]
    with pytest.raises(SpecFault, match=f"tag {SHARE_TAG}: is '{share}', expected a number from 0 to 1"):
        releases.find("churn")


def test_a_score_that_is_no_number_hides_no_version(storage: Storage) -> None:
    client(storage).set_model_version_tag("churn", "1", "assay.score", "0,91")  # type: ignore[attr-defined]
    assert [entry["score"] for entry in models.listed(storage)] == [None, 0.9]


def test_a_database_that_was_replaced_is_read_anew(storage: Storage, tmp_path: Path) -> None:
    production, file = Production(storage, ["churn"]), storage.root / "mlflow.db"
    assert production.releases()[0].champion.version == "1"
    shutil.copy(file, tmp_path / "restored.db")
    (tmp_path / "restored.db").replace(file)
    Registry(Tracking(None, storage.root)).promote("churn", 2)
    assert production.releases()[0].champion.version == "2"


def test_models_of_a_storage_that_was_moved_are_kept_where_it_is_now(storage: Storage, tmp_path: Path) -> None:
    moved = Storage(storage.root.rename(tmp_path / "moved"))
    registry = Registry(Tracking(None, moved.root))
    registry.register("churn", tmp_path / "packed", run_id="third", experiment="churn", tags={})
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "moved") in registry.artifact_path("churn", "3").parents


@pytest.mark.parametrize("name", ["a%20b", "st?x=1", "p#q"])
def test_a_storage_may_have_signs_of_uris_in_its_path(tmp_path: Path, name: str) -> None:
    tracking = Tracking(None, tmp_path / name)
    assert tracking.is_empty
    tracking.client()
    assert not tracking.is_empty
    assert (tmp_path / name / "mlflow.db").exists()


def test_every_problem_is_reported_once_whatever_its_class() -> None:
    heard: list[str] = []
    problems = Problems(heard.append)
    for _ in range(2):
        problems.report_error(ValueError("could not convert string to float: '20%'"))
    problems.report(["a", "b"])
    problems.report(["b"])
    problems.report([])
    assert heard == [
        "stays as it is: ValueError: could not convert string to float: '20%'",
        "stays as it is: a",
        "stays as it is: b",
        "follows again",
    ]


def test_a_server_that_starts_after_its_champion_was_deleted_takes_no_other(storage: Storage) -> None:
    client(storage).delete_registered_model_alias("churn", "champion")  # type: ignore[attr-defined]
    with pytest.raises(SpecFault, match=r"model 'churn': has no champion any more.*assay promote churn 1"):
        Production(storage, ["churn"])
    assert Production(storage, ["churn/2"]).releases()[0].champion.version == "2"


def test_a_storage_that_may_only_be_read_is_read(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    Tracking(None, storage.root).client()
    guard = storage.root / "mlflow.guard"
    guard.unlink(missing_ok=True)
    monkeypatch.setattr(files, "may_write", lambda _: False)
    assert Production(storage, ["churn"]).releases()[0].champion.version == "1"
    assert not guard.exists()


@pytest.mark.parametrize("deleted", ["alias", "version"])
def test_after_a_champion_was_deleted_no_challenger_stands_for_the_name(storage: Storage, deleted: str) -> None:
    mlflow = client(storage)
    if deleted == "alias":
        mlflow.delete_registered_model_alias("churn", "champion")  # type: ignore[attr-defined]
    else:
        mlflow.delete_model_version("churn", "1")  # type: ignore[attr-defined]
    number = "1" if deleted == "alias" else "VERSION"
    with pytest.raises(
        SpecFault, match=rf"any more \(churn/1 was\)\. Fix: `assay promote churn {number}`, or .* churn/2"
    ):
        models.resolve("churn", storage)


def test_a_challenger_alone_tells_that_there_was_a_champion(storage: Storage) -> None:
    mlflow = client(storage)
    Registry(Tracking(None, storage.root)).promote("churn", 2, "challenger")
    mlflow.delete_registered_model_tag("churn", CHAMPION_TAG)  # type: ignore[attr-defined]  # of a store from before
    mlflow.delete_model_version("churn", "1")  # type: ignore[attr-defined]
    with pytest.raises(SpecFault, match="has no champion any more"):
        Production(storage, ["churn"])


def test_a_rollback_brings_back_a_champion_that_is_still_there(storage: Storage, tmp_path: Path) -> None:
    registry, mlflow = Registry(Tracking(None, storage.root)), client(storage)
    registry.register("churn", tmp_path / "packed", run_id="third", experiment="churn")
    registry.promote("churn", 2)
    registry.promote("churn", 3)
    mlflow.delete_model_version("churn", "2")  # type: ignore[attr-defined]
    mlflow.delete_registered_model_alias("churn", "champion")  # type: ignore[attr-defined]
    assert registry.rollback("churn") == 1
    assert registry.version("churn").number == 1


def test_a_promotion_after_the_alias_was_deleted_can_be_rolled_back(storage: Storage) -> None:
    registry = Registry(Tracking(None, storage.root))
    client(storage).delete_registered_model_alias("churn", "champion")  # type: ignore[attr-defined]
    registry.promote("churn", 2)
    assert registry.rollback("churn") == 1
