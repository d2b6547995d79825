"""Options that many verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay.vocabulary import OnError

Storage = Annotated[
    Path | None, typer.Option(help="Folder that remembers.", envvar="ASSAY_STORAGE", show_default=".assay")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join.", envvar="RAY_ADDRESS")]
Preset = Annotated[
    str | None, typer.Option(help="fast, balanced or best, instead of preset; what FILE says itself still wins.")
]
Format = Annotated[str | None, typer.Option("--format", help="csv or parquet, when the ending does not tell.")]
TrackingUri = Annotated[str | None, typer.Option(help="MLflow server.", envvar="MLFLOW_TRACKING_URI")]
OnErrorOption = Annotated[
    OnError,
    typer.Option(
        "--on-error",
        help="What to do with rows that cannot be read: fail, skip (leave them out) or null (no prediction for them).",
    ),
]
