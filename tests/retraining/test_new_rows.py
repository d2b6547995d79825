"""Which rows teach and which judge: the newest, never a copy of what the champion learned from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from assay.errors import DataFault
from assay.spec import DataSpec
from assay.spec.retraining import RetrainSpec
from assay.workflows.retraining.copies import without_copies
from assay.workflows.retraining.division import Gathered, gather, labelled_only
from assay.workflows.windows import Window

RULE = RetrainSpec(min_rows=30)


def rows(num_rows: int, first: int = 0, **columns: object) -> pa.Table:
    """Return rows that are numbered, with a number, a town and a label."""
    number_N = np.arange(first, first + num_rows)
    plain = {"at": number_N, "x": number_N * 0.37 % 5, "town": [["Oslo", "Rome"][row % 2] for row in number_N]}
    return pa.table({**plain, "y": [["no", "yes"][int(row % 3 == 0)] for row in number_N], **columns})


def gathered(old: pa.Table, new: pa.Table, window: str | None = None, **data: str) -> Gathered:
    spec = DataSpec(train="memory", label="y", **data)  # type: ignore[arg-type]
    return gather(old, new, spec, RULE, ["x", "town"], None if window is None else Window.parse(window))


def numbers(table: pa.Table) -> list[int]:
    return [int(value) for value in table.column("at").to_pylist()]


def test_the_newest_by_their_place_judge_and_the_others_teach() -> None:
    found = gathered(rows(200), rows(100, 200))
    assert numbers(found.held) == list(range(270, 300))
    assert numbers(found.train) == list(range(270))


def test_the_newest_by_their_time_judge() -> None:
    mixed = rows(100, 200).take(pa.array(np.random.default_rng(0).permutation(100)))
    found = gathered(rows(200), mixed, time="at")
    assert numbers(found.held) == list(range(270, 300))


def test_rows_of_one_time_stay_together() -> None:
    days = rows(100, 200).set_column(0, "at", pa.array(np.repeat(np.arange(10), 10) + 1_000))
    found = gathered(rows(200), days, time="at")
    assert set(numbers(found.held)) == {1_007, 1_008, 1_009}


def test_few_new_rows_give_half_of_them_to_judge() -> None:
    assert gathered(rows(200), rows(64, 200)).held.num_rows == 30
    assert gathered(rows(200), rows(40, 200)).held.num_rows == 20


def test_a_window_leaves_the_oldest_rows_out_and_judges_by_the_same() -> None:
    found = gathered(rows(200), rows(100, 200), window="150")
    assert numbers(found.train) == list(range(120, 270))
    assert numbers(found.held) == list(range(270, 300))


def test_a_file_of_all_rows_so_far_brings_only_its_new_ones() -> None:
    found = gathered(rows(200), rows(300))
    assert (found.num_new, found.train.num_rows, found.held.num_rows) == (100, 270, 30)
    assert "200 new rows are copies of old ones and left out" in found.notes


def test_a_copy_is_told_although_a_csv_file_spells_it() -> None:
    spelled = {"at": pc.cast(pa.array(np.arange(150, 250)), pa.string())}
    found = gathered(rows(200), rows(100, 150, **spelled))
    assert found.num_new == 50


def test_rows_that_repeat_themselves_are_no_copies() -> None:
    old, new = (rows(num).select(["town", "y"]) for num in (200, 100))
    spec = DataSpec(train="memory", label="y")
    found = gather(old, new, spec, RULE, ["town"])
    assert found.num_new == 100
    assert "cannot be told" in found.notes[0]


def test_rows_that_judged_before_do_not_judge_again() -> None:
    spec = DataSpec(train="memory", label="y")
    found = gather(rows(200), rows(1_000, 200), spec, RULE, ["x"], num_fresh=100)
    assert numbers(found.held) == list(range(1_170, 1_200))


def test_groups_that_judge_are_new_and_whole() -> None:
    old = rows(200, group=[f"g{row // 20}" for row in range(200)])
    new = rows(100, 200, group=[f"g{row // 20}" for row in range(190, 290)])
    found = gathered(old, new, group="group")
    assert not set(found.held.column("group").to_pylist()) & set(found.train.column("group").to_pylist())
    assert found.held.num_rows >= 30


def test_a_column_that_the_champion_reads_must_be_there() -> None:
    with pytest.raises(DataFault, match=r"column 'town': is missing from the new rows, the champion reads it"):
        gathered(rows(200), rows(100, 200).drop_columns(["town"]))


def test_a_column_that_nobody_reads_may_be_missing_and_more_are_told() -> None:
    new = rows(100, 200, plan=["basic"] * 100).drop_columns(["at"])
    found = gathered(rows(200), new)
    assert found.held.column("at").null_count == found.held.num_rows
    assert found.notes[0].startswith("columns that the old rows lack are left out: plan")


def test_types_that_cannot_meet_are_told_by_their_column() -> None:
    with pytest.raises(DataFault, match="column 'x': holds list"):
        gathered(rows(200), rows(100, 200, x=[[1.0]] * 100))


def test_rows_without_a_label_are_left_out_and_counted() -> None:
    late = rows(100, y=["yes", "", None, "no"] * 25)
    found, notes = labelled_only(late, "y")
    assert (found.num_rows, notes) == (50, ["50 new rows without a label are left out"])


def test_rows_of_a_log_are_ordered_by_its_time_which_is_no_column_of_theirs() -> None:
    spec, order_N = DataSpec(train="memory", label="y"), np.random.default_rng(1).permutation(100)
    log = rows(100, 200).append_column("time_utc", pa.array(np.arange(100))).take(pa.array(order_N))
    found = gather(rows(200), log, spec, RULE, ["x"], time="time_utc")
    assert numbers(found.held) == list(range(270, 300))
    assert found.notes == ()


def test_files_of_images_that_the_old_rows_hold_are_copies() -> None:
    files = [f"file {number}".encode() for number in range(30)]
    labels = ["cat", "dog"] * 15
    old = pa.table({"image": pa.array(files[:20]), "y": labels[:20]})
    notes: list[str] = []
    new = without_copies(old, pa.table({"image": pa.array(files), "y": labels}), notes)
    assert new.column("image").to_pylist() == files[20:]
