"""Reads what CatBoost learned: its trees as plain arrays, its statistics of categories as sets of levels."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from assay.algorithms._arrays import Shape
from assay.algorithms._oblivious import ObliviousTrees, Question

NEVER = -50.0  # the logit of a class without rows
Learned = tuple[list[tuple[list[Question], np.ndarray]], np.ndarray]


def pool_of(x_NF: np.ndarray, category_F: np.ndarray, y_N: np.ndarray | None, weight_N: np.ndarray | None) -> Any:
    """Return the rows as CatBoost takes them: codes of categories are texts, "-1" where missing."""
    from catboost import FeaturesData, Pool

    number_ND = np.ascontiguousarray(x_NF[:, ~category_F], dtype=np.float32)
    code_ND = np.nan_to_num(x_NF[:, category_F], nan=-1.0).astype(np.int64)
    data = FeaturesData(
        num_feature_data=number_ND if number_ND.shape[1] else None,
        cat_feature_data=code_ND.astype("S").astype(object) if code_ND.shape[1] else None,
    )
    return Pool(data, y_N, weight=weight_N)


def trees_of(booster: Any, category_F: np.ndarray, num_levels: Sequence[int]) -> Learned:
    """Return each tree's questions, lowest bit first, and value_LC of its leaves, with bias_C."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.json")
        booster.save_model(str(file), format="json")
        said = json.loads(file.read_bytes())
    scale, bias_C = said["scale_and_bias"]
    assert scale == 1
    number = np.flatnonzero(~category_F)
    sets = _sets(booster, category_F, num_levels)
    found = []
    for index, tree in enumerate(said["oblivious_trees"]):
        questions = [
            Question(int(number[split["float_feature_index"]]), float(np.float32(split["border"])))
            if split["split_type"] == "FloatFeature"
            else sets(index, bit)
            for bit, split in enumerate(tree["splits"] or ())  # none where no question helps
        ]
        found.append((questions, np.array(tree["leaf_values"]).reshape(1 << len(questions), -1)))
    return found, np.array(bias_C)


def spread(learned: Learned, shape: Shape, class_C: np.ndarray, offset: float) -> ObliviousTrees:
    """Return the trees with an output for every class, those of `class_C` from the booster, and the offset added."""
    found, bias_C = learned
    num_outputs = shape.num_classes if shape.num_classes > 2 else 1
    trees = []
    for questions, value_LC in found:
        value_LK = np.zeros((len(value_LC), num_outputs))
        value_LK[:, class_C] = value_LC
        trees.append((questions, value_LK))
    bias_K = np.full(num_outputs, NEVER)
    bias_K[class_C] = bias_C + offset
    return ObliviousTrees.of(shape, trees, bias_K)


def _sets(booster: Any, category_F: np.ndarray, num_levels: Sequence[int]) -> Callable[[int, int], Question]:
    """Return a function that gives the question about a category at a bit of a tree.

    CatBoost is asked itself, leaf by leaf: in each block of rows one category runs through all its codes and the others
    stand still, so a bit that changes belongs to that category, and says which codes are in the set.
    """
    category = np.flatnonzero(category_F)
    codes = [np.arange(-1, num_levels[feature] + 1) for feature in category.tolist()]
    end_B = np.cumsum([0, *map(len, codes)])
    probe_NF = np.zeros((end_B[-1], len(category_F)), np.float32)
    for block, feature in enumerate(category):
        probe_NF[end_B[block] : end_B[block + 1], feature] = codes[block]
    leaf_NT = booster.calc_leaf_indexes(pool_of(probe_NF, category_F, None, None)) if len(category) else None

    def question(tree: int, bit: int) -> Question:
        assert leaf_NT is not None
        yes_N = (leaf_NT[:, tree] >> bit & 1).astype(bool)
        for block, feature in enumerate(category):
            yes_C = yes_N[end_B[block] : end_B[block + 1]]
            if yes_C.any() and not yes_C.all():
                return Question(int(feature), yes_C=tuple(yes_C.tolist()))
        return Question(int(category[0]), yes_C=(bool(yes_N[0]),) * len(codes[0]))

    return question
