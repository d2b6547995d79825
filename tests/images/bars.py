"""Small pictures of bars, lying or standing, as arrays, files and tables."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from assay import catalog
from assay.batch import Batch
from assay.profile import Profile
from assay.vocabulary import Shelf

SIDE = 12
LYING, STANDING = "lying", "standing"


def bars(num_rows: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Return grey images (N, 12, 12) of one bar each at any place, and how it lies."""
    draw = np.random.default_rng(seed)
    image_NHW = draw.normal(60, 20, (num_rows, SIDE, SIDE))
    labels = [LYING, STANDING] * (num_rows // 2) + [LYING] * (num_rows % 2)
    for image_HW, label in zip(image_NHW, labels, strict=True):
        place = int(draw.integers(1, SIDE - 3))
        image_HW[place : place + 2] += 120
        if label == STANDING:
            image_HW[:] = image_HW.T.copy()
    return np.clip(image_NHW, 0, 255).astype(np.uint8), labels


def png(image: np.ndarray) -> bytes:
    """Return an image as the bytes of a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def save(folder: Path, num_rows: int, seed: int = 0) -> Path:
    """Write images into a folder for each class, in an order that is not that of the classes."""
    for place, (image, label) in enumerate(zip(*bars(num_rows, seed), strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{place:04d}.png").write_bytes(png(image))
    return folder


def profiled(table: pa.Table, label: str = "label", **declared: Any) -> Profile:
    """Return what the kind says of a table."""
    kind = catalog.make(Shelf.KINDS, "image")
    return kind.profile(kind.summarise(table, np.arange(table.num_rows), 0), label, None, declared, None)


def batch_of(table: pa.Table, profile: Profile) -> Batch:
    """Return the rows of a table as arrays."""
    return catalog.make(Shelf.KINDS, "image").to_batch(table, profile)
