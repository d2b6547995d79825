"""What `assay plan` and `assay init` say of rows before Ray starts is what a run does with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.errors import DataFault, SpecFault
from assay.notices import listening
from assay.spec import Experiment, parse_yaml
from assay.workflows.propose import initial, planned

DRAW = np.random.default_rng(0)


def plan(folder: Path, frame: pd.DataFrame, data: dict[str, Any] | None = None, **told: Any) -> dict[str, Any]:
    """Return what the plan of an experiment on a table says."""
    frame.to_csv(folder / "rows.csv", index=False)
    given = {"train": str(folder / "rows.csv"), "label": "y", **(data or {})}
    return planned(Experiment.model_validate({"experiment": "e", "data": given, **told}))


def init(folder: Path, frame: pd.DataFrame, label: str) -> tuple[dict[str, Any], str]:
    """Return the experiment that `init` writes for a table, and its text."""
    frame.to_csv(folder / "rows.csv", index=False)
    _, text = initial([str(folder / "rows.csv")], label)
    return parse_yaml(text, "rows.yaml").plain, text


def classes(num: int, **columns: Any) -> pd.DataFrame:
    """Return rows of two classes and one number."""
    return pd.DataFrame({"x": DRAW.normal(size=num), "y": np.tile(["a", "b"], num)[:num], **columns})


def test_a_value_that_a_run_could_not_read_is_found_by_the_plan(tmp_path: Path) -> None:
    frame = classes(40, day=[*["2023-02-01"] * 39, "2023-02-30"])
    with pytest.raises(DataFault, match=r"column 'day': .* days? that do(es)? not exist"):
        plan(tmp_path, frame, columns={"day": {"kind": "datetime"}})


def test_a_weight_of_a_class_that_is_not_there_is_found_by_the_plan(tmp_path: Path) -> None:
    with pytest.raises(SpecFault, match=r"class_weight\.maybe: the label has no class"):
        plan(tmp_path, classes(40), class_weight={"maybe": 5})


@pytest.mark.parametrize(
    ("frame", "data", "folds"),
    [
        (classes(14), {}, 6),
        (classes(100, site=np.repeat(list("abcde"), 20)), {"group": "site"}, 4),
        (classes(90, day=np.repeat(["2024-01-01", "2024-01-02", "2024-01-03"], 30)), {"time": "day"}, 1),
        (pd.DataFrame({"x": DRAW.normal(size=120), "y": ["ill"] * 6 + ["well"] * 114}), {}, 5),
    ],
    ids=["few rows", "few groups", "few days", "few of a class"],
)
def test_as_many_folds_are_taken_as_can_be_judged_and_a_line_says_so(
    tmp_path: Path, frame: pd.DataFrame, data: dict[str, Any], folds: int
) -> None:
    found = plan(tmp_path, frame, data)
    assert found["folds"] == folds
    assert found["test_rows"] > 0
    assert any(text.startswith(f"split.folds: {folds} and not 8") for text in found["warnings"])


def test_folds_that_the_file_asks_for_are_never_changed(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"8 folds of 80 training rows leave \d empty.*write `split: \{folds: 4\}`"):
        plan(tmp_path, classes(100, site=np.repeat(list("abcde"), 20)), {"group": "site"}, split={"folds": 8})


def test_few_numbers_are_no_classes_and_some_are_kept_for_the_test(tmp_path: Path) -> None:
    found = plan(tmp_path, pd.DataFrame({"x": DRAW.normal(size=16), "y": DRAW.normal(size=16)}))
    assert (found["task"], found["split"], found["test_rows"]) == ("regression", "shuffled", 3)


def test_of_three_large_groups_one_is_the_test(tmp_path: Path) -> None:
    found = plan(tmp_path, classes(60, site=np.repeat(list("abc"), 20)), {"group": "site"})
    assert found["test_rows"] == 20


def test_a_model_without_a_test_is_told_of(tmp_path: Path) -> None:
    frame = classes(60, site=np.repeat(list("ab"), 30))
    found = plan(tmp_path, frame, {"group": "site"}, split={"folds": 2})
    assert found["test_rows"] == 0
    assert any("no row of 60 is left for the test" in text for text in found["warnings"])


@pytest.mark.parametrize("sort", ["words", "numbers", "codes"])
def test_a_column_that_copies_the_label_is_warned_of(tmp_path: Path, sort: str) -> None:
    frame = classes(400)
    copies = {
        "words": frame["y"].map({"a": "passed", "b": "failed"}),
        "numbers": np.where(frame["y"] == "a", 1.0, 5.0) + DRAW.random(400),
        "codes": np.where(frame["y"] == "a", 3, 7) + DRAW.integers(0, 3, 400),
    }
    found = plan(tmp_path, frame.assign(verdict=copies[sort]))
    assert [text[:16] for text in found["warnings"]] == ["column 'verdict'"]
    assert "columns: {verdict: {drop: true}}" in found["warnings"][0]


def test_a_label_in_another_unit_is_warned_of(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": DRAW.normal(size=300), "y": DRAW.normal(20, 5, size=300)})
    found = plan(tmp_path, frame.assign(fahrenheit=32 + 1.8 * frame["y"]))
    assert [text[:19] for text in found["warnings"]] == ["column 'fahrenheit'"]


def test_strong_columns_are_no_copies(tmp_path: Path) -> None:
    frame = classes(400)
    strong = np.where(frame["y"] == "a", 0.0, 3.0) + DRAW.normal(size=400)
    rare = pd.DataFrame({"x": DRAW.normal(size=400), "y": ["ill"] * 4 + ["well"] * 396})
    assert plan(tmp_path, frame.assign(strong=strong))["warnings"] == []
    assert not any("copy" in text for text in plan(tmp_path, rare)["warnings"])


def test_rows_of_one_number_in_time_are_proposed_as_a_forecast(tmp_path: Path) -> None:
    months = pd.date_range("1949-01-01", periods=144, freq="MS").strftime("%Y-%m")
    found, text = init(tmp_path, pd.DataFrame({"Month": months, "Sold": np.arange(144) % 12 + 100}), "Sold")
    assert found["data"]["time"] == "Month"
    assert found["forecast"] == {"horizon": 12}
    assert "forecast: 'Sold' is all there is beside times in steps of 1 month" in text


def test_rows_of_several_series_are_proposed_as_a_forecast_of_each(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=80).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"shop": ["a"] * 80 + ["b"] * 80, "day": [*days, *days], "sold": np.arange(160) % 7})
    assert init(tmp_path, frame, "sold")[0]["forecast"] == {"horizon": 14, "series": ["shop"]}


def test_demand_on_few_days_is_proposed_with_nothing_on_the_others(tmp_path: Path) -> None:
    days = [str(day.date()) for day in pd.date_range("2024-01-01", periods=400) if DRAW.random() < 0.3]
    found, _ = init(tmp_path, pd.DataFrame({"day": days, "sold": DRAW.integers(1, 4, len(days))}), "sold")
    assert found["forecast"]["gaps"] == "zero"


def test_rows_in_order_of_time_are_judged_on_the_newest(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=80).strftime("%Y-%m-%d")
    found, text = init(tmp_path, classes(80, day=days, z=DRAW.normal(size=80)), "y")
    assert found["data"]["time"] == "day"
    assert "forecast" not in found
    assert "the rows are in the order of 'day': models are judged on the newest" in text


def test_rows_in_order_of_year_month_and_day_are_judged_on_the_newest_by_what_numbers_them(tmp_path: Path) -> None:
    days = pd.date_range("2010-01-01", periods=90)
    parts = {"No": np.arange(1, 91), "year": days.year, "month": days.month, "day": days.day}
    assert init(tmp_path, classes(90, **parts), "y")[0]["data"]["time"] == "No"


def test_rows_in_no_order_are_divided_at_random(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=80).strftime("%Y-%m-%d").to_numpy()
    found, text = init(tmp_path, classes(80, day=DRAW.permutation(days)), "y")
    assert "time" not in found["data"]
    assert "# Classes in the first rows: a 40, b 40." in text


def test_what_init_writes_is_planned_without_a_fault_and_with_the_same_warnings(tmp_path: Path) -> None:
    heard: list[str] = []
    with listening(heard.append):
        found, _ = init(tmp_path, classes(30), "y")
    assert planned(Experiment.model_validate(found))["warnings"] == heard


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1e-9), (1.7e9, 100.0)])
def test_features_far_from_one_are_told_apart(tmp_path: Path, offset: float, spread: float) -> None:
    frame = pd.DataFrame({"x": offset + spread * DRAW.normal(size=60), "y": np.tile(["a", "b"], 30)})
    assert plan(tmp_path, frame)["train_rows"] == 48
