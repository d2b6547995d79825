"""MLflow as the registry of models: numbered versions of a name, with the aliases that the server follows."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from assay.errors import ArtifactFault, SpecFault, did_you_mean
from assay.spec.schema import NAME
from assay.store import artifact, files
from assay.store.mlmodel import DATA, dressed
from assay.store.tracking import RUN_TAG, Tracking

CHAMPION = "champion"
DIGEST_TAG = "assay.digest"
CHAMPION_TAG = "assay.champion"  # of a name: the version that was made the champion last
CHALLENGER = "challenger"  # a version that did not take over: there was a champion then
FORMER_TAG = "assay.former_champions"  # of a name: versions, oldest first; what a rollback goes back to


@dataclass(frozen=True)
class Version:
    """A registered version of a model."""

    name: str
    number: int
    run: str
    digest: str
    created_s: float  # since 1970
    source: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"


@dataclass(frozen=True)
class ResolvedModel:
    """What a reference to a model stands for; `version` is None for a folder that nobody registered."""

    name: str
    version: int | None
    folder: Path


class Registry:
    """The registered models of a tracking place."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking = tracking

    def register(
        self, name: str, folder: Path, *, run_id: str, experiment: str, tags: Mapping[str, str] | None = None
    ) -> int:
        """Register a packed model as the next version of `name`, unless this run did so before; return its number.

        Raises:
            ArtifactFault: the artifact is not what its manifest says.
            ClusterFault: MLflow or the disk failed; call again later.
        """
        packed = artifact.open_artifact(folder)
        for known in self.versions(name):
            if (known.digest, known.run) == (packed.digest, run_id):
                return known.number
        content = artifact.read(folder)
        mlflow_run = self.tracking.record_run(run_id, experiment)
        dress = dressed(content, packed.manifest, packed.digest, mlflow_run)
        source = self._keep(mlflow_run, f"model-{packed.digest[:12]}", dress)
        return self._number(name, source, mlflow_run, {**(tags or {}), DIGEST_TAG: packed.digest, RUN_TAG: run_id})

    def promote(self, name: str, version: int, alias: str = CHAMPION) -> None:
        """Give a version an alias, which leaves the version that had it.

        Raises:
            SpecFault: there is no such model or version.
        """
        self.version(name, str(version))
        champion = self.champion(name)
        former = self._recorded(name) if champion is None else champion.number
        client = self.tracking.client()
        with self.tracking.told():
            if alias == CHAMPION and former not in (None, version):
                numbers = [*self._former(name)[0], former]
                client.set_registered_model_tag(name, FORMER_TAG, ",".join(map(str, numbers)))
            client.set_registered_model_alias(name, alias, str(version))
            if alias == CHAMPION:
                client.set_registered_model_tag(name, CHAMPION_TAG, str(version))

    def rollback(self, name: str) -> int:
        """Make the former champion the champion again and return its version.

        Raises:
            SpecFault: there is no model of this name, or no former champion.
        """
        known, now = {version.number for version in self.known(name)}, self.champion(name)
        former, unreadable = self._former(name)
        if unreadable:
            raise SpecFault.at(
                f"model '{name}', tag {FORMER_TAG}",
                f"holds {unreadable!r}, expected numbers of versions separated by commas",
                f"name the version: `assay promote {name} VERSION`",
            )
        # A promotion that was cut off between its writes; versions that were deleted since.
        while former and (former[-1] not in known or (now is not None and former[-1] == now.number)):
            former.pop()
        if not former:
            raise SpecFault.at(
                f"model '{name}'", "has no former champion", f"see `assay models`, then `assay promote {name} VERSION`"
            )
        client = self.tracking.client()
        with self.tracking.told():
            client.set_registered_model_alias(name, CHAMPION, str(former[-1]))
            client.set_registered_model_tag(name, CHAMPION_TAG, str(former[-1]))
            client.set_registered_model_tag(name, FORMER_TAG, ",".join(map(str, former[:-1])))
        return former[-1]

    def withdraw(self, name: str, alias: str) -> None:
        """Take an alias from whichever version has it."""
        with self.tracking.told():
            self.tracking.client().delete_registered_model_alias(name, alias)

    def tag(self, name: str, key: str) -> str | None:
        """Return a tag of a name, None when it has none."""
        with self.tracking.told():
            found: str | None = self.tracking.client().get_registered_model(name).tags.get(key)
        return found

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Write a tag of a name."""
        with self.tracking.told():
            self.tracking.client().set_registered_model_tag(name, key, value)

    def champion(self, name: str) -> Version | None:
        """Return the champion of a name, or None when there is none."""
        return next((version for version in self.versions(name) if CHAMPION in version.aliases), None)

    def versions(self, name: str) -> list[Version]:
        """Return all versions of a name, oldest first; none for a name that is not registered."""
        if self.tracking.is_empty or not re.match(NAME, name):
            return []
        client = self.tracking.client()
        with self.tracking.told():
            found = client.search_model_versions(f"name='{name}'")
            aliases = self._aliases(name) if found else {}
        return sorted((_version(entry, aliases) for entry in found), key=lambda version: version.number)

    def models(self) -> dict[str, list[Version]]:
        """Return the versions of every registered model, by name."""
        if self.tracking.is_empty:
            return {}
        client = self.tracking.client()
        with self.tracking.told():
            names = sorted(model.name for model in client.search_registered_models(max_results=1_000))
        return {name: self.versions(name) for name in names}

    def version(self, name: str, which: str | None = None) -> Version:
        """Return one version by number or alias; by default the champion, or the latest if there never was one.

        Raises:
            SpecFault: there is no such model, version or alias, or the champion was deleted.
        """
        known = self.known(name)
        for version in known:
            if which in (str(version.number), *version.aliases) or (which is None and CHAMPION in version.aliases):
                return version
        if which is None:
            self._check_never_promoted(name, known)
            return known[-1]
        words = [str(version.number) for version in known] + [alias for one in known for alias in one.aliases]
        raise SpecFault.at(
            f"model '{name}'",
            f"has no version or alias '{which}'",
            f"{did_you_mean(which, words)} (`assay models` lists them)",
        )

    def known(self, name: str) -> list[Version]:
        """Return all versions of a name, oldest first.

        Raises:
            SpecFault: there are none.
        """
        found = self.versions(name)
        if not found:
            names = list(self.models())
            fix = (
                f"{did_you_mean(name, names)} (`assay models` lists them)"
                if names
                else "train one with `assay run FILE`"
            )
            raise SpecFault.at(f"model '{name}'", f"is not registered in {self.tracking.shown}", fix)
        return found

    def _check_never_promoted(self, name: str, known: Sequence[Version]) -> None:
        """Return where no version of a name was its champion yet: then the latest stands for the name.

        Raises:
            SpecFault: one was; the latest is a version that nobody promoted.
        """
        was, former = self._recorded(name), self._former(name)
        if was is None and former == ([], "") and not any(CHALLENGER in version.aliases for version in known):
            return
        number = was if was in [version.number for version in known] else "VERSION"
        raise SpecFault.at(
            f"model '{name}'",
            "has no champion any more" + ("" if was is None else f" ({name}/{was} was)"),
            f"`assay promote {name} {number}`, or name a version, such as {known[-1]} (`assay models` lists them)",
        )

    def _recorded(self, name: str) -> int | None:
        """Return the version that was promoted last, whatever became of it since; None where nobody knows."""
        text = (self.tag(name, CHAMPION_TAG) or "").strip()
        return int(text) if text.isdecimal() else None

    def artifact_path(self, name: str, which: str | None = None) -> Path:
        """Return the artifact of a version as a local folder; from a server it is fetched once.

        Raises:
            SpecFault: there is no such version.
            ArtifactFault: what is there is not what was registered.
        """
        version = self.version(name, which)
        if not version.digest:
            raise ArtifactFault.at(f"model '{version}'", "was not registered by assay", "register a packed model")
        folder = self._local(version) or self._fetched(version)
        if (found := artifact.digest(folder)) != version.digest:
            raise ArtifactFault.at(
                str(folder),
                f"is not what was registered as {version}: its manifest has the SHA-256 {found}, "
                f"expected {version.digest}",
                artifact.AGAIN,
            )
        return folder

    def resolve(self, reference: str) -> ResolvedModel:
        """Return what `NAME`, `NAME@ALIAS`, `NAME/VERSION` or the path of a folder stands for.

        Raises:
            SpecFault: nothing; says which names there are.
            ArtifactFault: what is there is not what was registered.
        """
        folder = Path(reference)
        if (folder / artifact.MANIFEST).exists():
            return ResolvedModel(folder.resolve().name, None, folder)
        match = re.match(r"^(?:models:/)?(?P<name>[^/@]+)(?:[/@](?P<which>[^/@]+))?$", reference)
        if match is None or match["name"] in (".", ".."):
            raise SpecFault.at(
                f"model '{reference}'",
                "is neither the name of a model nor the folder of one",
                "write NAME, NAME@ALIAS, NAME/VERSION or a folder with a manifest.json; see `assay models`",
            )
        version = self.version(match["name"], match["which"])
        return ResolvedModel(version.name, version.number, self.artifact_path(version.name, str(version.number)))

    def _aliases(self, name: str) -> dict[str, list[str]]:
        by_version: dict[str, list[str]] = {}
        for alias, number in self.tracking.client().get_registered_model(name).aliases.items():
            by_version.setdefault(str(number), []).append(alias)
        return by_version

    def _former(self, name: str) -> tuple[list[int], str]:
        """Return the former champions, oldest first, and the first text among them that is no number."""
        words = [word.strip() for word in (self.tag(name, FORMER_TAG) or "").split(",") if word.strip()]
        unreadable = [word for word in words if not word.isdecimal()]
        return [int(word) for word in words if word.isdecimal()], unreadable[0] if unreadable else ""

    def _keep(self, mlflow_run: str, name: str, dress: Mapping[str, bytes]) -> str:
        """Put the files where the run keeps its artifacts, whole; return where that is."""
        client = self.tracking.client()
        with self.tracking.told():
            home = client.get_run(mlflow_run).info.artifact_uri
        target = _local_path(home)
        if target is not None and not target.parent.exists():  # the storage was moved since
            below = home.rpartition(f"/{self.tracking.artifacts.name}/")[2]
            target = self.tracking.artifacts / unquote(below) if below != home else target
            home = str(target)
        if target is not None:
            files.make_folder(target)
            with suppress(FileExistsError):  # kept by an earlier try that did not come to its end
                files.write_folder(target / name, dress)
        else:
            staged = self._staging("sent")
            files.write_folder(staged, dress)
            with self.tracking.told():
                client.log_artifacts(mlflow_run, str(staged), name)
            files.remove_tree(staged)
        return f"{home}/{name}"

    def _number(self, name: str, source: str, mlflow_run: str, tags: dict[str, str]) -> int:
        from mlflow.exceptions import MlflowException

        client = self.tracking.client()
        with self.tracking.told():
            try:
                client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            return int(client.create_model_version(name, source, run_id=mlflow_run, tags=tags).version)

    def _local(self, version: Version) -> Path | None:
        folder = _local_path(version.source)
        if folder is None or folder.exists():
            return folder and folder / DATA
        # The storage may have been moved since: the same place below the root it has now.
        below = version.source.rpartition(f"/{self.tracking.artifacts.name}/")[2]
        return self.tracking.artifacts / unquote(below) / DATA

    def _staging(self, purpose: str) -> Path:
        """Return a new name that counts as a leftover when we die before we remove it."""
        return self.tracking.root / files.STAGING / f"{purpose}-{secrets.token_hex(4)}"

    def _fetched(self, version: Version) -> Path:
        """Return the local copy of a version that a server keeps; named by its digest, so it never goes stale."""
        folder = self.tracking.root / "fetched" / version.digest
        if folder.exists():
            return folder
        from mlflow.artifacts import download_artifacts

        inbox = self._staging("fetched")
        files.make_folder(inbox)
        with self.tracking.told():
            got = download_artifacts(
                artifact_uri=f"{version.source}/{DATA}", dst_path=str(inbox), tracking_uri=self.tracking.uri
            )
        with suppress(FileExistsError):
            files.write_folder(folder, artifact.read(Path(got)))
        files.remove_tree(inbox)
        return folder


def _version(entry: Any, aliases: Mapping[str, list[str]]) -> Version:
    return Version(
        entry.name,
        int(entry.version),
        entry.tags.get(RUN_TAG, ""),
        entry.tags.get(DIGEST_TAG, ""),
        entry.creation_timestamp / 1_000,
        entry.source,
        tuple(sorted(aliases.get(str(entry.version), ()))),
        dict(entry.tags),
    )


def _local_path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if uri.startswith("/") else None
