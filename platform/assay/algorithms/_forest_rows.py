"""Predicts a few rows with all trees of a forest at once: what a server is asked for most.

scikit-learn walks tree after tree and spends most of a single row's time on calling each of them. Here the nodes of all
trees lie in one array, and every step takes all trees one level down. The bits of the result are scikit-learn's: the
same comparisons, and the same order of additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_ROWS = 64  # above about this many scikit-learn's own loop is faster


class ForestRows:
    """The nodes of all trees of a fitted forest of scikit-learn."""

    def __init__(self, forest: Any) -> None:
        trees = [estimator.tree_ for estimator in forest.estimators_]
        size_T = np.array([tree.node_count for tree in trees])
        self.root_T = np.cumsum(size_T) - size_T
        self.value_T = [tree.value[:, 0, :] for tree in trees]  # views: no copy of what may be large
        self.leaf_S = leaf_S = np.concatenate([tree.children_left == -1 for tree in trees])
        own_S, root_S = np.arange(len(leaf_S)), np.repeat(self.root_T, size_T)
        children = ([tree.children_left for tree in trees], [tree.children_right for tree in trees])
        # The children of node s are at 2 s and 2 s + 1; a leaf is its own child, so a walk may go on and stay there.
        self.child_S2 = np.column_stack([np.where(leaf_S, own_S, np.concatenate(side) + root_S) for side in children])
        self.feature_S = np.where(leaf_S, 0, np.concatenate([tree.feature for tree in trees]))
        self.threshold_S = np.concatenate([tree.threshold for tree in trees])
        self.missing_left_S = np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool)

    def predict(self, x_NF: np.ndarray) -> np.ndarray:
        """Return the mean over the trees of the leaves' values: shares of the classes known, or one number."""
        x_NF = x_NF.astype(np.float32)
        missing = bool(np.isnan(x_NF).any())
        row_N, child_2S = np.arange(len(x_NF)), self.child_S2.ravel()
        node_TN = np.repeat(self.root_T[:, None], len(x_NF), axis=1)
        while not self.leaf_S[node_TN].all():  # ends: children lie after their parents, in loaded trees as well
            x_TN = x_NF[row_N, self.feature_S[node_TN]]
            right_TN = ~(x_TN <= self.threshold_S[node_TN])
            if missing:
                right_TN &= ~(np.isnan(x_TN) & self.missing_left_S[node_TN])
            node_TN = child_2S[2 * node_TN + right_TN]
        leaf_TN = node_TN - self.root_T[:, None]
        sum_NK = np.zeros((len(x_NF), self.value_T[0].shape[1]))
        for value_SK, leaf_N in zip(self.value_T, leaf_TN, strict=True):
            sum_NK += value_SK[leaf_N]
        mean_NK: np.ndarray = sum_NK / len(self.value_T)
        return mean_NK
