"""Sentences that say plainly which class they are of, as tables and as batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.batch import Batch, Column
from assay.parts import Algorithm
from assay.profile import Profile
from assay.vocabulary import ColumnKind, Shelf

GOOD, BAD = ("fine", "great", "lovely", "clever"), ("dull", "awful", "broken", "silly")
PLAIN = ("the", "film", "was", "rather", "and", "so", "it", "here")


def table(num_rows: int = 120, seed: int = 0) -> pa.Table:
    """Return sentences and whether they praise or pan."""
    draw = np.random.default_rng(seed)
    said, label = [], []
    for row in range(num_rows):
        words = [*draw.choice(PLAIN, 5), *draw.choice(GOOD if row % 2 else BAD, 2)]
        said.append(" ".join(draw.permutation(words)))
        label.append("praise" if row % 2 else "pan")
    return pa.table({"said": said, "label": label})


def profile_of(rows: pa.Table, **declared: object) -> Profile:
    """Return what the kind says of the columns."""
    kind = catalog.make(Shelf.KINDS, "text")
    summaries = kind.summarise(rows, np.arange(rows.num_rows), seed=0)
    made: Profile = kind.profile(summaries, "label", None, declared, None)
    return made


def batch(num_rows: int = 120, seed: int = 0) -> Batch:
    """Return sentences as algorithms read them."""
    rows = table(num_rows, seed)
    made: Batch = catalog.make(Shelf.KINDS, "text").to_batch(rows, profile_of(rows))
    return made


def texts(*said: str) -> Batch:
    """Return sentences without a label."""
    found = np.empty(len(said), object)
    found[:] = said
    return Batch({"said": found}, {"said": Column(ColumnKind.TEXT)}, np.arange(len(said)), num_classes=2)


def series(x_NTC: np.ndarray, y_N: np.ndarray | None = None) -> Batch:
    """Return series as algorithms read them."""
    meaning = {"x": Column(ColumnKind.SERIES)}
    return Batch({"x": x_NTC.astype(np.float32)}, meaning, np.arange(len(x_NTC)), y_N, num_classes=2)


def algorithm(key: str, **params: object) -> Algorithm:
    """Return an algorithm; a recurrent network small enough for a test."""
    small = {"width": 12, "embedding": 16, "num_epochs": 10} if key == "rnn" else {}
    made: Algorithm = catalog.make(Shelf.ALGORITHMS, key, {**small, **params})
    return made
