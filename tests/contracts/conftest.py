"""Tiny rows that a contract test can learn from in milliseconds; read-only, as they are in a shared object store."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from assay.batch import Batch, Column
from assay.vocabulary import ColumnKind, Task

NUM_LEVELS = 4
GOOD, BAD, PLAIN = ("fine", "fast", "great", "kind"), ("slow", "bad", "broken", "late"), ("it", "the", "was", "film")
NUM_CLASSES = {Task.REGRESSION: 0, Task.BINARY: 2, Task.MULTICLASS: 3}


def tiny(task: Task, wants: str, seed: int = 0, num_rows: int = 160, kind: str = "tabular") -> Batch:
    """Return rows of a kind that an algorithm is for, whose label follows from what they hold."""
    makers = {"tabular": _tables, "image": _images, "text": _texts, "series": _series}
    return makers[kind](task, wants, np.random.default_rng(seed), num_rows)


def _tables(task: Task, wants: str, draw: np.random.Generator, num_rows: int) -> Batch:
    """Return rows whose label follows from two numbers and a category, as category codes or as dense columns."""
    number_ND = draw.normal(size=(num_rows, 3))
    code_N = draw.integers(0, NUM_LEVELS, num_rows).astype(np.int32)
    signal_N = 2 * number_ND[:, 0] - number_ND[:, 1] + 1.5 * (code_N == 1) + 0.2 * draw.normal(size=num_rows)
    missing_N = draw.random(num_rows) < 0.1
    columns, meaning = _columns(number_ND, code_N, missing_N, wants)
    batch = Batch(columns, meaning, np.arange(num_rows), _label(signal_N, task), num_classes=NUM_CLASSES[task])
    return frozen(batch.packed())


def _images(task: Task, wants: str, draw: np.random.Generator, num_rows: int) -> Batch:
    """Return grey images whose label follows from how bright their left half is beside the right one."""
    signal_N = 1.5 * draw.normal(size=num_rows)
    pixel_NHWC = draw.normal(128, 12, (num_rows, 6, 6, 1))
    pixel_NHWC[:, :, :3] += 25 * signal_N[:, None, None, None]
    image_NHWC = np.clip(pixel_NHWC, 0, 255).astype(np.uint8)
    meaning = {"picture": Column(ColumnKind.IMAGE)}
    y_N = _label(signal_N, task)
    return frozen(Batch({"picture": image_NHWC}, meaning, np.arange(num_rows), y_N, num_classes=NUM_CLASSES[task]))


def _texts(task: Task, wants: str, draw: np.random.Generator, num_rows: int) -> Batch:
    """Return sentences whose label follows from which words are in them, and a number beside them that says nothing."""
    signal_N = 1.5 * draw.normal(size=num_rows)
    share_N = 1 / (1 + np.exp(-2 * signal_N))
    words = [
        [str(draw.choice(GOOD if draw.random() < share else BAD)) for _ in range(4)] + [str(draw.choice(PLAIN))]
        for share in share_N
    ]
    columns = {"said": _objects([" ".join(draw.permutation(said)) for said in words])}
    columns["size"] = draw.normal(size=num_rows).astype(np.float32)
    meaning = {"said": Column(ColumnKind.TEXT), "size": Column(ColumnKind.NUMERIC)}
    y_N = _label(signal_N, task)
    return frozen(Batch(columns, meaning, np.arange(num_rows), y_N, num_classes=NUM_CLASSES[task]).packed())


def _objects(texts: list[str]) -> np.ndarray:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found


def text_rows(num_rows: int) -> pa.Table:
    """Return sentences, some of them empty, with plain columns beside them."""
    draw = np.random.default_rng(0)
    said = [f"{draw.choice(GOOD)} and {draw.choice(BAD)}, ünï {row}" for row in range(num_rows)]
    said = [None if row % 11 == 3 else "" if row % 17 == 5 else text for row, text in enumerate(said)]
    label = draw.choice(["no", "yes"], num_rows, p=[0.7, 0.3]).tolist()
    return pa.table({"said": pa.array(said, pa.string()), "plan": [*"abc"] * (num_rows // 3), "left": label})


def image_rows(num_rows: int) -> pa.Table:
    """Return images of two shapes as lists of lists, with a number beside them that their kind leaves out."""
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (6, 5 + (row % 4 == 0))).tolist() for row in range(num_rows)]
    label = draw.choice(["no", "yes"], num_rows, p=[0.7, 0.3]).tolist()
    return pa.table({"size": list(range(num_rows)), "picture": images, "left": label})


def _series(task: Task, wants: str, draw: np.random.Generator, num_rows: int) -> Batch:
    """Return series of two channels and many lengths whose label follows from how fast one channel rises."""
    signal_N = 1.5 * draw.normal(size=num_rows)
    x_NTC = draw.normal(size=(num_rows, 24, 2))
    x_NTC[:, :, 0] += signal_N[:, None] * np.linspace(-2, 2, 24)
    x_NTC[np.arange(24) >= draw.integers(12, 25, num_rows)[:, None]] = np.nan
    meaning = {"walk": Column(ColumnKind.SERIES)}
    y_N = _label(signal_N, task)
    columns = {"walk": x_NTC.astype(np.float32)}
    return frozen(Batch(columns, meaning, np.arange(num_rows), y_N, num_classes=NUM_CLASSES[task]))


def series_rows(num_rows: int) -> pa.Table:
    """Return series of two channels and of 2 to 9 steps as lists of lists, some with gaps, and a number beside them."""
    draw = np.random.default_rng(0)
    walks = [draw.normal(size=(2 + row % 8, 2)).astype(np.float32).tolist() for row in range(num_rows)]
    for walk in walks[::5]:
        walk[0][1] = None
    label = draw.choice(["no", "yes"], num_rows, p=[0.7, 0.3]).tolist()
    return pa.table({"size": draw.normal(size=num_rows), "walk": walks, "left": label})


def frozen(batch: Batch) -> Batch:
    """Forbid writing into the batch, so that a part that changes its input fails."""
    for array in (*batch.columns.values(), batch.row_N, batch.y_N):
        if array is not None:
            array.setflags(write=False)
    return batch


def _label(signal_N: np.ndarray, task: Task) -> np.ndarray:
    if task is Task.REGRESSION:
        return 100 + 10 * signal_N
    return np.digitize(signal_N, [0.4] if task is Task.BINARY else [-0.6, 1.4]).astype(np.int64)


def _columns(
    number_ND: np.ndarray, code_N: np.ndarray, missing_N: np.ndarray, wants: str
) -> tuple[dict[str, np.ndarray], dict[str, Column]]:
    names = ("n0", "n1", "n2")
    if wants in ("dense", "raw"):  # what the table recipes give
        one_hot_NL = np.eye(NUM_LEVELS, dtype=np.float32)[code_N]
        levels = tuple(f"c_{level}" for level in range(NUM_LEVELS))
        return (
            {"n": number_ND.astype(np.float32), "c": one_hot_NL},
            {"n": Column(ColumnKind.NUMERIC, features=names), "c": Column(ColumnKind.NUMERIC, features=levels)},
        )
    number_ND[missing_N, 2] = np.nan
    return (
        {"n": number_ND, "c": np.where(missing_N, -1, code_N).astype(np.int32)},
        {"n": Column(ColumnKind.NUMERIC, features=names), "c": Column(ColumnKind.CATEGORY, num_levels=NUM_LEVELS)},
    )
