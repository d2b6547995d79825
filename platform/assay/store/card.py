"""A model's card: what it predicts and from what, how well, when and of what it was made. Plain data for a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assay.errors import ArtifactFault
from assay.forecasting.framing import Framing
from assay.forecasting.requests import framing_of, wanted
from assay.model import Model
from assay.parts import Json
from assay.profile import ColumnProfile
from assay.store import artifact, example, files
from assay.vocabulary import ColumnKind

SCORES = "scores.json"
MAX_SCORES_BYTES = 1 << 20
MAX_LEVELS = 500  # of a category that are listed; a form takes any other text too


def scores(metric: str, test: Json, num_rows: int) -> dict[str, bytes]:
    """Return the file that keeps the test scores with the model; `test` as `finalize.scores` returns it."""
    told = {"metric": metric, "test": test, "test_rows": num_rows}
    return {SCORES: json.dumps(told, indent=1, allow_nan=False).encode()}


def of(folder: Path, model: Model) -> Json:
    """Return the card of the model that was packed into a folder.

    `example.from` is "training" for rows of the training data, "typical" for values of the profile, and "" where
    nothing can stand for the rows: a forecast whose model was packed without an example.

    Raises:
        ArtifactFault: a file is not what the manifest says.
    """
    packed, framing = artifact.open_artifact(folder), framing_of(model.card)
    asks = model.profile if framing is None else wanted(framing, model.profile)
    label = model.profile.label
    return {
        "digest": packed.digest,
        "created": packed.manifest.created,
        "python": packed.manifest.python,
        "libraries": packed.manifest.libraries,
        "size_bytes": packed.size_bytes,
        "kind": model.kind,
        "task": label.task.value if framing is None else "forecast",
        "label": label.name,
        "classes": list(model.classes),
        "class_counts": list(label.class_counts),
        "train_rows": model.profile.num_rows,
        **{key: model.card.get(key) for key in ("experiment", "run", "winner", "seed", "metric")},
        "out_of_fold": model.card.get("out_of_fold"),
        **_scores(folder, packed),
        "ensemble": model.combination and model.combination.key,
        "members": [{"name": member.name, "algorithm": member.algorithm} for member in model.members],
        "columns": [_column(column) for column in asks.used],
        "forecast": None if framing is None else _forecast(framing),
        "example": _example(folder, model, framing),
    }


def _scores(folder: Path, packed: artifact.Artifact) -> Json:
    listed = packed.manifest.files.get(SCORES)
    if listed is None:
        return {"test": {}, "test_rows": None}
    data = files.read_file(folder / SCORES, MAX_SCORES_BYTES)
    artifact.check(folder / SCORES, data, listed)
    try:
        told = json.loads(data)
        return {"test": dict(told["test"]), "test_rows": int(told["test_rows"])}
    except (ValueError, KeyError, TypeError):
        raise ArtifactFault.at(str(folder / SCORES), "holds no scores", artifact.AGAIN) from None


def _column(column: ColumnProfile) -> Json:
    missing = column.num_missing / column.num_rows if column.num_rows else 0.0
    found: Json = {"name": column.name, "kind": column.kind.value, "missing": missing, "shape": list(column.shape)}
    found["nullable"] = column.kind not in (ColumnKind.IMAGE, ColumnKind.SERIES)
    found["whole"] = column.whole
    if column.kind in (ColumnKind.NUMERIC, ColumnKind.SERIES):
        found |= {"low": column.low, "high": column.high, "mean": column.mean}
    if column.kind is ColumnKind.CATEGORY:
        found |= {"levels": list(column.levels[:MAX_LEVELS]), "num_levels": len(column.levels)}
    return found


def _forecast(framing: Framing) -> Json:
    past = framing.past
    return {
        "series": list(framing.series),
        "time": framing.time,
        "known": list(framing.known),
        "horizon": past.horizon,
        "season": past.season,
        "fewest": past.fewest,
    }


def _example(folder: Path, model: Model, framing: Framing | None) -> dict[str, Any]:
    kept = example.read(folder)
    if kept is not None:
        return {"from": "training", "requests": kept}
    if framing is not None:
        return {"from": "", "requests": []}
    return {"from": "typical", "requests": [[example.typical(model.profile)]]}
