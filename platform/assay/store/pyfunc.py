"""The door through which MLflow loads our models: `mlflow.pyfunc.load_model("models:/NAME@champion")`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.cells import from_frame
from assay.forecasting.requests import forecast, framing_of
from assay.model import Model
from assay.store import artifact

if TYPE_CHECKING:
    import pandas as pd


class Predictor:
    """What MLflow calls."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return `prediction`, and `probability_CLASS` for each class, with the index of `rows`.

        A model that forecasts is given the history of each series, and returns a row for each series and time to come.
        """
        framing = framing_of(self.model.card)
        if framing is not None:
            told = forecast(framing, from_frame(rows), self.model.predict)
            coming: pd.DataFrame = told.to_pandas()
            return coming
        answer: pd.DataFrame = self.model.answer_table(from_frame(rows)).to_pandas()
        answer.index = rows.index
        return answer


def _load_pyfunc(path: str) -> Predictor:
    """Load the artifact at `path`; every file is checked first."""
    return Predictor(artifact.load(Path(path)))
