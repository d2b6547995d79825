"""Where runs are kept: a folder each, with its file, its profile, its events and everything it fitted."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import ArtifactFault, Fault, SpecFault, did_you_mean
from assay.store import files
from assay.store.events import EventLog
from assay.store.lock import RunLock

RUN_ID = re.compile(r"^(?P<experiment>.+)-(?P<stamp>\d{8}-\d{6})-(?P<tail>[0-9a-f]{4})$")
LATEST = "latest"


class Run:
    """One execution of an experiment file, as it stands on the disk.

    spec.yaml, profile.json, rows.json, events/, trials/, evidence.safetensors, model/, result.json; names are relative,
    with slashes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    @cached_property
    def events(self) -> EventLog:
        """The log of the run."""
        return EventLog(self.folder / "events")

    @property
    def model(self) -> Path:
        """Folder of the finished model."""
        return self.folder / "model"

    @staticmethod
    def fold_name(trial: int, fold: int) -> str:
        """Return the name of what a trial wrote about one fold.

        Example:
            >>> Run.fold_name(7, 2)
            'trials/0007/fold-2.safetensors'
        """
        return f"trials/{trial:04d}/fold-{fold}.safetensors"

    def lock(self) -> RunLock:
        """Return the lock that makes this process the run's only writer."""
        return RunLock(self.folder)

    def path(self, name: str) -> Path:
        """Return the path of a relative name inside the run."""
        return files.inside(self.folder, name)

    def exists(self, name: str) -> bool:
        """Whether the run has this file or folder."""
        return self.path(name).exists()

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file whole, in place of an older one, and return its path."""
        path = self.path(name)
        files.make_folder(path.parent)
        files.write_file(path, data)
        return path

    def write_text(self, name: str, text: str) -> Path:
        """Write text as UTF-8."""
        return self.write_bytes(name, text.encode())

    def write_json(self, name: str, value: Any) -> Path:
        """Write plain data as JSON; a NaN in it is our bug."""
        return self.write_bytes(name, json.dumps(value, indent=1, allow_nan=False).encode())

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
        """Write named arrays of numbers or booleans in one safetensors file."""
        from safetensors.numpy import save

        assert not any(array.dtype == object for array in arrays.values()), "objects have no safe form on the disk"
        # safetensors writes an array's memory as it lies: a view with strides would come back as other numbers.
        return self.write_bytes(name, save({key: np.asarray(array, order="C") for key, array in arrays.items()}))

    def read_bytes(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            ArtifactFault: the run has no such file.
        """
        try:
            return files.read_file(self.path(name))
        except FileNotFoundError:
            raise ArtifactFault.at(
                str(self.folder / name), "is missing from the run", f"`assay resume {self.id}` makes it again"
            ) from None

    def read_text(self, name: str) -> str:
        """Return the content of a text file."""
        return self.read_bytes(name).decode()

    def read_json(self, name: str) -> Any:
        """Return what `write_json` wrote."""
        try:
            return json.loads(self.read_bytes(name))
        except (ValueError, RecursionError) as error:
            raise self._broken(name, error) from None

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return what `write_arrays` wrote."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays: dict[str, np.ndarray] = load(self.read_bytes(name))
        except (SafetensorError, ValueError, KeyError) as error:
            raise self._broken(name, error) from None
        return arrays

    def leftovers(self) -> list[Path]:
        """Return what a writer that died left behind; nothing while a living one writes."""
        return [] if self.lock().is_taken() else files.leftovers(self.folder)

    def _broken(self, name: str, error: Exception) -> ArtifactFault:
        return ArtifactFault(
            Fault(str(self.folder / name), f"is broken ({error})", f"remove it, then `assay resume {self.id}`")
        )


class Storage:
    """The folder that remembers: runs, models, tracking."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root or os.environ.get("ASSAY_STORAGE") or ".assay").absolute()

    def runs(self) -> list[str]:
        """Return the ids of all runs, oldest first."""
        home = self.root / "runs"
        if not home.is_dir():
            return []
        found = [(match["stamp"], name) for name in os.listdir(home) if (match := RUN_ID.match(name))]
        return [name for stamp, name in sorted(found, key=lambda pair: (pair[0], _made_ns(home / pair[1]), pair[1]))]

    def new_run(self, experiment: str) -> Run:
        """Make a run with a new id, such as `adult-income-20261123-170501-3f2a`."""
        while True:
            now = datetime.now(UTC)
            folder = self.root / "runs" / f"{experiment}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            made = {"experiment": experiment, "created": now.isoformat(timespec="microseconds")}
            try:
                files.write_folder(folder, {"run.json": json.dumps(made, indent=1).encode()})
            except FileExistsError:
                continue
            return Run(folder)

    def open_run(self, reference: str = LATEST) -> Run:
        """Return a run by its id, by a beginning that only one id has, or the latest.

        Raises:
            SpecFault: no run or several runs fit.
        """
        known = self.runs()
        if not known:
            raise SpecFault.at(str(self.root), "holds no run", "start one with `assay run FILE`, or give --storage")
        if reference == LATEST:
            return Run(self.root / "runs" / known[-1])
        fitting = [reference] if reference in known else [name for name in known if name.startswith(reference)]
        if len(fitting) == 1:
            return Run(self.root / "runs" / fitting[0])
        if fitting:
            raise SpecFault.at(
                f"run '{reference}'", f"is the beginning of {len(fitting)} runs", f"say which: {_some(fitting)}"
            )
        fix = did_you_mean(reference, known) if len(known) < 10 else f"the latest are {_some(known)}"
        raise SpecFault.at(f"run '{reference}'", f"is not in {self.root}", fix)

    def leftovers(self) -> list[Path]:
        """Return what writers that died left behind anywhere, except in runs that are being written."""
        busy = [self.root / "runs" / name for name in self.runs() if Run(self.root / "runs" / name).lock().is_taken()]
        return [path for path in files.leftovers(self.root) if not any(path.is_relative_to(run) for run in busy)]

    def remove_leftovers(self) -> list[Path]:
        """Remove them and return what they were."""
        found = self.leftovers()
        for path in found:
            files.remove_tree(path)
        return found


def _made_ns(folder: Path) -> int:
    """Return when a run was made; orders runs that started in the same second."""
    made = folder / "run.json"
    return made.stat().st_mtime_ns if made.exists() else 0


def _some(names: list[str]) -> str:
    return ", ".join(names[-5:]) + (" …" if len(names) > 5 else "")
