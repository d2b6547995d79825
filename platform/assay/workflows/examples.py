"""Which rows a model is shown with: a few of the training rows, chosen by the seed, as a client would send them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.forecasting.requests import wanted
from assay.parts import Json, Kind
from assay.seeds import child, row_hash
from assay.spec import Experiment
from assay.store.example import NUM_EXAMPLES
from assay.vocabulary import Shelf
from assay.workflows.prepare import Rows


def examples_of(experiment: Experiment, rows: Rows) -> Sequence[Sequence[Json]]:
    """Return what a few requests hold: a training row each, or for a forecast the newest rows of one series.

    Values are those of the file, typed: numbers, true/false, text; dates as text, images as base64, series as lists.
    """
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    if rows.frames is not None:
        sent = kind.as_request(rows.frames.recent, wanted(rows.frames.framing, rows.profile))
        return [sent] if sent else []
    hash_N = row_hash(rows.train_row_N, child(experiment.seed, "example"))
    first_n = np.argsort(hash_N, kind="stable")[:NUM_EXAMPLES]
    chosen = rows.train.take(pa.array(first_n))
    return [[row] for row in kind.as_request(chosen, rows.profile)]
