"""What a server that we start keeps of requests: see `assay_serving.logbook`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Keeping:
    """Labels that are sent to a server, and the rows of a share of its requests, 0..1; nothing without a storage."""

    storage: Path | None = None
    share: float = 0.0

    def planned(self) -> dict[str, Any]:
        """Return it as the server reads it."""
        if self.storage is None:
            return {}
        return {"prediction_log": {"storage": str(self.storage.absolute()), "share": self.share}}

    def __str__(self) -> str:
        if self.storage is None or not self.share:
            return "keeps no requests"
        return f"keeps {self.share * 100:.4g} % of the requests in {self.storage / 'serving' / 'log'}"
