"""Category levels and class labels compare by value, however a file, a frame or a request spells them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from assay.cells import Levels, canonical_levels, class_codes, level_codes, missing_labels

MERCHANT = 900719925474099300


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, 3, None]),
        pa.array([1, 2, 3, None], pa.uint8()),
        pa.array([1.0, 2.0, 3.0, None]),
        pa.array([1.0, 2.0, 3.0, float("nan")]),
        pa.array([Decimal("1.00"), Decimal("2.00"), Decimal("3.00"), None]),
        pa.array(["1", "2", "3", None]),
        pa.array(["1.0", "+2", " 3.00 ", ""]),
        pa.array([b"1", b"2", b"3", None]),
        pa.array(["1", "2", "3", "NA"]).dictionary_encode(),
        pa.array(["1", "2.", "3", "?"], pa.string_view()),
    ],
    ids=lambda column: str(column.type),
)
def test_one_level_has_one_code_in_every_type(column: pa.Array) -> None:
    assert level_codes(column, ("3", "1", "2")).tolist() == [1, 2, 0, -1]


def test_whole_numbers_of_18_digits_are_told_apart() -> None:
    levels = tuple(str(MERCHANT + step) for step in range(3))
    for column in (
        pa.array([MERCHANT, MERCHANT + 2, MERCHANT + 5]),
        pa.array([MERCHANT, MERCHANT + 2, MERCHANT + 5], pa.uint64()),
        pa.array([Decimal(MERCHANT), Decimal(MERCHANT + 2), Decimal(MERCHANT + 5)]),
        pa.array([str(MERCHANT), f"{MERCHANT + 2}.0", str(MERCHANT + 5)]),
    ):
        assert level_codes(column, levels).tolist() == [0, 2, 3]


def test_a_code_with_leading_zeros_is_no_number() -> None:
    levels = ("007", "12", "7")
    assert level_codes(pa.array(["007", "7", "07", "12.0", "0012"]), levels).tolist() == [0, 2, 3, 1, 3]
    assert level_codes(pa.array([7, 12, 8]), levels).tolist() == [2, 1, 3]
    assert level_codes(pa.array(["7", "7.0"]), ("007", "012")).tolist() == [2, 2]


def test_version_numbers_stay_apart() -> None:
    assert canonical_levels({"1.1": 3, "1.10": 2}) == {"1.1": 3, "1.10": 2}
    assert level_codes(pa.array(["1.10", "1.1", "1.100"]), ("1.1", "1.10")).tolist() == [1, 0, 2]


def test_spellings_of_one_number_become_one_level() -> None:
    assert canonical_levels({"1": 2, "1.0": 3, "2.50": 1}) == {"1": 5, "2.5": 1}
    assert canonical_levels({"True": 2, "FALSE": 1}) == {"true": 2, "false": 1}
    assert canonical_levels({"7": 2, "7a": 3}) == {"7": 2, "7a": 3}


@pytest.mark.parametrize("levels", [("true", "false"), ("1", "0")])
@pytest.mark.parametrize(
    "values", [[True, False, None], [1, 0, None], [1.0, 0.0, None], ["1", "0", ""], ["TRUE", "False", "NA"]]
)
def test_true_and_one_are_the_same(levels: tuple[str, ...], values: list[Any]) -> None:
    assert class_codes(pa.array(values), levels).tolist() == [0, 1, -1]


def test_one_is_not_true_among_other_numbers() -> None:
    assert class_codes(pa.array([True, False]), ("0", "1", "2")).tolist() == [3, 3]


def test_words_among_classes_are_classes() -> None:
    assert class_codes(pa.array(["None", "NA", "?"]), ("?", "NA", "None")).tolist() == [2, 1, 0]
    assert class_codes(pa.array(["None", "NA"]), ("0", "1")).tolist() == [-1, -1]
    assert class_codes(pa.array(["None", "no"]), ("no", "yes"), ("None",)).tolist() == [-1, 0]


def test_rows_without_a_label_are_told_by_what_the_others_are() -> None:
    classes = pa.array(["None", "Mild", "", "NA"])
    assert missing_labels(classes, None).to_pylist() == [False, False, True, False]
    assert missing_labels(classes, None, ["None"]).to_pylist() == [True, False, True, False]
    for numbers in (["1", "0", "", "n.a."], ["1.5", "2", "", "-"], ["True", "False", "", "None"]):
        assert missing_labels(pa.array(numbers), None).to_pylist() == [False, False, True, True]
    assert missing_labels(pa.array(["a", "-"]), regression=True).to_pylist() == [False, True]


def test_a_word_is_missing_in_a_category_of_any_type() -> None:
    levels = Levels(("A", "B"))
    assert levels.code("NA") == 2
    assert level_codes(pa.array(["NA", "None", "none", "A"]), ("A", "B")).tolist() == [-1, -1, 2, 0]
    assert level_codes(pa.array(["NA", "none"]), ("NA", "B"), ["none"]).tolist() == [0, -1]
    assert level_codes(pa.array([-999, 1]), ("1",), ["-999"]).tolist() == [-1, 0]
