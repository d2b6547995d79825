"""Oblivious trees as plain arrays: all nodes of one depth ask the same question, so a leaf is a number in binary.

Questions are answered once for all trees, then the bits of all trees are put together, then the values of the leaves
are added: a few passes of numpy, with nothing to follow and therefore nothing that a file could lead astray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.algorithms._arrays import Shape, from_files, need, to_files
from assay.parts import Files

MAX_DEPTH = 16
ROWS_AT_ONCE = 1_024  # what 1,000 trees say about them fits a processor's cache
TYPES = {
    "feature_Q": ("int32", 1),
    "border_Q": ("float32", 1),
    "size_Q": ("int32", 1),
    "yes_L": ("uint8", 1),
    "question_TD": ("int32", 2),
    "value_TLK": ("float64", 3),
    "bias_K": ("float64", 1),
}


@dataclass(frozen=True)
class Question:
    """Whether a number lies above a border, or a category is one of a set: `yes_C` for the codes -1, 0, 1, …"""

    feature: int
    border: float = 0.0
    yes_C: tuple[bool, ...] = ()


@dataclass(frozen=True)
class ObliviousTrees:
    """Q questions, T trees of depth D with 2**D leaves of K values, and a bias.

    `question_TD` holds the question of each bit, lowest first. Question q is about a number when `size_Q[q]` is 0, else
    its answers are the next `size_Q[q]` entries of `yes_L`. A missing number is above no border.
    """

    shape: Shape
    feature_Q: np.ndarray
    border_Q: np.ndarray
    size_Q: np.ndarray
    yes_L: np.ndarray
    question_TD: np.ndarray
    value_TLK: np.ndarray
    bias_K: np.ndarray

    @classmethod
    def of(
        cls, shape: Shape, trees: Sequence[tuple[Sequence[Question], np.ndarray]], bias_K: np.ndarray
    ) -> ObliviousTrees:
        """Return trees from their questions, lowest bit first, and value_LK; lower trees are padded."""
        depth = max((len(questions) for questions, _ in trees), default=0)
        place: dict[Question, int] = {}
        question_TD = np.zeros((len(trees), depth), np.int32)
        value_TLK = np.zeros((len(trees), 1 << depth, len(bias_K)))
        for tree, (questions, value_LK) in enumerate(trees):
            question_TD[tree, : len(questions)] = [place.setdefault(asked, len(place)) for asked in questions]
            # Whatever the bits that are not asked say, the values are the same.
            value_TLK[tree] = np.tile(value_LK, (len(value_TLK[tree]) // len(value_LK), 1))
        return cls(
            shape,
            np.array([asked.feature for asked in place], np.int32),
            np.array([asked.border for asked in place], np.float32),
            np.array([len(asked.yes_C) for asked in place], np.int32),
            np.array([yes for asked in place for yes in asked.yes_C], np.uint8),
            question_TD,
            value_TLK,
            bias_K,
        )

    @property
    def num_trees(self) -> int:
        """T."""
        return len(self.question_TD)

    def raw(self, x_NF: np.ndarray) -> np.ndarray:
        """Return raw_NK: the bias and the values of the leaves, added up; missing categories are NaN."""
        parts = [self._raw(x_NF[start : start + ROWS_AT_ONCE]) for start in range(0, len(x_NF), ROWS_AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.bias_K)))

    def _raw(self, x_NF: np.ndarray) -> np.ndarray:
        if len(x_NF) == 1:
            # numpy adds the numbers of a single row in another order than those of many.
            twice_NK: np.ndarray = self._raw(np.repeat(x_NF, 2, axis=0))[:1]
            return twice_NK
        yes_QN = self._answers(np.ascontiguousarray(x_NF.T, dtype=np.float32))
        leaf_TN = np.zeros((self.num_trees, len(x_NF)), np.intp)
        for bit in range(self.question_TD.shape[1]):
            leaf_TN |= yes_QN[self.question_TD[:, bit]].astype(np.intp) << bit
        num_leaves = self.value_TLK.shape[1]
        place_TN = leaf_TN + np.arange(self.num_trees)[:, None] * num_leaves
        raw_KN = [self.value_TLK[:, :, k].ravel().take(place_TN).sum(axis=0) for k in range(len(self.bias_K))]
        raw_NK: np.ndarray = np.column_stack(raw_KN) + self.bias_K
        return raw_NK

    def _answers(self, x_FN: np.ndarray) -> np.ndarray:
        yes_QN: np.ndarray = x_FN[self.feature_Q] > self.border_Q[:, None]
        start_Q = np.cumsum(self.size_Q, dtype=np.int64) - self.size_Q
        for question in np.flatnonzero(self.size_Q):
            code_N = np.nan_to_num(x_FN[self.feature_Q[question]], nan=-1.0)
            code_N = np.clip(code_N, -1, self.size_Q[question] - 2).astype(np.intp)
            yes_QN[question] = self.yes_L[start_Q[question] + 1 + code_N]
        return yes_QN

    def files(self) -> Files:
        """Return the arrays as safetensors and the shape as JSON."""
        return to_files(self.shape, {name: getattr(self, name) for name in TYPES})

    @classmethod
    def from_files(cls, files: Files) -> ObliviousTrees:
        """Read what `files` returned.

        Raises:
            ArtifactFault: the arrays do not fit together, or ask about a feature or a question that is not there.
        """
        shape, arrays = from_files(files, TYPES)
        _check(shape, arrays)
        return cls(shape, **arrays)


def _check(shape: Shape, arrays: dict[str, np.ndarray]) -> None:
    feature_Q, size_Q, question_TD = arrays["feature_Q"], arrays["size_Q"], arrays["question_TD"]
    num_trees, depth = question_TD.shape
    need(len(feature_Q) == len(size_Q) == len(arrays["border_Q"]), "has questions without a feature, border or size")
    need(_within(feature_Q, shape.num_features), "asks about a feature that rows do not have")
    need(_within(question_TD, len(feature_Q)), "asks a question that it does not have")
    need(bool((size_Q >= 0).all() and (size_Q != 1).all()), "has a question about a category without codes")
    need(int(size_Q.sum(dtype=np.int64)) == len(arrays["yes_L"]), "has answers that do not fit its questions")
    need(bool((arrays["yes_L"] <= 1).all()), "has answers that are neither yes nor no")
    need(depth <= MAX_DEPTH, f"is {depth} questions deep, {MAX_DEPTH} at most are read")
    num_outputs = shape.num_classes if shape.num_classes > 2 else 1
    need(arrays["bias_K"].shape == (num_outputs,), f"does not have {num_outputs} outputs")
    expected = (num_trees, 1 << depth, num_outputs)
    need(arrays["value_TLK"].shape == expected, f"has values of shape {arrays['value_TLK'].shape}, expected {expected}")


def _within(number: np.ndarray, limit: int) -> bool:
    return bool(((number >= 0) & (number < limit)).all())
