"""What somebody does to the registry or the storage from outside: reported, and never a reason to stop."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assay.engines.admission import Admission
from assay.engines.serving import Server
from assay.errors import SpecFault
from assay.model import Model
from assay.store import artifact
from assay.store.registry import Registry
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
    with pytest.raises(SpecFault, match="has no champion any more"):
        production.releases()
    Registry(Tracking(None, storage.root)).promote("churn", 2)
    assert production.releases()[0].champion.version == "2"


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


def test_whatever_fails_outside_a_server_goes_on_and_says_so_once() -> None:
    server, heard, looks = Server.__new__(Server), list[str](), iter(range(5))

    def find() -> list[object]:
        if next(looks) in (1, 2):
            raise ValueError("could not convert string to float: '20%'")
        return []

    server.releases, server.admission = (), Admission(None, ())
    server.wait = lambda look, _: [look() for _ in range(5)]  # type: ignore[method-assign,assignment]
    server.follow(find, heard.append, 0.0)  # type: ignore[arg-type]
    assert heard == ["stays as it is: ValueError: could not convert string to float: '20%'", "follows again"]
