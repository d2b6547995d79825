"""What of a model is in production: the champion, beside it a canary for a share of the keys, a shadow that watches.

Each is an alias in the registry, so that whoever reads the registry knows it, and a running server follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import SpecFault
from assay.store.registry import CHAMPION, CHAMPION_TAG, Registry

CANARY, SHADOW = "canary", "shadow"
SHARE_TAG = "assay.canary_share"  # of a name


@dataclass(frozen=True)
class Placed:
    """A version and its artifact's folder."""

    version: str
    folder: Path


@dataclass(frozen=True)
class Release:
    """The versions of one model that a server holds."""

    name: str
    champion: Placed
    canary: Placed | None = None
    canary_share: float = 0.0  # of the keys, 0..1
    shadow: Placed | None = None

    @classmethod
    def alone(cls, name: str, version: str, folder: Path) -> Release:
        """Return the release of one version with none beside it."""
        return cls(name, Placed(version, folder))


class Releases:
    """Reads and changes what is in production."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def find(self, reference: str) -> tuple[Release, bool]:
        """Return what a reference releases, and whether a server should follow it: NAME alone follows its aliases.

        Raises:
            SpecFault: nothing has this name.
            ArtifactFault: what is there is not what was registered.
        """
        found = self.registry.resolve(reference)
        if found.version is None or reference.removeprefix("models:/") != found.name:
            return Release.alone(found.name, str(found.version or 1), found.folder.resolve()), False
        roles = {alias: self._placed(found.name, alias) for alias in (CANARY, SHADOW)}
        share = self._share(found.name) if roles[CANARY] else 0.0
        champion = Placed(str(found.version), found.folder.resolve())
        return Release(found.name, champion, roles[CANARY], share, roles[SHADOW]), True

    def has_champion(self, name: str) -> bool:
        """Whether a version of a model is its champion."""
        return any(CHAMPION in version.aliases for version in self.registry.versions(name))

    def had_champion(self, name: str) -> bool:
        """Whether a version of a model was ever made its champion."""
        return self.registry.tag(name, CHAMPION_TAG) is not None

    def _share(self, name: str) -> float:
        """Return the share of the canary, as the tag of the model has it.

        Raises:
            SpecFault: somebody wrote something else into the tag.
        """
        text = self.registry.tag(name, SHARE_TAG) or "0"
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise SpecFault.at(
                f"model '{name}', tag {SHARE_TAG}",
                f"is {text!r}, expected a number from 0 to 1",
                f"set it again: `assay promote {name} VERSION --canary 10%`",
            )
        return share

    def _placed(self, name: str, alias: str) -> Placed | None:
        version = next((one for one in self.registry.versions(name) if alias in one.aliases), None)
        if version is None:
            return None
        return Placed(str(version.number), self.registry.artifact_path(name, str(version.number)).resolve())

    def roles(self, name: str) -> dict[str, Any]:
        """Return which version has which role: champion, canary and its share, shadow; None where there is none."""
        by_alias = {alias: one.number for one in self.registry.versions(name) for alias in one.aliases}
        share, problem = None, None
        if CANARY in by_alias:
            try:
                share = self._share(name)
            except SpecFault as fault:
                problem = str(fault)
        roles = {role: by_alias.get(role) for role in (CHAMPION, CANARY, SHADOW)}
        return {"model": name, **roles, "canary_share": share, "problem": problem}

    def promote(self, name: str, version: int) -> None:
        """Make a version the champion; it is no canary and no shadow any more, and other canaries go on.

        Raises:
            SpecFault: there is no such model or version.
        """
        self.registry.promote(name, version)
        for alias in (CANARY, SHADOW):
            placed = self._holder(name, alias)
            if placed == version:
                self.registry.withdraw(name, alias)

    def rollback(self, name: str) -> int:
        """Make the former champion the champion again, end the canary, and return the champion's version.

        Raises:
            SpecFault: there is no model of this name, or no former champion.
        """
        version = self.registry.rollback(name)
        self.registry.withdraw(name, CANARY)
        return version

    def canary(self, name: str, version: int, share: float) -> None:
        """Give a version this share of the keys, 0..1; 0 ends the canary.

        Raises:
            SpecFault: there is no such version, it is the champion, or the share is none.
        """
        self._beside_champion(name, version, "a canary")
        if not 0 <= share <= 1:
            raise SpecFault.at("--canary", f"{share:.0%} is no share", "write 0% to 100%, such as --canary 10%")
        if share == 0:
            self.registry.withdraw(name, CANARY)
            return
        self.registry.set_tag(name, SHARE_TAG, repr(share))
        self.registry.promote(name, version, CANARY)

    def shadow(self, name: str, version: int | None) -> None:
        """Let a version watch what the champion is asked; None ends it.

        Raises:
            SpecFault: there is no such version, or it is the champion.
        """
        if version is None:
            self.registry.known(name)
            self.registry.withdraw(name, SHADOW)
            return
        self._beside_champion(name, version, "a shadow")
        self.registry.promote(name, version, SHADOW)

    def _holder(self, name: str, alias: str) -> int | None:
        return next((one.number for one in self.registry.versions(name) if alias in one.aliases), None)

    def _beside_champion(self, name: str, version: int, what: str) -> None:
        self.registry.version(name, str(version))
        champion = self.registry.champion(name)
        if champion is None:
            raise SpecFault.at(f"model '{name}'", "has no champion yet", f"first `assay promote {name} {version}`")
        if champion.number == version:
            raise SpecFault.at(f"{name}/{version}", f"is the {CHAMPION}, and cannot be {what} beside itself")
