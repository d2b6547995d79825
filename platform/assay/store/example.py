"""A few rows as a client of the server sends them, kept with a model: what a form is filled with, and what docs show.

They are rows of the training data. A model that was packed without any is shown with `typical` values of its profile.
"""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import ArtifactFault
from assay.parts import Json
from assay.profile import ColumnProfile, Profile
from assay.store import artifact, files
from assay.vocabulary import ColumnKind

FILE = "example.json"
NUM_EXAMPLES = 3
MAX_BYTES = 256 << 10  # of the file; a row of sound or of a long text may fill it alone
TYPICAL_STEPS = 20  # of a series that stands for others


def content(examples: Sequence[Sequence[Json]]) -> dict[str, bytes]:
    """Return the file: the examples that fit into MAX_BYTES, nothing when none does.

    An example is what one request holds: a row, or the history of a series that is to be forecast.
    """
    kept: list[bytes] = []
    for one in examples[:NUM_EXAMPLES]:
        data = json.dumps(one, allow_nan=False, ensure_ascii=False).encode()
        if sum(map(len, kept)) + len(data) <= MAX_BYTES:
            kept.append(data)
    return {FILE: b'{"examples": [' + b",\n".join(kept) + b"]}\n"} if kept else {}


def read(folder: Path) -> list[list[Json]] | None:
    """Return the examples of a packed model; None where it was made without.

    Raises:
        ArtifactFault: the file is not what the manifest says, or holds something else.
    """
    listed = artifact.open_artifact(folder).manifest.files.get(FILE)
    if listed is None:
        return None
    data = files.read_file(folder / FILE, 2 * MAX_BYTES)
    artifact.check(folder / FILE, data, listed)
    return parse(data, str(folder / FILE))


def parse(data: bytes, place: str = FILE) -> list[list[Json]]:
    """Return the examples in the bytes of the file.

    Raises:
        ArtifactFault: it holds something else.
    """
    try:
        found: list[list[Json]] = json.loads(data)["examples"]
        sound = all(isinstance(row, dict) for example in found for row in example) and all(found)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        raise ArtifactFault.at(place, "holds no rows", artifact.AGAIN)
    return found


def typical(profile: Profile) -> Json:
    """Return a row that nobody sent: the median, the most frequent level, a text of usual length, a grey image."""
    return {column.name: _typical(column) for column in profile.used}


def _typical(column: ColumnProfile) -> Any:
    present = [value for value in column.sample if value is not None]
    match column.kind:
        case ColumnKind.CATEGORY:
            return column.levels[0] if column.levels else None
        case ColumnKind.IMAGE:
            return _grey(column.shape)
        case ColumnKind.SERIES:
            step: Any = [column.mean or 0.0] * column.shape[1]
            return [step if len(step) > 1 else step[0]] * min(column.shape[0], TYPICAL_STEPS)
    if not present:
        return column.mean
    match column.kind:
        case ColumnKind.BOOLEAN:
            return Counter(present).most_common(1)[0][0]
        case ColumnKind.TEXT:
            return sorted(present, key=len)[len(present) // 2]
        case ColumnKind.DATETIME:
            middle = datetime.fromtimestamp(sorted(present)[len(present) // 2] / 1e6, UTC)
            return middle.replace(tzinfo=None, microsecond=0).isoformat()
    middle_value = sorted(present)[len(present) // 2]
    return int(middle_value) if float(middle_value).is_integer() else middle_value


def _grey(shape: tuple[int, ...]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.full(shape[:2], 128, np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
