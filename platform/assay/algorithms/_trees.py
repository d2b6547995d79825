"""Checks trees of scikit-learn that come from a file: their compiled code follows whatever it is told.

A child that points outside its tree, or a split on a feature that rows do not have, reads foreign memory. scikit-learn
checks types and shapes of what it reads, not the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def tree_faults(model: Any) -> Iterator[str]:
    """Yield what is wrong with each tree found anywhere inside a loaded model."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
    from sklearn.tree._tree import Tree

    for value, num_features in _inside(model, np.iinfo(np.int32).max, set()):
        if isinstance(value, Tree):
            yield from _plain_faults(value, num_features)
        elif isinstance(value, TreePredictor):
            yield from _histogram_faults(value, num_features)


def _inside(value: Any, num_features: int, seen: set[int]) -> Iterator[tuple[Any, int]]:
    """Yield every object reachable from `value`, with the least number of features that its owners promise."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | None):
        return
    seen.add(id(value))
    attributes = getattr(value, "__dict__", {})
    if isinstance(attributes.get("n_features_in_"), int):
        num_features = min(num_features, attributes["n_features_in_"])
    yield value, num_features
    inner = list(attributes.values())
    if isinstance(value, Mapping):
        inner += list(value.values())
    elif isinstance(value, list | tuple | set) or (isinstance(value, np.ndarray) and value.dtype == object):
        inner += list(np.ravel(value) if isinstance(value, np.ndarray) else value)
    for item in inner:
        yield from _inside(item, num_features, seen)


def _plain_faults(tree: Any, num_features: int) -> Iterator[str]:
    if not 0 < tree.node_count <= tree.capacity:
        yield f"a tree says it has {tree.node_count} nodes and holds {tree.capacity}"
        return
    split_n = tree.children_left != -1
    if not _children_follow(split_n, tree.children_left, tree.children_right):
        yield "a tree points to nodes that it does not have"
    feature_n = tree.feature[split_n]
    if not ((feature_n >= 0) & (feature_n < min(num_features, tree.n_features))).all():
        yield "a tree splits on features that rows do not have"


def _histogram_faults(predictor: Any, num_features: int) -> Iterator[str]:
    node_n = predictor.nodes
    split_n = node_n["is_leaf"] == 0
    if not len(node_n) or not _children_follow(split_n, node_n["left"].astype(int), node_n["right"].astype(int)):
        yield "a tree points to nodes that it does not have"
    feature_n = node_n["feature_idx"][split_n]
    if not ((feature_n >= 0) & (feature_n < num_features)).all():
        yield "a tree splits on features that rows do not have"
    bitset_n = node_n["bitset_idx"][split_n & (node_n["is_categorical"] != 0)]
    if not (bitset_n < len(predictor.raw_left_cat_bitsets)).all():
        yield "a tree refers to categories that it does not have"


def _children_follow(split_n: np.ndarray, left_n: np.ndarray, right_n: np.ndarray) -> bool:
    """Whether the children of each split lie after it and inside the tree, so that every walk down ends."""
    index_n = np.arange(len(split_n))
    return all(bool(((child_n > index_n) & (child_n < len(split_n)))[split_n].all()) for child_n in (left_n, right_n))
