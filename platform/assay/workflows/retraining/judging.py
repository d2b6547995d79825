"""Champion and challenger on the same rows, in the same process: what they say, and how long one row takes."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from assay.evaluation.promotion import Side, Verdict, judge
from assay.evaluation.slices import slices
from assay.model import Model
from assay.parts import Metric
from assay.seeds import child
from assay.spec.retraining import RetrainSpec
from assay.workflows.choices import metric_part
from assay.workflows.labelled_score import metric_key

NUM_ROWS, MIN_ROWS = 100, 20  # asked one by one in a round
NUM_ROUNDS = 5  # a busy machine only adds to a time, so of each row the best round counts
ROUND_S = 10.0
WARM_ROWS = 5


def verdict(champion: Model, challenger: Model, held: pa.Table, rule: RetrainSpec, seed: int) -> Verdict:
    """Judge both on rows whose labels are of classes that both know."""
    batch = champion.batch(held)
    metric: Metric = metric_part(metric_key(champion))
    champion_ms, challenger_ms = latencies_ms(champion, challenger, held)
    said_NK = champion.predict_batch(batch)
    sides = (
        Side(said_NK, champion.weighed(said_NK), _columns(champion), champion.classes, champion_ms),
        _beside(challenger, champion, held, challenger_ms),
    )
    parts = slices(champion.profile.used, dict(batch.columns))
    return judge(*sides, batch.label_N, metric, parts, rule, child(seed, "promotion"))


def _beside(challenger: Model, champion: Model, held: pa.Table, latency_ms: float) -> Side:
    """Return what the challenger says, of the champion's classes in their order."""
    said_NK = challenger.predict(held)
    weighed_NK = challenger.weighed(said_NK)
    said_NK, weighed_NK = (of_classes(value_NK, challenger, champion) for value_NK in (said_NK, weighed_NK))
    return Side(said_NK, weighed_NK, _columns(challenger), challenger.classes, latency_ms)


def of_classes(value_NK: np.ndarray, own: Model, asked: Model) -> np.ndarray:
    """Return the columns of another model's classes; what its own further classes got is shared out."""
    if own.classes == asked.classes:
        return value_NK
    places = [own.classes.index(name) if name in own.classes else -1 for name in asked.classes]
    padded_NK = np.concatenate([value_NK, np.zeros((len(value_NK), 1))], axis=1)
    kept_NK = padded_NK[:, places] + np.finfo(np.float64).tiny
    shared_NK: np.ndarray = kept_NK / kept_NK.sum(axis=1, keepdims=True)
    return shared_NK


def _columns(model: Model) -> tuple[tuple[str, str], ...]:
    return tuple((column.name, column.kind.value) for column in model.profile.used)


def latencies_ms(champion: Model, challenger: Model, table: pa.Table) -> tuple[float, float]:
    """Return the 95th percentile over rows of what each takes for one; they take turns, to meet the same machine."""
    place_n = np.linspace(0, table.num_rows - 1, NUM_ROWS).astype(int)
    rows = [table.slice(int(place), 1).combine_chunks() for place in place_n]
    for model in (champion, challenger):
        for row in rows[:WARM_ROWS]:
            model.predict(row)
    rounds = [_round(champion, challenger, rows) for _ in range(NUM_ROUNDS)]
    num_rows = min(map(len, rounds))
    best_ms = np.min([taken_ms[:num_rows] for taken_ms in rounds], axis=0)
    champion_ms, challenger_ms = np.quantile(best_ms, 0.95, axis=0)
    return float(champion_ms), float(challenger_ms)


def _round(champion: Model, challenger: Model, rows: list[pa.Table]) -> np.ndarray:
    taken_ms, started = [], time.perf_counter()
    for number, row in enumerate(rows):
        if number >= MIN_ROWS and time.perf_counter() - started > ROUND_S:
            break
        taken_ms.append((_once_ms(champion, row), _once_ms(challenger, row)))
    return np.array(taken_ms)


def _once_ms(model: Model, row: pa.Table) -> float:
    started = time.perf_counter()
    model.answer(model.predict(row))
    return 1e3 * (time.perf_counter() - started)
