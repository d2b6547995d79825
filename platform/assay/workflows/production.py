"""What a server is to serve, read again and again: names follow their aliases, everything else stays."""

from __future__ import annotations

from collections.abc import Sequence

from assay.errors import AssayError, SpecFault
from assay.store.registry import Registry
from assay.store.releases import Release, Releases
from assay.store.runs import Storage
from assay.store.tokens import Token, Tokens
from assay.store.tracking import Tracking

LOOK_S = 1.0  # between looks at the registry: one short query of a database


class Production:
    """The releases of references to models.

    Raises:
        SpecFault: two references mean one name, which a server can have once.
    """

    def __init__(self, storage: Storage, references: Sequence[str], tracking_uri: str | None = None) -> None:
        self._releases = Releases(Registry(Tracking(tracking_uri, storage.root)))
        self._tokens = Tokens(storage.root)
        self._references = tuple(references)
        self._pinned: dict[str, Release] = {}
        self._last: dict[str, Release] = {}  # what each reference stood for when it could be read
        self.problems: tuple[str, ...] = ()  # why references stay where they were, since the last look
        self._promoted: set[str] = set()  # references whose model had a champion
        names = [self._remembered(reference).name for reference in self._references]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise SpecFault.at("serve", f"model '{min(twice)}' is named twice", "name each model once")

    def releases(self) -> list[Release]:
        """Return what is to be served now; a reference that cannot be read stays at its last good release."""
        found, problems = [], []
        for reference in self._references:
            try:
                found.append(self._remembered(reference))
            except AssayError as error:
                found.append(self._last[reference])
                problems.append(str(error))
        self.problems = tuple(problems)
        return found

    def _remembered(self, reference: str) -> Release:
        """Return what a reference stands for now, and remember it.

        Raises:
            SpecFault: nothing has such a name.
            ArtifactFault: what is there is not what was registered.
        """
        self._last[reference] = self._pinned.get(reference) or self._read(reference)
        return self._last[reference]

    def tokens(self) -> tuple[Token, ...]:
        """Return the tokens that a server is to know now.

        Raises:
            ClusterFault: they cannot be read.
        """
        return self._tokens.all()

    def _read(self, reference: str) -> Release:
        release, follows = self._releases.find(reference)
        if not follows:
            self._pinned[reference] = release
        elif self._releases.has_champion(release.name):
            self._promoted.add(reference)
        elif reference in self._promoted or self._releases.had_champion(
            release.name
        ):  # the latest version would answer, which nobody promoted
            raise SpecFault.at(
                f"model '{release.name}'", "has no champion any more", f"`assay promote {release.name} VERSION`"
            )
        return release
