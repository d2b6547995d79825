from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from assay.errors import ArtifactFault, SpecFault
from assay.model import Model
from assay.store import artifact
from assay.store.registry import Registry
from assay.store.tracking import Tracking

PREDICT = """
import sys
import mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
rows = pandas.read_parquet(sys.argv[3])
mlflow.pyfunc.load_model(sys.argv[2]).predict(rows).to_parquet(sys.argv[4])
"""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, fit: Callable[[int], Model]) -> list[Path]:
    """Three packed models."""
    home = tmp_path_factory.mktemp("packed")
    return [artifact.pack(home / str(num_trees), fit(num_trees)).folder for num_trees in (1, 2, 3)]


@pytest.fixture
def name(request: pytest.FixtureRequest, registry: Registry, folders: list[Path]) -> str:
    """A name with three versions, registered for this test alone."""
    name = re.sub(r"\W", "-", request.node.name)
    for index, folder in enumerate(folders, 1):
        assert registry.register(name, folder, run_id=f"{name}-{index}", experiment="registry") == index
    return name


def test_a_version_remembers_its_run_and_its_model(registry: Registry, name: str, folders: list[Path]) -> None:
    second = registry.versions(name)[1]
    assert (second.number, second.run, second.digest) == (2, f"{name}-2", artifact.digest(folders[1]))


def test_registering_the_same_model_of_the_same_run_gives_the_same_version(
    registry: Registry, name: str, folders: list[Path]
) -> None:
    assert registry.register(name, folders[1], run_id=f"{name}-2", experiment="registry") == 2
    assert len(registry.versions(name)) == 3


def test_registering_and_resolving_print_nothing(
    registry: Registry, folders: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    registry.register("quiet", folders[0], run_id="q-1", experiment="registry")
    registry.resolve("quiet")
    assert capfd.readouterr() == ("", "")


def test_a_changed_model_is_not_registered(registry: Registry, folders: list[Path], tmp_path: Path) -> None:
    shutil.copytree(folders[0], tmp_path / "model")
    (tmp_path / "model/new").touch()
    with pytest.raises(ArtifactFault, match="new: is not in the manifest"):
        registry.register("changed", tmp_path / "model", run_id="x-1", experiment="registry")
    assert registry.versions("changed") == []


def test_a_name_alone_means_the_latest_until_there_is_a_champion(registry: Registry, name: str) -> None:
    assert registry.resolve(name).version == 3
    registry.promote(name, 1)
    assert registry.resolve(name).version == 1


def test_a_reference_may_say_alias_or_version(registry: Registry, name: str) -> None:
    registry.promote(name, 1, "challenger")
    found = [registry.resolve(f"{name}{tail}").version for tail in ("@challenger", "/2")]
    assert found == [1, 2]


def test_a_resolved_model_is_the_registered_one(registry: Registry, name: str, folders: list[Path]) -> None:
    found = registry.resolve(f"{name}/2").folder
    assert artifact.load(found).card == {"num_trees": 2}


def test_a_folder_is_a_reference_too_and_needs_no_database(folders: list[Path], tmp_path: Path) -> None:
    registry = Registry(Tracking(None, tmp_path))
    assert (registry.resolve(str(folders[0])).folder, list(tmp_path.iterdir())) == (folders[0], [])


def test_an_unknown_name_is_refused_with_the_nearest(registry: Registry, name: str) -> None:
    with pytest.raises(SpecFault, match=f"is not registered.*did you mean '{name}'.*`assay models`"):
        registry.resolve(name + "x")


@pytest.mark.parametrize("tail", ["@champoin", "/9"])
def test_an_unknown_version_is_refused(registry: Registry, name: str, tail: str) -> None:
    registry.promote(name, 1)
    with pytest.raises(SpecFault, match=f"has no version or alias '{tail[1:]}'"):
        registry.resolve(name + tail)


@pytest.mark.parametrize("reference", ["./nothing/here", "a'b", "", "..", "a/b/c"])
def test_what_cannot_be_a_reference_is_refused(registry: Registry, reference: str) -> None:
    with pytest.raises(SpecFault):
        registry.resolve(reference)


def test_rollback_goes_back_through_the_former_champions(registry: Registry, name: str) -> None:
    for version in (1, 2, 3):
        registry.promote(name, version)
    assert [registry.rollback(name), registry.rollback(name)] == [2, 1]
    assert str(registry.champion(name)) == f"{name}/1"


def test_a_rollback_without_a_former_champion_is_refused(registry: Registry, name: str) -> None:
    registry.promote(name, 2)
    with pytest.raises(SpecFault, match="no former champion"):
        registry.rollback(name)


def test_a_registered_model_that_was_exchanged_is_refused(registry: Registry, name: str, folders: list[Path]) -> None:
    kept = registry.artifact_path(name, "1")
    shutil.rmtree(kept)
    shutil.copytree(folders[1], kept)
    with pytest.raises(ArtifactFault, match=f"is not what was registered as {name}/1"):
        registry.resolve(f"{name}/1")


def test_models_are_found_after_the_storage_moved(registry: Registry, name: str, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(registry.tracking.root, moved)
    version = registry.version(name, "2")
    kept = registry.artifact_path(name, "2")
    aside = kept.parent.rename(tmp_path / "aside")
    try:
        found = Registry(Tracking(None, moved))._local(version)
    finally:
        aside.rename(kept.parent)
    assert found is not None
    assert found.is_relative_to(moved)
    assert artifact.digest(found) == version.digest


def test_mlflow_loads_the_champion_in_a_fresh_process(
    registry: Registry, name: str, fit: Callable[[int], Model], table: pa.Table, tmp_path: Path
) -> None:
    registry.promote(name, 2)
    rows = table.to_pandas()
    rows.to_parquet(tmp_path / "rows.parquet")
    arguments = [registry.tracking.uri, f"models:/{name}@champion", "rows.parquet", "answer.parquet"]
    subprocess.run([sys.executable, "-c", PREDICT, *arguments], cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.parquet", "rows.parquet"]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "answer.parquet"), fit(2).answer_table(table).to_pandas())
