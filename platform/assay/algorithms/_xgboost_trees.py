"""XGBoost's trees as plain arrays, and back: XGBoost only ever reads a model that was written here.

Its own reader trusts node and feature numbers of a file and uses them as addresses. So a file holds arrays of numbers,
which are checked, and the model that XGBoost parses is put together from them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.algorithms._arrays import Shape, from_files, need, to_files
from assay.parts import Files, Json

MAX_DEPTH = 512  # XGBoost walks some trees by recursion
NO_PARENT = 2**31 - 1  # how XGBoost marks a root
OBJECTIVE = {0: "reg:squarederror", 2: "binary:logistic"}
TYPES = {
    "size_T": ("int32", 1),
    "left_S": ("int32", 1),
    "right_S": ("int32", 1),
    "feature_S": ("int32", 1),
    "value_S": ("float32", 1),
    "default_left_S": ("uint8", 1),
    "base_K": ("float32", 1),
    "offset_1": ("float64", 1),
}


def objective(num_classes: int) -> str:
    """Return XGBoost's name of the loss."""
    return OBJECTIVE.get(num_classes, "multi:softprob")


@dataclass(frozen=True)
class SplitTrees:
    """T trees one after another, S nodes in all; trees of K classes take turns.

    `left_S` and `right_S` are numbers of nodes within the tree, -1 in a leaf; `value_S` is the threshold of a split, a
    missing value goes left where `default_left_S`, or the value of a leaf; `base_K` is the prediction of no tree, a
    probability for two classes; `offset_1` is the number to add to predictions of a number.
    """

    shape: Shape
    size_T: np.ndarray
    left_S: np.ndarray
    right_S: np.ndarray
    feature_S: np.ndarray
    value_S: np.ndarray
    default_left_S: np.ndarray
    base_K: np.ndarray
    offset_1: np.ndarray

    @classmethod
    def of(cls, booster: Any, shape: Shape, offset: float) -> SplitTrees:
        """Return the trees of a booster."""
        learner = json.loads(booster.save_raw("json"))["learner"]
        trees = learner["gradient_booster"]["model"]["trees"]
        keys = ("left_children", "right_children", "split_indices", "split_conditions", "default_left")
        dtypes = (np.int32, np.int32, np.int32, np.float32, np.uint8)
        joined = (
            np.concatenate([np.array(tree[key], dtype) for tree in trees])
            for key, dtype in zip(keys, dtypes, strict=True)
        )
        size_T = np.array([len(tree["left_children"]) for tree in trees], np.int32)
        base_K = np.array(json.loads(learner["learner_model_param"]["base_score"]), np.float32)
        left_S, right_S, feature_S, value_S, default_left_S = joined
        return cls(shape, size_T, left_S, right_S, feature_S, value_S, default_left_S, base_K, np.array([offset]))

    @property
    def num_rounds(self) -> int:
        """Trees of one class."""
        return len(self.size_T) // self.trees_per_round

    @property
    def trees_per_round(self) -> int:
        """Trees that are grown at once."""
        return self.shape.num_classes if self.shape.num_classes > 2 else 1

    def booster(self) -> Any:
        """Return XGBoost's booster of these trees."""
        from xgboost import Booster

        return Booster({"nthread": 1, "verbosity": 0}, model_file=bytearray(json.dumps(self._model()).encode()))

    def _model(self) -> Json:
        start_T = np.cumsum(self.size_T, dtype=np.int64) - self.size_T
        trees = [self._tree(index, slice(start, start + size)) for index, (start, size) in enumerate(zip(
            start_T.tolist(), self.size_T.tolist(), strict=True))]  # fmt: skip
        per_round, num_features = self.trees_per_round, str(self.shape.num_features)
        model = {
            "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
            "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
            "iteration_indptr": list(range(0, len(trees) + 1, per_round)),
            "tree_info": [index % per_round for index in range(len(trees))],
            "trees": trees,
        }
        several = {"softmax_multiclass_param": {"num_class": str(per_round)}}
        one = {"reg_loss_param": {"scale_pos_weight": "1"}}
        learner = {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {"model": model, "name": "gbtree"},
            "learner_model_param": {
                "base_score": json.dumps(self.base_K.tolist()),
                "boost_from_average": "1",
                "num_class": str(per_round if per_round > 1 else 0),
                "num_feature": num_features,
                "num_target": "1",
            },
            "objective": {"name": objective(self.shape.num_classes), **(several if per_round > 1 else one)},
        }
        return {"learner": learner, "version": [3, 2, 0]}

    def _tree(self, index: int, nodes: slice) -> Json:
        left_n, right_n = self.left_S[nodes], self.right_S[nodes]
        size, split_n = len(left_n), left_n >= 0
        parent_n = np.full(size, NO_PARENT)
        parent_n[left_n[split_n]] = parent_n[right_n[split_n]] = np.flatnonzero(split_n)
        nothing = [0.0] * size  # what only matters while a tree grows
        param = {"num_deleted": "0", "num_feature": str(self.shape.num_features)}
        return {
            "base_weights": nothing,
            "categories": [],
            "categories_nodes": [],
            "categories_segments": [],
            "categories_sizes": [],
            "default_left": self.default_left_S[nodes].tolist(),
            "id": index,
            "left_children": left_n.tolist(),
            "loss_changes": nothing,
            "parents": parent_n.tolist(),
            "right_children": right_n.tolist(),
            "split_conditions": self.value_S[nodes].tolist(),
            "split_indices": self.feature_S[nodes].tolist(),
            "split_type": [0] * size,
            "sum_hessian": nothing,
            "tree_param": {**param, "num_nodes": str(size), "size_leaf_vector": "1"},
        }

    def files(self) -> Files:
        """Return the arrays as safetensors and the shape as JSON."""
        return to_files(self.shape, {name: getattr(self, name) for name in TYPES})

    @classmethod
    def from_files(cls, files: Files) -> SplitTrees:
        """Read what `files` returned.

        Raises:
            ArtifactFault: the arrays do not fit together, or a node points outside its tree or in a circle.
        """
        shape, arrays = from_files(files, TYPES)
        trees = cls(shape, **arrays)
        _check_sizes(trees)
        _check_nodes(trees)
        return trees


