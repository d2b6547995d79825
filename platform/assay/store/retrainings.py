"""What is remembered of retrainings: a folder each, under the id that it was submitted with.

`asked.json` says of what, `gathered.json` of which rows, `run.json` which run fits the challenger, `verdict.json` what
was judged, `outcome.json` how it ended. Each is written whole after what it speaks of, so whoever takes one up knows
how far it had come.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from assay.errors import ArtifactFault, SpecFault
from assay.parts import Json
from assay.store import files
from assay.store.lock import RunLock
from assay.store.runs import Run, Storage

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ASKED, GATHERED, RUN = "asked.json", "gathered.json", "run.json"
VERDICT, OUTCOME = "verdict.json", "outcome.json"


class Retraining:
    """One retraining, as it stands on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    def lock(self) -> RunLock:
        """Return the lock that makes this process the only one that retrains under this id."""
        files.make_folder(self.folder)
        return RunLock(self.folder)

    def read(self, name: str) -> Json | None:
        """Return what was written under a name; None where nothing was.

        Raises:
            ArtifactFault: it is no JSON.
        """
        path = self.folder / name
        try:
            found: Json = json.loads(files.read_file(path))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ArtifactFault.at(str(path), f"is broken ({error})", "remove it, then retrain again") from None
        return found

    def write(self, name: str, data: Json) -> None:
        """Write plain data whole."""
        files.write_file(self.folder / name, json.dumps(data, indent=1, allow_nan=False).encode())

    def forget_unasked(self) -> None:
        """Remove the folder of one that could not even be asked for, such as of a model that does not exist."""
        if not (self.folder / ASKED).exists() and not RunLock(self.folder).is_taken():
            files.remove_tree(self.folder)

    def begun(self, run: Run) -> None:
        """Write down which run fits the challenger."""
        self.write(RUN, {"run": run.id})


class Retrainings:
    """The retrainings of a storage."""

    def __init__(self, storage: Storage) -> None:
        self.home = storage.root / "retrainings"

    def open(self, id: str | None, name: str) -> Retraining:
        """Return the retraining of an id, there or not; a new one of this model without an id.

        Raises:
            SpecFault: the id is none.
        """
        if id is None:
            id = f"{name[:100]}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        if not ID.fullmatch(id):
            raise SpecFault.at("submission id", f"'{id}' is none", "use up to 128 letters, digits and . _ -")
        return Retraining(self.home / id)

    def of(self, name: str) -> list[Retraining]:
        """Return those of a model, by the time at which they were asked for."""
        folders = self.home.iterdir() if self.home.is_dir() else ()
        asked = [(found, one) for one in map(Retraining, folders) if (found := one.read(ASKED)) is not None]
        return [one for found, one in sorted(asked, key=lambda pair: pair[0]["at"]) if found["model"] == name]
