"""The log of a run: one event is one file, written whole after the data it speaks of, and never changed.

What a run knows about itself is what its events say; everything else can be worked out again from them.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import ArtifactFault
from assay.store import files

EVENT_FILE = re.compile(r"^\d{6,}\.json$")
KEYS = {"number", "type", "at", "data"}


@dataclass(frozen=True)
class Event:
    """One thing that happened, with its place in the order of the run."""

    number: int  # 1, 2, 3, … without a gap
    type: str
    at: str  # ISO 8601, UTC
    data: dict[str, Any] = field(default_factory=dict)


class EventLog:
    """The events of one run, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next = 0  # 0 until the folder was looked at
        self._turn = threading.Lock()

    def append(self, type: str, /, **data: Any) -> Event:
        """Write one event after all others and return it once it is safe on the disk.

        Raises:
            ClusterFault: the disk failed; the event is in the log whole or not at all, `read` says which.
            ValueError: `data` is not JSON, or holds a NaN.
        """
        with self._turn:
            files.make_folder(self.folder)
            number = self._next or self._last() + 1
            self._next = 0  # after a fault, look again
            while True:
                event = Event(number, type, datetime.now(UTC).isoformat(timespec="milliseconds"), data)
                content = json.dumps(asdict(event), indent=1, allow_nan=False).encode()
                try:
                    files.write_new_file(self._file(number), content)
                except FileExistsError:
                    number += 1
                    continue
                self._next = number + 1
                return event

    def read(self) -> list[Event]:
        """Return all events in order.

        Raises:
            ArtifactFault: naming the file that is missing, torn or not an event.
        """
        events = []
        for expected, name in enumerate(self._names(), 1):
            if name != self._file(expected).name:
                raise ArtifactFault.at(
                    str(self._file(expected)),
                    f"is missing, though '{name}' follows it",
                    "bring the file back from a copy of the run",
                )
            events.append(self._read(expected))
        return events

    def __len__(self) -> int:
        return self._last()

    def _read(self, number: int) -> Event:
        path = self._file(number)
        try:
            plain = json.loads(files.read_file(path))
            if not isinstance(plain, dict) or plain.keys() != KEYS:
                raise ValueError(f"expected the keys {', '.join(sorted(KEYS))}")
            event = Event(**plain)
            if event.number != number or not isinstance(event.type, str) or not isinstance(event.data, dict):
                raise ValueError(f"expected event {number} with a type and data")
        except (ValueError, RecursionError, FileNotFoundError) as error:
            raise ArtifactFault.at(
                str(path), f"is not an event ({error})", "bring the file back from a copy of the run"
            ) from None
        return event

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"

    def _last(self) -> int:
        names = self._names()
        return int(names[-1].partition(".")[0]) if names else 0

    def _names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted((name for name in os.listdir(self.folder) if EVENT_FILE.match(name)), key=lambda n: (len(n), n))