def _check_sizes(trees: SplitTrees) -> None:
    num_nodes = len(trees.left_S)
    for name in ("right_S", "feature_S", "value_S", "default_left_S"):
        need(len(getattr(trees, name)) == num_nodes, f"does not have {num_nodes} entries of {name}")
    size_T, per_round = trees.size_T, trees.trees_per_round
    need(len(size_T) > 0 and len(size_T) % per_round == 0, f"has {len(size_T)} trees, {per_round} in a round")
    need(bool((size_T > 0).all()) and int(size_T.sum(dtype=np.int64)) == num_nodes, "has sizes that are not its trees'")
    need(len(trees.offset_1) == 1, "does not have one offset")
    need(len(trees.base_K) == per_round, f"does not have {per_round} outputs")
    sure = trees.shape.num_classes != 2 or 0 < trees.base_K[0] < 1
    need(bool(sure), "starts from a probability that is not between 0 and 1")


def _check_nodes(trees: SplitTrees) -> None:
    left_S, right_S = trees.left_S.astype(np.int64), trees.right_S.astype(np.int64)
    size_T = trees.size_T.astype(np.int64)
    root_T = np.cumsum(size_T) - size_T
    root_S, size_S = np.repeat(root_T, size_T), np.repeat(size_T, size_T)
    split_S = left_S != -1
    need(bool((trees.default_left_S <= 1).all()), "has directions that are neither left nor right")
    need(bool((right_S[~split_S] == -1).all()), "has a leaf with a child")
    for child_S in (left_S, right_S):
        inside_S = (child_S > 0) & (child_S < size_S)
        need(bool(inside_S[split_S].all()), "has a node that is no node of its tree")
    feature_S = trees.feature_S
    need(bool(((feature_S >= 0) & (feature_S < max(trees.shape.num_features, 1))).all()), "splits on a missing feature")
    child_C = np.concatenate([(left_S + root_S)[split_S], (right_S + root_S)[split_S]])
    once = len(np.unique(child_C)) == len(child_C) == len(left_S) - len(root_T)
    need(once, "has a node that is not the child of one other")
    # Each node has one way up, and all ways from the roots down end: no circle is left over.
    level, seen = root_T, 0
    for _ in range(MAX_DEPTH):
        seen += len(level)
        level = level[split_S[level]]
        level = np.concatenate([(left_S + root_S)[level], (right_S + root_S)[level]])
    need(seen == len(left_S), f"has nodes in a circle, or more than {MAX_DEPTH} below each other")
