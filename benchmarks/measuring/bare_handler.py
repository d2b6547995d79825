"""Our model as one would serve it without a server of ours: a handler of FastAPI round `assay`'s own predict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
from fastapi import FastAPI, Request

from assay.store import artifact

FOLDER_VARIABLE = "BARE_MODEL"


def app() -> FastAPI:
    """Return the FastAPI application of the artifact in the folder that the environment names."""
    model = artifact.load(Path(os.environ[FOLDER_VARIABLE]))
    made = FastAPI()

    @made.post("/invocations")
    async def invocations(request: Request) -> dict[str, Any]:
        rows = pa.Table.from_pylist((await request.json())["dataframe_records"])
        return {"predictions": model.answer_table(rows).to_pylist()}

    return made
