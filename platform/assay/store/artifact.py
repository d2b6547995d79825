"""Model artifacts: a folder of files and a manifest that lists every one of them with its size and hash.

The hash of the manifest is the identity of the model. What the manifest does not list, or lists otherwise, is refused:
a model is read as bytes that were checked first, and never by a reader that runs what it reads.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from assay import catalog
from assay.errors import ArtifactFault, Fault, raise_all
from assay.model import Model
from assay.partial import Holds, Piece, piece_of, wanted
from assay.spec import Strict
from assay.store import files
from assay.vocabulary import ColumnKind, Shelf, Task

MANIFEST = "manifest.json"
FORMAT = 1
MAX_MANIFEST_BYTES = 16 << 20  # ten thousand columns and files fit ten times
LIBRARIES = ("assay", "numpy", "pyarrow", "scikit-learn", "lightgbm", "torch", "skops", "safetensors")
AGAIN = "take the artifact again from where it was made"


class Listed(Strict):
    """What the manifest says of one file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class ListedColumn(Strict):
    """A column that the model reads."""

    name: str
    kind: ColumnKind


class Schema(Strict):
    """What goes into the model and what comes out, in short; the profile says the rest."""

    kind: str
    columns: tuple[ListedColumn, ...]
    label: str
    task: Task
    classes: tuple[str, ...]


class Manifest(Strict):
    """The list of an artifact's files, and where it comes from."""

    format: Literal[1]
    created: str
    python: str
    libraries: dict[str, str]
    schema_: Schema = Field(alias="schema")
    files: dict[str, Listed]


@dataclass(frozen=True)
class Artifact:
    """A packed model: where it is, what it is, and its identity."""

    folder: Path
    digest: str
    manifest: Manifest

    @property
    def size_bytes(self) -> int:
        """Bytes of all files but the manifest."""
        return sum(listed.size_bytes for listed in self.manifest.files.values())


def pack(folder: Path, model: Model, extra: Mapping[str, bytes] | None = None) -> Artifact:
    """Write a model, and any `extra` files that travel with it, as a new artifact.

    Raises:
        FileExistsError: `folder` exists.
        ClusterFault: the disk failed; `folder` does not exist then.
    """
    content = {**model.files(), **(extra or {})}
    assert len(content) == len(model.files()) + len(extra or {}), "an extra file would replace one of the model"
    assert MANIFEST not in content, "the manifest is written here"
    listed = {name: Listed(sha256=_sha256(data), size_bytes=len(data)) for name, data in sorted(content.items())}
    manifest = Manifest(
        format=FORMAT,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        libraries=_versions(model),
        schema=_schema(model),
        files=listed,
    )
    described = manifest.model_dump_json(by_alias=True, indent=1).encode()
    files.write_folder(folder, {**content, MANIFEST: described})
    return Artifact(folder, _sha256(described), manifest)


def open_artifact(folder: Path) -> Artifact:
    """Read the manifest only: enough to say which model this is and what it takes.

    Raises:
        ArtifactFault: there is no manifest, or it is not one that this version reads.
    """
    data = _manifest_bytes(folder)
    return Artifact(folder, _sha256(data), _parse(folder / MANIFEST, data))


def digest(folder: Path) -> str:
    """Return the identity of the model in a folder: the SHA-256 of its manifest."""
    return open_artifact(folder).digest


def read(folder: Path) -> dict[str, bytes]:
    """Return every file that the manifest lists, checked against it, and the manifest itself.

    Raises:
        ArtifactFault: with every file that is missing, changed, unlisted or a link.
    """
    described = _manifest_bytes(folder)
    manifest = _parse(folder / MANIFEST, described)
    return {**_checked(folder, manifest.files), MANIFEST: described}


def load(folder: Path) -> Model:
    """Return the model in a folder, after every file was checked.

    Raises:
        ArtifactFault: with every file that was refused, and why.
    """
    return Model.from_files(read(folder))


def load_piece(folder: Path, holds: Holds) -> Piece:
    """Return some members of the model in a folder, after every file was checked; none: what joins them.

    Files of other members are read and checked, one after the other, and forgotten.

    Raises:
        ArtifactFault: with every file that was refused, and why.
    """
    manifest = _parse(folder / MANIFEST, _manifest_bytes(folder))
    return piece_of(_checked(folder, manifest.files, lambda name: wanted(name, holds)), holds)


