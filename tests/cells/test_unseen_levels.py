"""A file most of whose levels training never saw is told to its owner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from assay.kinds.tabular import Tabular
from assay.model import Model
from assay.workflows.unseen_levels import unseen_levels

ROWS = pa.table({"town": ["a", "b", "c"] * 20, "n": [0.5, 2.5] * 30, "y": ["no", "yes"] * 30})


def model() -> Model:
    kind = Tabular()
    profile = kind.profile(kind.summarise(ROWS, np.arange(60), 0), "y", None, {}, None)
    return Model("tabular", profile, {}, ())


def test_a_file_of_other_levels_is_told_with_the_first() -> None:
    (warning,) = unseen_levels(model(), pa.table({"town": ["a", "A", "B", "C"] * 5, "n": [1.0] * 20}))
    assert "column 'town': 15 of 20 values are levels that training never saw (first: 'A' in row 1)" in warning
    assert "training saw 'a', 'b', 'c'" in warning


def test_a_few_new_levels_and_few_rows_are_no_news() -> None:
    assert unseen_levels(model(), ROWS) == []
    assert unseen_levels(model(), pa.table({"town": ["a", "b", "d"] * 5})) == []
    assert unseen_levels(model(), pa.table({"town": ["d"] * 3})) == []
    assert unseen_levels(model(), pa.table({"town": [None] * 30})) == []


def test_levels_too_many_to_be_kept_are_no_news() -> None:
    known = model()
    column = replace(known.profile.columns[0], num_rows=1_000)
    cut = replace(known, profile=replace(known.profile, columns=(column, *known.profile.columns[1:])))
    assert unseen_levels(cut, pa.table({"town": ["d"] * 30})) == []
