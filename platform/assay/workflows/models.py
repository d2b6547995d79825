"""Registered models: which there are, and which version a reference means."""

from __future__ import annotations

from assay.errors import SpecFault
from assay.notices import notice
from assay.parts import Json
from assay.store.registry import Registry, ResolvedModel, Version
from assay.store.releases import Releases
from assay.store.runs import Storage
from assay.store.tracking import Tracking


def registry(storage: Storage, tracking_uri: str | None = None) -> Registry:
    """Return the registry of a storage, or of a tracking server."""
    return Registry(Tracking(tracking_uri, storage.root))


def listed(storage: Storage, tracking_uri: str | None = None) -> list[Json]:
    """Return every registered version: name, version, aliases, score, metric, run."""
    found = registry(storage, tracking_uri).models()
    return [
        {
            "name": version.name,
            "version": version.number,
            "aliases": list(version.aliases),
            "run": version.run,
            "metric": version.tags.get("assay.metric"),
            "score": _score(version),
        }
        for versions in found.values()
        for version in versions
    ]


def _score(version: Version) -> float | None:
    """Return the score in the tag of a version; None, with a notice, where somebody wrote something else into it."""
    text = version.tags.get("assay.score")
    try:
        return None if text is None else float(text)
    except ValueError:
        notice(f"model '{version}', tag assay.score: is {text!r}, expected a number")
        return None


def resolve(reference: str, storage: Storage, tracking_uri: str | None = None) -> ResolvedModel:
    """Return what NAME, NAME@ALIAS, NAME/VERSION or a folder stands for.

    Raises:
        SpecFault: nothing.
        ArtifactFault: what is there was changed.
    """
    return registry(storage, tracking_uri).resolve(reference)


def promote(
    storage: Storage,
    name: str,
    version: int | None,
    canary: str | None = None,
    shadow: int | None = None,
    tracking_uri: str | None = None,
) -> Json:
    """Change which versions of a model are in production, and return them by role.

    A version alone becomes champion; with `canary`, a share such as `10%`, it answers that share of the keys; `shadow`
    is a version that watches. 0 ends either.

    Raises:
        SpecFault: there is no such model or version, or nothing is asked for.
    """
    releases = Releases(registry(storage, tracking_uri))
    if version is None and (canary is not None or shadow is None):
        raise SpecFault.at("assay promote", "VERSION is missing", f"write `assay promote {name} VERSION`")
    if version is not None and canary is not None:
        releases.canary(name, version, share_of(canary, "--canary"))
    elif version is not None:
        releases.promote(name, version)
    if shadow is not None:
        releases.shadow(name, shadow or None)
    return releases.roles(name)


def rollback(storage: Storage, name: str, tracking_uri: str | None = None) -> Json:
    """Make the former champion the champion again, end the canary, and return the versions by role.

    Raises:
        SpecFault: there is no such model, or it has no former champion.
    """
    releases = Releases(registry(storage, tracking_uri))
    releases.rollback(name)
    return releases.roles(name)


def share_of(text: str, option: str) -> float:
    """Return a share that was written as `10%` or `0.1`.

    Raises:
        SpecFault: it is no number, or none from 0 to 1.
    """
    written = text.strip()
    try:
        share = float(written.removesuffix("%")) / 100 if written.endswith("%") else float(written)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SpecFault.at(option, f"'{text}' is no share", f"write 0% to 100%, such as {option} 10%")
    return share


def title(found: ResolvedModel) -> str:
    """Return a model as NAME or NAME/VERSION."""
    return found.name if found.version is None else f"{found.name}/{found.version}"
