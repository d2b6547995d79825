"""Predictions for files of any size: Ray Data reads, an actor pool predicts, the driver writes in row order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.engines.loading import opened
from assay.errors import AssayError, ClusterFault
from assay.store import artifact

BATCH_ROWS = 8_192


class Predictor:
    """What runs in each actor: the model, loaded once from its folder and checked."""

    def __init__(self, folder: str) -> None:
        self.model = artifact.load(Path(folder))

    def __call__(self, table: pa.Table) -> pa.Table:
        return self.model.answer_table(table)


def predictions(
    folder: Path, paths: Sequence[str], declared: str | None, num_actors: int, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield tables of `row`, `prediction` and `probability_CLASS`, in the order of the rows, a block at a time.

    Only `columns`, those that the model reads, travel to the actors; a label among them is not needed.

    Raises:
        DataFault: the data cannot be read, or a column has another type than in training.
    """
    from ray.data import ActorPoolStrategy
    from ray.exceptions import RayError

    dataset, _ = opened(paths, declared)
    known = set(dataset.columns() or [])
    dataset = dataset.select_columns([name for name in columns if name in known] or list(known)[:1])
    pool: Any = ActorPoolStrategy(min_size=1, max_size=num_actors)  # one file has one block, and needs one actor
    predicted = dataset.map_batches(
        Predictor, fn_constructor_args=(str(folder),), batch_format="pyarrow", batch_size=BATCH_ROWS, compute=pool
    )
    next_row = 0
    try:
        for table in predicted.iter_batches(batch_format="pyarrow", batch_size=BATCH_ROWS, prefetch_batches=1):
            rows = pa.array(range(next_row, next_row + table.num_rows), pa.int64())
            next_row += table.num_rows
            yield table.add_column(0, "row", rows)
    except RayError as error:
        raise _cause(error) from None


def _cause(error: Any) -> AssayError:
    """Return the fault that a worker raised, or a fault of the cluster."""
    seen = error
    while seen is not None:
        if isinstance(seen, AssayError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    return ClusterFault.at("predict", f"a worker failed ({str(error).strip().splitlines()[-1][:300]})", "try again")
