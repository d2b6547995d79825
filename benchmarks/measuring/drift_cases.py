"""Samples that both assay and evidently are given, and what evidently says of them.

    python benchmarks/measuring/drift_cases.py > tests/watching/evidently.json

takes evidently 0.7.23 with pandas 2.2. Both are older than what assay works with, so they have an environment of their
own, and the figures are kept in that file.
"""

from __future__ import annotations

import json

import numpy as np

NUMBERS = {"same": 0.0, "tenth": 0.1, "half": 0.5, "one": 1.0}  # shift in standard deviations
LEVELS = {"same": (0.5, 0.3, 0.2), "near": (0.45, 0.33, 0.22), "far": (0.2, 0.3, 0.5)}
SIZES = {"small": (600, 400), "large": (3_000, 1_500)}  # rows then and now


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return samples then and now by name."""
    draw = np.random.default_rng(20)
    found = {}
    for size, (then, now) in SIZES.items():
        for name, shift in NUMBERS.items():
            found[f"{size} numbers {name}"] = (draw.normal(5, 2, then), draw.normal(5 + 2 * shift, 2, now))
        for name, share_K in LEVELS.items():
            before_n = draw.choice(["a", "b", "c"], then, p=LEVELS["same"])
            found[f"{size} levels {name}"] = (before_n, draw.choice(["a", "b", "c"], now, p=share_K))
    return found


def told_by_evidently() -> dict[str, dict[str, float]]:
    """Return evidently's distance and p-value of every case."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    told: dict[str, dict[str, float]] = {}
    for name, (before_n, now_n) in cases().items():
        numeric = "numbers" in name
        shape = DataDefinition(numerical_columns=["x"]) if numeric else DataDefinition(categorical_columns=["x"])
        sides = [Dataset.from_pandas(pd.DataFrame({"x": side_n}), shape) for side_n in (now_n, before_n)]
        methods = {"p": "ks" if numeric else "chisquare", "distance": "wasserstein" if numeric else "jensenshannon"}
        told[name] = {
            key: float(Report([ValueDrift(column="x", method=method)]).run(*sides).dict()["metrics"][0]["value"])
            for key, method in methods.items()
        }
    return told


if __name__ == "__main__":
    print(json.dumps(told_by_evidently(), indent=1))
