"""Checks LightGBM's model text before LightGBM reads it: its parser trusts the text and is memory-unsafe.

The text is taken apart as LightGBM 4 writes it; whatever it would not write is refused. CVE-2026-92786: node numbers,
feature numbers and tree sizes of the text are used as addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import ArtifactFault

END = b"end of trees"
HEADER = (
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective"),
    *("feature_names", "feature_infos", "tree_sizes"),
)
PER_SPLIT_WHOLE = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
PER_SPLIT_REAL = ("split_gain", "threshold", "internal_value", "internal_weight")
CATEGORIES = ("cat_boundaries", "cat_threshold")
TREE_KEYS = {
    *("num_leaves", "num_cat", "leaf_value", "leaf_weight", "leaf_count", "is_linear", "shrinkage"),
    *PER_SPLIT_WHOLE,
    *PER_SPLIT_REAL,
}
WHOLE = re.compile(r"(-?\d{1,10}( -?\d{1,10})*)?", re.ASCII)
# "inf" is the threshold of a split that parts missing values from all others.
NUMBER = r"-?(\d+(\.\d+)?(e[+-]?\d+)?|inf)"
REAL = re.compile(rf"({NUMBER}( {NUMBER})*)?", re.ASCII)
RANGE = re.compile(r"none|\[-?[\d.e+-]+:-?[\d.e+-]+\]|-?\d+(:-?\d+)*", re.ASCII)
OBJECTIVE = re.compile(r"regression(?:_l1)?|binary sigmoid:1|multiclass num_class:(\d{1,7})", re.ASCII)
MAX_FEATURES = 10_000_000
CATEGORICAL, MISSING_SHIFT = 1, 2  # bits of a decision type; its highest two say what counts as missing


@dataclass(frozen=True)
class TextModel:
    """What a checked text holds."""

    text: str
    num_classes: int  # 0 for regression
    num_features: int
    num_trees: int  # of one class


class _Broken(Exception):
    """Inside this file: the text is not what LightGBM writes."""


def checked(content: bytes) -> TextModel:
    """Take the text apart and return it, when nothing in it points outside itself.

    Raises:
        ArtifactFault: says what is wrong, and in which tree.
    """
    try:
        return _checked(content)
    except _Broken as error:
        raise ArtifactFault.at(
            "model.txt", f"is not a LightGBM model that can be read safely: {error}", "take it from where it was made"
        ) from None


def trimmed(text: str) -> bytes:
    """Return the text up to the end of its trees: settings and importances after it are not needed to predict."""
    content = text.encode()
    return content[: content.index(END) + len(END)] + b"\n"


def _checked(content: bytes) -> TextModel:
    _need(content.isascii(), "it is not plain text")
    head, blank, body = content.partition(b"\n\n")
    _need(bool(blank), "it has no trees")
    header = _header(head.decode())
    num_features = header.number("max_feature_idx") + 1
    _need(0 < num_features <= MAX_FEATURES, f"max_feature_idx is {num_features - 1}")
    for key in ("feature_names", "feature_infos"):
        _need(len(header[key].split(" ")) == num_features, f"{key} does not have {num_features} entries")
    _need(all(RANGE.fullmatch(info) for info in header["feature_infos"].split(" ")), "feature_infos is not of its form")
    num_classes, per_round = _outputs(header)
    sizes = header.wholes("tree_sizes")
    _need(len(sizes) % per_round == 0 and len(sizes) > 0, f"{len(sizes)} trees do not fit {per_round} a round")
    _trees(body, sizes, num_features)
    return TextModel(content.decode(), num_classes, num_features, len(sizes) // per_round)


class _Lines(dict[str, str]):
    """Lines `key=value`, each key once."""

    def __init__(self, lines: Sequence[str], known: Mapping[str, None] | set[str], where: str) -> None:
        super().__init__()
        for line in lines:
            key, equals, value = line.partition("=")
            _need(bool(equals) and key in known and key not in self, f"{where} has the line '{line[:40]}'")
            self[key] = value
        self.where = where

    def __missing__(self, key: str) -> str:
        raise _Broken(f"{self.where} has no {key}")

    def wholes(self, key: str) -> np.ndarray:
        """Return the whole numbers of a line."""
        _need(bool(WHOLE.fullmatch(self[key])), f"{key} of {self.where} is not whole numbers")
        return np.array(self[key].split(), dtype=np.int64)

    def number(self, key: str) -> int:
        """Return the one whole number of a line."""
        values = self.wholes(key)
        _need(len(values) == 1, f"{key} of {self.where} is not one number")
        return int(values[0])

    def reals(self, key: str) -> np.ndarray:
        """Return the finite numbers of a line."""
        _need(bool(REAL.fullmatch(self[key])), f"{key} of {self.where} is not numbers")
        values = np.array(self[key].split(), dtype=np.float64)
        # LightGBM parts missing values from all others by a threshold of infinity; nothing else may be endless.
        _need(key == "threshold" or bool(np.isfinite(values).all()), f"{key} of {self.where} is not finite")
        return values


def _header(head: str) -> _Lines:
    first, *lines = head.split("\n")
    _need(first == "tree", "it does not start with 'tree'")
    header = _Lines(lines, set(HEADER), "the header")
    _need(header["version"] == "v4", f"version is {header['version'][:20]}, v4 is read")
    _need(header.number("label_index") == 0, "label_index is not 0")
    return header


def _outputs(header: _Lines) -> tuple[int, int]:
    """Return the number of classes (0 for regression) and of trees per round."""
    objective = OBJECTIVE.fullmatch(header["objective"])
    _need(bool(objective), f"objective is '{header['objective'][:40]}'")
    assert objective is not None
    per_round = int(objective[1]) if objective[1] else 1
    _need(not objective[1] or per_round >= 3, "multiclass with fewer than 3 classes")
    said = (header.number("num_class"), header.number("num_tree_per_iteration"))
    _need(said == (per_round, per_round), f"num_class and num_tree_per_iteration are {said}, expected {per_round}")
    return (per_round if objective[1] else 2 * header["objective"].startswith("binary")), per_round


def _trees(body: bytes, sizes: np.ndarray, num_features: int) -> None:
    start = 0
    _need(bool((sizes > 0).all()) and int(sizes.sum()) <= len(body), "tree_sizes do not add up to the trees")
    for index, size in enumerate(sizes.tolist()):
        title, _, block = body[start : start + size].decode().partition("\n")
        _need(
            title == f"Tree={index}" and block.endswith("\n\n\n"), f"tree_sizes: tree {index} is not where it should be"
        )
        _tree(_Lines(block[:-3].split("\n"), {*TREE_KEYS, *CATEGORIES}, f"tree {index}"), num_features)
        start += size
    _need(body[start:].strip() == END, "tree_sizes do not add up to the trees")


def _tree(tree: _Lines, num_features: int) -> None:
    num_leaves, where = tree.number("num_leaves"), tree.where
    num_splits = num_leaves - 1
    _need(1 <= num_leaves <= 1 << 20, f"{where} has {num_leaves} leaves")
    _need(tree.number("is_linear") == 0, f"{where} is linear")
    tree.reals("shrinkage")
    _need(len(tree.reals("leaf_value")) == num_leaves, f"{where} does not have {num_leaves} values of leaves")
    # A tree of one leaf has an empty weight and a count or none.
    for values in (tree.reals("leaf_weight"), tree.wholes("leaf_count")):
        _need(len(values) == num_leaves or (num_leaves == 1 and len(values) == 0), f"{where}: a leaf lacks its count")
    whole = {key: tree.wholes(key) for key in PER_SPLIT_WHOLE}
    real = {key: tree.reals(key) for key in PER_SPLIT_REAL}
    for key, values in (whole | real).items():
        _need(len(values) == num_splits, f"{key} of {where} has {len(values)} entries, expected {num_splits}")
    feature_S = whole["split_feature"]
    _need(bool(((feature_S >= 0) & (feature_S < num_features)).all()), f"{where} splits on a feature that is not there")
    _children(whole["left_child"], whole["right_child"], num_leaves, where)
    _decisions(tree, whole["decision_type"], real["threshold"])


def _children(left_S: np.ndarray, right_S: np.ndarray, num_leaves: int, where: str) -> None:
    """Every leaf and every split but the root is the child of exactly one split, which comes before it."""
    parent_C = np.tile(np.arange(num_leaves - 1), 2)
    child_C = np.concatenate([left_S, right_S])
    leaves, splits = np.sort(~child_C[child_C < 0]), np.sort(child_C[child_C >= 0])
    _need(num_leaves == 1 or np.array_equal(leaves, np.arange(num_leaves)), f"{where}: a child is no leaf of the tree")
    _need(np.array_equal(splits, np.arange(1, num_leaves - 1)), f"{where}: a child is no split of the tree")
    inner_C = child_C >= 0
    _need(bool((child_C > parent_C)[inner_C].all()), f"{where} has a cycle")


def _decisions(tree: _Lines, decision_S: np.ndarray, threshold_S: np.ndarray) -> None:
    num_cat, where = tree.number("num_cat"), tree.where
    _need(bool(((decision_S >= 0) & (decision_S >> MISSING_SHIFT <= 2)).all()), f"{where} has an unknown decision_type")
    category_S = threshold_S[decision_S & CATEGORICAL == 1]
    _need(len(category_S) == num_cat, f"{where} has {len(category_S)} categorical splits, num_cat is {num_cat}")
    if num_cat == 0:
        _need(not any(key in tree for key in CATEGORIES), f"{where} has categories and no categorical split")
        return
    _need(
        np.array_equal(np.sort(category_S), np.arange(num_cat)),
        f"{where}: a threshold is not in [0, num_cat = {num_cat})",
    )
    boundary, word = tree.wholes("cat_boundaries"), tree.wholes("cat_threshold")
    rising = len(boundary) == num_cat + 1 and boundary[0] == 0 and bool((np.diff(boundary) > 0).all())
    _need(rising and boundary[-1] == len(word), f"{where}: cat_boundaries do not fit cat_threshold")
    _need(bool(((word >= 0) & (word < 1 << 32)).all()), f"{where}: cat_threshold is not 32-bit words")


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _Broken(otherwise)
