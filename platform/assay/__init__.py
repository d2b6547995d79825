"""assay: from data to a served, watched model with one experiment file, on Ray.

    import assay

    result = assay.Experiment(experiment="churn", data={"train": frame, "label": "left"}).run()
    print(result.leaderboard)

Importing the package imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.api import (
        Experiment,
        Predictions,
        Result,
        drift,
        explain,
        load_model,
        predict,
        resume,
        retrain,
        try_ensembles,
    )

__version__ = "0.1.0"
__all__ = [
    "Experiment",
    "Predictions",
    "Result",
    "__version__",
    "drift",
    "explain",
    "load_model",
    "predict",
    "resume",
    "retrain",
    "try_ensembles",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from assay import api

        return getattr(api, name)
    raise AttributeError(f"module 'assay' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
