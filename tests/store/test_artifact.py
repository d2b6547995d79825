from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import ArtifactFault
from assay.model import Model
from assay.store import artifact
from assay.store.artifact import MANIFEST, Artifact
from assay.store.verify import Prover


def edit(packed: Artifact, change: Callable[[dict[str, object]], object]) -> None:
    """Change the manifest on the disk."""
    path = packed.folder / MANIFEST
    plain = json.loads(path.read_bytes())
    change(plain)
    path.write_text(json.dumps(plain))


def test_a_loaded_model_predicts_what_the_packed_one_did(packed: Artifact, model: Model, table: pa.Table) -> None:
    assert (artifact.load(packed.folder).predict(table) == model.predict(table)).all()


def test_the_manifest_says_what_the_model_takes_and_gives(packed: Artifact) -> None:
    schema = artifact.open_artifact(packed.folder).manifest.schema_
    assert [(column.name, column.kind.value) for column in schema.columns] == [("age", "numeric"), ("plan", "category")]
    assert (schema.label, set(schema.classes)) == ("left", {"no", "yes"})


def test_the_digest_is_the_hash_of_the_manifest(packed: Artifact) -> None:
    assert artifact.digest(packed.folder) == packed.digest


def test_extra_files_travel_with_the_model(packed: Artifact) -> None:
    assert artifact.read(packed.folder)["report.html"] == b"<p>fine</p>"


def test_a_packed_model_is_never_replaced(packed: Artifact, model: Model) -> None:
    with pytest.raises(FileExistsError):
        artifact.pack(packed.folder, model)


def test_a_changed_byte_is_refused_with_both_hashes(packed: Artifact) -> None:
    path = packed.folder / "model.json"
    path.write_bytes(path.read_bytes().replace(b"trees", b"treEs", 1))
    expected = packed.manifest.files["model.json"].sha256
    with pytest.raises(ArtifactFault, match=rf"model\.json: has the SHA-256 \w+, expected {expected}"):
        artifact.load(packed.folder)


def test_a_longer_file_is_refused_with_both_sizes(packed: Artifact) -> None:
    with (packed.folder / "report.html").open("ab") as file:
        file.write(b"!" * 10)
    with pytest.raises(ArtifactFault, match=r"report\.html: has 21 bytes, expected 11"):
        artifact.load(packed.folder)


def test_a_piece_of_a_model_is_given_only_when_every_file_is_right(packed: Artifact, model: Model) -> None:
    assert artifact.load_piece(packed.folder, lambda _: False).model.members == ()
    assert len(artifact.load_piece(packed.folder, lambda _: True).model.members) == len(model.members)
    name = next(name for name in packed.manifest.files if name.startswith("members/0/"))
    with (packed.folder / name).open("ab") as file:
        file.write(b"!")
    with pytest.raises(ArtifactFault, match=rf"{name}: has"):
        artifact.load_piece(packed.folder, lambda _: False)


def test_a_missing_file_is_refused(packed: Artifact) -> None:
    (packed.folder / "report.html").unlink()
    with pytest.raises(ArtifactFault, match=r"report\.html: is in the manifest but not in the folder"):
        artifact.load(packed.folder)


def test_an_unlisted_file_is_refused(packed: Artifact) -> None:
    (packed.folder / "members" / MANIFEST).touch()
    with pytest.raises(ArtifactFault, match=r"members/manifest\.json: is not in the manifest"):
        artifact.load(packed.folder)


def test_all_refused_files_are_told_at_once(packed: Artifact) -> None:
    (packed.folder / "report.html").unlink()
    (packed.folder / "new").touch()
    with pytest.raises(ArtifactFault) as refused:
        artifact.load(packed.folder)
    assert len(refused.value.faults) == 2


@pytest.mark.parametrize("name", ["report.html", "members", MANIFEST])
def test_a_symbolic_link_is_refused(packed: Artifact, name: str, tmp_path: Path) -> None:
    os.rename(packed.folder / name, tmp_path / "moved")
    (packed.folder / name).symlink_to(tmp_path / "moved")
    with pytest.raises(ArtifactFault, match=f"{name}: is a symbolic link"):
        artifact.load(packed.folder)


def test_a_pipe_in_the_place_of_a_file_is_refused(packed: Artifact) -> None:
    (packed.folder / "report.html").unlink()
    os.mkfifo(packed.folder / "report.html")
    with pytest.raises(ArtifactFault, match=r"report\.html: is not a regular file"):
        artifact.load(packed.folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd"])
def test_a_manifest_that_names_a_file_outside_is_refused(packed: Artifact, name: str) -> None:
    edit(packed, lambda plain: plain["files"].update({name: plain["files"].pop("report.html")}))  # type: ignore[attr-defined]
    with pytest.raises(ArtifactFault, match="not the name of a file inside its folder"):
        artifact.load(packed.folder)


def test_a_newer_format_is_refused_before_anything_else(packed: Artifact) -> None:
    edit(packed, lambda plain: plain.update(format=2, news=True))
    with pytest.raises(ArtifactFault, match=r"has format 2, this version reads 1.*install the version"):
        artifact.load(packed.folder)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"format": 1}'], ids=["empty", "torn", "deep", "bare"])
def test_a_broken_manifest_is_refused(packed: Artifact, text: str) -> None:
    (packed.folder / MANIFEST).write_text(text)
    with pytest.raises(ArtifactFault, match=r"manifest\.json"):
        artifact.load(packed.folder)


def test_an_oversized_manifest_is_refused_unread(packed: Artifact) -> None:
    os.truncate(packed.folder / MANIFEST, artifact.MAX_MANIFEST_BYTES + 1)
    with pytest.raises(ArtifactFault, match="is larger than"):
        artifact.load(packed.folder)


def test_a_folder_without_a_manifest_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ArtifactFault, match=r"does not exist.*RUN/model"):
        artifact.load(tmp_path)


def test_a_fresh_process_predicts_the_same(packed: Artifact, model: Model, table: pa.Table) -> None:
    with Prover() as prover:
        prover.verify(packed.folder, table, model.predict(table))


def test_a_fresh_process_that_predicts_otherwise_is_a_fault(packed: Artifact, model: Model, table: pa.Table) -> None:
    expected_NK = model.predict(table.slice(0, 5)) + np.eye(5)[:, [3, 4]] * 1e-9
    with pytest.raises(ArtifactFault, match="row 3 gives"):
        Prover().verify(packed.folder, table.slice(0, 5), expected_NK)


def test_an_artifact_that_a_fresh_process_refuses_is_a_fault(packed: Artifact, table: pa.Table) -> None:
    (packed.folder / "report.html").unlink()
    with pytest.raises(ArtifactFault, match=r"does not load in a fresh process: .*report\.html"):
        Prover().verify(packed.folder, table, np.zeros((60, 2)))
