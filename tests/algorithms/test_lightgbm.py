"""LightGBM: what a model text may say, when to stop, and threads."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from assay.algorithms._lightgbm_text import checked
from assay.algorithms.lightgbm import LightGBM
from assay.batch import Batch, Column
from assay.errors import ArtifactFault
from assay.vocabulary import ColumnKind

FEW = LightGBM.Params(num_trees=6, num_leaves=6, min_child_samples=5, feature_fraction=1.0, native_levels=40)


def table(num_classes: int, num_rows: int = 2_000) -> Batch:
    draw = np.random.default_rng(0)
    x_N, code_N = draw.normal(size=num_rows), draw.integers(-1, 40, num_rows).astype(np.int32)
    signal_N = x_N + 2 * (code_N % 3) + 0.1 * draw.normal(size=num_rows)
    y_N = np.digitize(signal_N, np.quantile(signal_N, [0.4, 0.7][: num_classes - 1])) if num_classes else signal_N
    meaning = {"x": Column(ColumnKind.NUMERIC), "c": Column(ColumnKind.CATEGORY, num_levels=40)}
    return Batch({"x": x_N, "c": code_N}, meaning, np.arange(num_rows), y_N, num_classes=num_classes).packed()


@cache
def text(num_classes: int = 3) -> str:
    return LightGBM(FEW).fit(table(num_classes), seed=0).files()["model.txt"].decode()


def sized(changed: str) -> str:
    """Return the text with `tree_sizes` that fit its trees again, so that only the change itself is wrong."""
    trees = re.findall(r"Tree=\d+\n.*?\n\n\n", changed, re.S)
    return re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(str(len(tree)) for tree in trees), changed)


def replaced(key: str, change: str | None, place: int = 0, tree: int = 0) -> str:
    """Return the text in which one number of one line of one tree is another (None: the number is gone)."""
    head, *trees = re.split(r"(?=Tree=\d+\n)", text())
    tree += next(index for index in range(len(trees)) if f"\n{key}=" in trees[index])
    line = re.search(rf"\n{key}=(.*)", trees[tree])
    assert line
    numbers = line[1].split(" ")
    numbers[place : place + 1] = [] if change is None else [change]
    trees[tree] = trees[tree].replace(line[0], f"\n{key}={' '.join(numbers)}", 1)
    return sized(head + "".join(trees))


CORRUPTIONS = {
    "a leaf that is not there": lambda: replaced("left_child", "-7"),
    "a leaf far outside": lambda: replaced("right_child", "-2147483648"),
    "a node that is not there": lambda: replaced("left_child", "5"),
    "a node far outside": lambda: replaced("left_child", "2147483647"),
    "a cycle to the root": lambda: replaced("left_child", "0"),
    "a node that is its own child": lambda: replaced("right_child", "1", place=1),
    "a missing child": lambda: replaced("left_child", None),
    "a feature that is not there": lambda: replaced("split_feature", "2"),
    "a negative feature": lambda: replaced("split_feature", "-1"),
    "fewer leaves than values": lambda: replaced("num_leaves", "5"),
    "a billion leaves": lambda: replaced("num_leaves", "1000000000"),
    "no leaves": lambda: replaced("num_leaves", "0"),
    "a missing leaf value": lambda: replaced("leaf_value", None),
    "a leaf value that is not a number": lambda: replaced("leaf_value", "nan"),
    "a leaf value that is too large": lambda: replaced("leaf_value", "1e999"),
    "an unknown decision": lambda: replaced("decision_type", "12"),
    "a numeric split made categorical": lambda: sized(
        re.sub(r"decision_type=(.*)\b2\b", r"decision_type=\g<1>3", text(), count=1)
    ),
    "categories that end outside": lambda: replaced("cat_boundaries", "1000", place=1),
    "categories that start outside": lambda: replaced("cat_boundaries", "-1"),
    "a missing word of categories": lambda: replaced("cat_threshold", None),
    "more categorical splits than there are": lambda: replaced("num_cat", "9"),
    "a linear tree": lambda: replaced("is_linear", "1"),
    "a line twice": lambda: sized(text().replace("\nshrinkage=", "\nshrinkage=1\nshrinkage=", 1)),
    "an unknown line": lambda: sized(text().replace("\nshrinkage=", "\nleaf_const=1\nshrinkage=", 1)),
    "sizes that are too small": lambda: re.sub(r"tree_sizes=(\d+)", "tree_sizes=10", text()),
    "sizes that are too large": lambda: re.sub(r"tree_sizes=(\d+)", "tree_sizes=99999999", text()),
    "a negative size": lambda: re.sub(r"tree_sizes=(\d+)", r"tree_sizes=-\1", text()),
    "a size too few": lambda: re.sub(r"tree_sizes=\d+ ", "tree_sizes=", text()),
    "fewer features than names": lambda: text().replace("max_feature_idx=1", "max_feature_idx=0"),
    "more classes than trees": lambda: text().replace("num_class=3", "num_class=4"),
    "another objective": lambda: text().replace("objective=multiclass num_class:3", "objective=custom"),
    "another version": lambda: text().replace("version=v4", "version=v3"),
    "an end cut off": lambda: text()[: len(text()) // 2],
    "something after the end": lambda: text() + "parameters:\n[input_model: elsewhere]\nend of parameters\n",
    "nothing": lambda: "",
    "not text": lambda: text().replace("Column_0", "Column_\u00e9"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_text_that_points_outside_itself_is_refused(name: str) -> None:
    changed = CORRUPTIONS[name]()
    assert changed != text()
    with pytest.raises(ArtifactFault, match=r"model\.txt"):
        LightGBM().load({"model.txt": changed.encode()})


@pytest.mark.parametrize("num_classes", [0, 2, 3])
def test_a_text_that_lightgbm_wrote_is_read(num_classes: int) -> None:
    model = checked(text(num_classes).encode())
    assert (model.num_classes, model.num_features, model.num_trees) == (num_classes, 2, 6)
    assert "cat_threshold" in model.text


def test_a_tree_that_did_not_split_is_read() -> None:
    constant = Batch({"x": np.zeros((60, 1))}, {"x": Column(ColumnKind.NUMERIC, features=("x",))}, np.arange(60))
    labelled = Batch(constant.columns, constant.meaning, constant.row_N, np.arange(60) % 2, num_classes=2)
    fitted = LightGBM(FEW).fit(labelled, seed=0)
    assert LightGBM().load(fitted.files()).predict(labelled)[0] == pytest.approx([0.5, 0.5])


def test_it_stops_when_the_inner_slice_gains_no_more() -> None:
    fitted = LightGBM(LightGBM.Params(num_trees=3_000, early_stopping_rounds=10, learning_rate=0.2)).fit(
        table(2), seed=0
    )
    assert 1 <= fitted.facts["num_trees"] < 500


def test_the_last_fit_grows_the_trees_that_the_folds_found_and_a_share_more() -> None:
    last = LightGBM(LightGBM.Params(inner_fraction=0.2)).settled([{"num_trees": 90.0}, {"num_trees": 110.0}])
    assert last.params.num_trees == 125
    assert last.params.early_stopping_rounds == 0


@pytest.mark.parametrize("native_levels", [0, 40])
def test_threads_do_not_change_a_bit(native_levels: int) -> None:
    algorithm = LightGBM(FEW.model_copy(update={"native_levels": native_levels, "bagging_fraction": 0.7}))
    one, two = (algorithm.fit(table(3, 4_000), seed=0, threads=threads).files() for threads in (1, 2))
    assert one == two
