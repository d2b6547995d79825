"""The peer's model: the booster of ours, and the encoding of rows as one would write it by hand.

It knows nothing of assay: a folder with LightGBM's text and one JSON file. `app` puts it behind FastAPI, and
`_load_pyfunc` behind MLflow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from fastapi import FastAPI, Request

FOLDER_VARIABLE = "PLAIN_MODEL"
NAN = float("nan")


class PlainModel:
    """From rows, as JSON has them, to a class and its probabilities."""

    def __init__(self, folder: Path) -> None:
        self.booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
        known = json.loads((folder / "columns.json").read_text())
        self.classes: list[str] = known["classes"]
        # Of a category the code of each level; None of a number.
        self.codes: dict[str, dict[str, float] | None] = {
            name: levels and {level: float(code) for code, level in enumerate(levels)}
            for name, levels in known["columns"].items()
        }

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return what ours returns for the same rows."""
        x_NF = np.array([[self._number(name, row[name]) for name in self.codes] for row in rows], np.float32)
        first, second = self.classes
        return [
            {
                "prediction": second if share > 0.5 else first,
                f"probability_{first}": 1.0 - share,
                f"probability_{second}": share,
            }
            for share in self.booster.predict(x_NF, num_threads=1).tolist()
        ]

    def _number(self, name: str, value: Any) -> float:
        codes = self.codes[name]
        if codes is None:
            return NAN if value is None else value
        return NAN if not isinstance(value, str) else codes.get(value, len(codes))


def app() -> FastAPI:
    """Return the FastAPI application of the model in the folder that the environment names."""
    model = PlainModel(Path(os.environ[FOLDER_VARIABLE]))
    made = FastAPI()

    @made.post("/invocations")
    async def invocations(request: Request) -> dict[str, Any]:
        return {"predictions": model.predict((await request.json())["dataframe_records"])}

    return made


class Predictor:
    """What MLflow calls."""

    def __init__(self, model: PlainModel) -> None:
        self.model = model

    def predict(self, rows: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return a data frame for a data frame."""
        import pandas as pd

        return pd.DataFrame(self.model.predict(rows.to_dict("records")))


def _load_pyfunc(path: str) -> Predictor:
    return Predictor(PlainModel(Path(path)))
