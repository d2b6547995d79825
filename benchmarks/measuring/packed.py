"""A packed model by itself, in a fresh process: how fast it predicts, and its members against the whole.

python packed.py FOLDER TEST.parquet METRIC          # prints one JSON object
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay import catalog
from assay.evaluation.bootstrap import gain_interval, row_counts, score_interval
from assay.model import Model
from assay.store import artifact
from assay.vocabulary import Shelf

NUM_SINGLE, NUM_WARM, BATCH_ROWS, BATCHES_S = 200, 20, 8_192, 1.0
NUM_RESAMPLES = 500


def single_ms(model: Model, table: pa.Table) -> float:
    """Return the median time to predict one row, from a table of one row to its prediction."""
    walls_s = []
    for turn in range(NUM_WARM + NUM_SINGLE):
        row = table.slice(turn % table.num_rows, 1)
        started = time.perf_counter()
        model.predict(row)
        walls_s.append(time.perf_counter() - started)
    return 1e3 * statistics.median(walls_s[NUM_WARM:])


def rows_per_s(model: Model, table: pa.Table) -> float:
    """Return how many rows a second are predicted in batches, over a second at least."""
    batches = [table.slice(start, BATCH_ROWS) for start in range(0, table.num_rows, BATCH_ROWS)]
    model.predict(batches[0])
    num_rows, started = 0, time.perf_counter()
    while time.perf_counter() - started < BATCHES_S:
        for batch in batches:
            model.predict(batch)
            num_rows += batch.num_rows
    return num_rows / (time.perf_counter() - started)


def _alone(model: Model, name: str) -> Model:
    """Return the model that is one member, as it was fitted; models of one name are the folds of one member."""
    members = tuple(member for member in model.members if member.name == name)
    return replace(model, members=members, combination=None, calibration=None)


def members_against_whole(model: Model, table: pa.Table, key: str) -> dict[str, Any] | None:
    """Score each member of an ensemble on the test rows, and the ensemble against the best of them.

    None for a model of one member. The best member is chosen here by the test rows themselves, which favours it.
    """
    if model.combination is None:
        return None
    y_N = model.batch(table).label_N
    keys = list(dict.fromkeys([key, *(["log_loss"] if model.classes else [])]))
    metrics = {name: catalog.make(Shelf.METRICS, name) for name in keys}
    said = {name: _alone(model, name).predict(table) for name in dict.fromkeys(member.name for member in model.members)}
    whole_NK = model.predict(table)
    metric = metrics[key]
    scores = {
        name: {word: float(part.score(y_N, said_NK)) for word, part in metrics.items()}
        for name, said_NK in {"ensemble": whole_NK, **said}.items()
    }
    best = max(said, key=lambda name: metric.gain(scores[name][key]))
    weight_BN = row_counts(len(y_N), NUM_RESAMPLES, seed=0)
    own = score_interval(metric, y_N, whole_NK, weight_BN)
    low, high = gain_interval(
        metric, metric.resampled(y_N, whole_NK, weight_BN), metric.resampled(y_N, said[best], weight_BN)
    )
    better = metric.gain(scores["ensemble"][key]) >= metric.gain(scores[best][key])
    return {
        "scores": scores,
        "best_member": best,
        "at_least_best_member": bool(better),
        "within_interval": bool(better or own.low <= scores[best][key] <= own.high),
        "gain_over_best_member": {"low": low, "high": high},  # paired, 95 %
        "log_loss_not_worse": scores["ensemble"]["log_loss"] <= scores[best]["log_loss"] if model.classes else None,
    }


def measure(folder: Path, rows: Path, key: str) -> dict[str, Any]:
    """Return everything about a packed model that its run does not say."""
    started = time.perf_counter()
    model = artifact.load(folder)
    loaded_s = time.perf_counter() - started
    table = pq.read_table(rows)
    features = table.drop_columns([model.profile.label.name])
    return {
        "num_members": len(model.members),
        "load_s": loaded_s,
        "model_mb": artifact.open_artifact(folder).size_bytes / 1e6,
        "predict_1row_ms": single_ms(model, features),
        "predict_rows_per_s": rows_per_s(model, features),
        "members": members_against_whole(model, table, key),
    }


if __name__ == "__main__":
    np.seterr(all="ignore")
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
