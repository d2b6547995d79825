"""Labels of later rows: those that cannot be read are counted and named, the others stay."""

from __future__ import annotations

import pyarrow as pa

from assay.profile import LabelProfile
from assay.vocabulary import Task
from assay.workflows.new_labels import readable_labels

PRICE = LabelProfile("y", Task.REGRESSION)


def test_values_that_are_no_numbers_are_named_and_left_out() -> None:
    found = readable_labels(pa.table({"y": ["1.5", "many", None, "2", "many"]}), PRICE)
    assert found.table["y"].to_pylist() == [1.5, None, None, 2.0, None]
    assert "2 of 5 values are not numbers ('many' in row 1)" in found.notes[0]


def test_labels_that_all_can_be_read_are_untouched() -> None:
    rows = pa.table({"x": [1], "y": ["yes"]})
    found = readable_labels(rows, LabelProfile("y", Task.BINARY, ("no", "yes")))
    assert found.table is rows
    assert (found.num_unseen, found.notes) == (0, ())


def test_rows_without_the_label_are_returned_as_they_are() -> None:
    rows = pa.table({"x": [1]})
    assert readable_labels(rows, PRICE).table is rows