def _manifest_bytes(folder: Path) -> bytes:
    place = folder / MANIFEST
    if place.is_symlink():
        raise ArtifactFault.at(str(place), "is a symbolic link", AGAIN)
    try:
        data = files.read_file(place, MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        raise ArtifactFault.at(
            str(place), "does not exist", "give the folder of a packed model, such as RUN/model, or see `assay models`"
        ) from None
    if len(data) > MAX_MANIFEST_BYTES:
        raise ArtifactFault.at(str(place), f"is larger than {MAX_MANIFEST_BYTES:,} bytes", AGAIN)
    return data


def _checked(
    folder: Path, listed: Mapping[str, Listed], keep: Callable[[str], bool] = lambda _: True
) -> dict[str, bytes]:
    found, faults = _walk(folder)
    faults += [Fault(str(folder / name), "is not in the manifest", AGAIN) for name in sorted(found - set(listed))]
    content: dict[str, bytes] = {}
    for name, expected in listed.items():
        place = folder / name
        if name not in found:
            if not place.is_symlink():  # a link has its fault already
                faults.append(Fault(str(place), "is in the manifest but not in the folder", AGAIN))
            continue
        data = files.read_file(place, expected.size_bytes + 1)
        faults += _differs(place, data, expected)
        if keep(name):
            content[name] = data
    raise_all(ArtifactFault, faults)
    return content


def check(place: Path, data: bytes, expected: Listed) -> None:
    """Check what was read of one file against what the manifest lists.

    Raises:
        ArtifactFault: it has another size or hash.
    """
    raise_all(ArtifactFault, _differs(place, data, expected))


def _differs(place: Path, data: bytes, expected: Listed) -> list[Fault]:
    if len(data) != expected.size_bytes:
        found_bytes = place.stat().st_size
        return [Fault(str(place), f"has {found_bytes:,} bytes, expected {expected.size_bytes:,}", AGAIN)]
    if (actual := _sha256(data)) != expected.sha256:
        return [Fault(str(place), f"has the SHA-256 {actual}, expected {expected.sha256}", AGAIN)]
    return []


def _walk(folder: Path) -> tuple[set[str], list[Fault]]:
    """Return the names of all regular files below a folder but the manifest, and a fault for anything else."""
    found: set[str] = set()
    faults: list[Fault] = []
    rooms = [folder]
    while rooms:
        with os.scandir(rooms.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    rooms.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    found.add(Path(entry.path).relative_to(folder).as_posix())
                else:
                    what = "a symbolic link" if entry.is_symlink() else "not a regular file"
                    faults.append(Fault(entry.path, f"is {what}", AGAIN))
    return found - {MANIFEST}, faults


def _parse(place: Path, data: bytes) -> Manifest:
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtifactFault.at(str(place), f"is not JSON ({error})", AGAIN) from None
    found = plain.get("format") if isinstance(plain, dict) else None
    if found != FORMAT:
        raise ArtifactFault.at(
            str(place), f"has format {found!r}, this version reads {FORMAT}", "install the version that wrote it"
        )
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ArtifactFault(
            *(Fault(f"{place} {'.'.join(map(str, item['loc']))}", item["msg"], AGAIN) for item in error.errors())
        ) from None
    for name in manifest.files:
        files.relative_name(name)
    return manifest


def _schema(model: Model) -> Schema:
    label = model.profile.label
    columns = tuple(ListedColumn(name=column.name, kind=column.kind) for column in model.profile.used)
    return Schema(kind=model.kind, columns=columns, label=label.name, task=label.task, classes=label.classes)


def _versions(model: Model) -> dict[str, str]:
    """Return the versions of the libraries that a model of ours takes, and of those that its own members take."""
    parts = [catalog.find(Shelf.ALGORITHMS, member.algorithm) for member in model.members]
    found = {}
    own = sorted({part.optional for part in parts if part.optional})
    for name in (*LIBRARIES, *(name for module in own for name in (module, f"{module}-cpu"))):  # two wheels of one
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
