"""Tables as hypothesis draws them: every type of column, odd levels, missing words, large integers, dates and zones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from assay import catalog
from assay.batch import Pending
from assay.model import Member, Model
from assay.recipe import Recipe, learn_steps
from assay.spec import ColumnSpec
from assay.vocabulary import ColumnKind, Shelf

TRAINING_ROWS, NEW_ROWS = 24, 8
LABEL = "label"
ODD_LEVELS = (
    "NA", "None", "?", "null", "007", "7", "7a", "1", "1.0", "true", "False", "yes", "n.a.", "-", "",
    "a,b", 'a"b', "a;b", "a\nb", "Łódź", "日本", "1e3", "0x1F", "12,5", "$3", "2024-02-30", "inf", "#N/A",
)  # fmt: skip
CODES = ("1.0", "2.0", "3.0", "10.0")
BIG = 900_719_925_474_099_300  # neighbours of it are one float64
WORDS = ("good", "bad", "NA", "None", "null", "naïve", "日本語", '"quoted"', "comma,", "line\nbreak", "007", "?")
SUMMER = timezone(timedelta(hours=2))


@dataclass(frozen=True)
class Drawn:
    """Rows to train on and rows to predict, with what the experiment file declares of their columns."""

    train: pa.Table
    new: pa.Table
    declared: dict[str, ColumnSpec]


def _moments(zone: Any = None) -> st.SearchStrategy[datetime]:
    low, high = datetime(1971, 1, 1), datetime(2262, 1, 1)
    return st.datetimes(low, high).map(lambda at: at.replace(tzinfo=zone))


# Of each type of column: its Arrow type, what its values are, and the kind that the experiment file declares.
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any], ColumnKind | None]] = {
    "float": (pa.float64(), st.floats(-1e30, 1e30, allow_subnormal=False), ColumnKind.NUMERIC),
    "whole": (pa.int64(), st.integers(-1_000, 1_000), ColumnKind.NUMERIC),
    "large": (pa.int64(), st.integers(-(2**62), 2**62), ColumnKind.NUMERIC),
    "flag": (pa.bool_(), st.booleans(), ColumnKind.BOOLEAN),
    "level": (pa.string(), st.sampled_from(ODD_LEVELS), ColumnKind.CATEGORY),
    "code": (pa.int64(), st.integers(1, 4), ColumnKind.CATEGORY),
    "spelled": (pa.string(), st.sampled_from(CODES), ColumnKind.CATEGORY),
    "id": (pa.int64(), st.integers(BIG, BIG + 5), ColumnKind.CATEGORY),
    "day": (pa.date32(), st.dates(date(1971, 1, 1), date(2262, 1, 1)), ColumnKind.DATETIME),
    "moment": (pa.timestamp("us"), _moments(), ColumnKind.DATETIME),
    "zoned": (pa.timestamp("us", "UTC"), _moments(UTC), ColumnKind.DATETIME),
    "abroad": (pa.timestamp("us", "Europe/Berlin"), _moments(SUMMER), ColumnKind.DATETIME),
    "text": (pa.string(), st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), ColumnKind.TEXT),
}


@st.composite
def tables(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Drawn:
    """Draw a table of some columns in any order, with missing values in any of them."""
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6, unique=True))
    arrays: dict[str, pa.Array] = {"always": pa.array(np.linspace(0, 1, TRAINING_ROWS + NEW_ROWS))}
    declared = {}
    for name in names:
        kind, values, column_kind = COLUMNS[name]
        some = st.one_of(values, values, values, st.none()) if draw(st.booleans()) else values
        total = TRAINING_ROWS + NEW_ROWS
        cells = draw(st.lists(some, min_size=total, max_size=total))
        arrays[name] = pa.array(cells, kind)
        declared[name] = ColumnSpec(kind=column_kind)
    whole = pa.table(arrays)
    label_N = np.random.default_rng(draw(st.integers(0, 99))).normal(size=TRAINING_ROWS)
    train = whole.slice(0, TRAINING_ROWS).append_column(LABEL, pa.array(label_N))
    return Drawn(train.combine_chunks(), whole.slice(TRAINING_ROWS).combine_chunks(), declared)


def trained(train: pa.Table, declared: dict[str, ColumnSpec]) -> Model:
    """Return a ridge regression on all that the steps make of the columns: any change of a cell moves its answer."""
    kind = catalog.make(Shelf.KINDS, "tabular")
    row_N = np.arange(train.num_rows)
    profile = kind.profile(kind.summarise(train, row_N, 0), LABEL, None, declared, None)
    batch = kind.to_batch(train, profile)
    steps, learned = learn_steps([Pending(key, {}) for key in kind.default_steps("numbers")], batch, 0)
    fitted = catalog.make(Shelf.ALGORITHMS, "ridge").fit(learned.packed(), seed=0)
    return Model("tabular", profile, {"all": Recipe(steps)}, (Member("ridge", "ridge", {}, "all", fitted),))
