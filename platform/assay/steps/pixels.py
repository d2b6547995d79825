"""Images as numbers: one for each pixel and channel, or for each small square of a large image."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.vocabulary import ColumnKind


class Pixels(Step):
    """Replaces images by their brightness from 0 to 1, float32; squares of large images are averaged.

    Example:
        >>> image_NHWC = np.full((3, 2, 2, 1), 255, np.uint8)
        >>> batch = Batch({"image": image_NHWC}, {"image": Column(ColumnKind.IMAGE)}, np.arange(3))
        >>> Pixels().apply({}, batch).columns["image"].tolist()[0]
        [1.0, 1.0, 1.0, 1.0]
    """

    takes = frozenset({ColumnKind.IMAGE})

    class Params(Strict):
        """Settings of the step."""

        max_side: int = Field(32, ge=1, le=512, description="squares along the longer side, at most")

    def apply(self, state: Json, batch: Batch) -> Batch:
        columns, meaning = {}, {}
        for name in batch.names(*self.takes):
            image_NHWC = pooled(batch.columns[name], self.params.max_side)
            _, height, width, channels = image_NHWC.shape
            columns[name] = np.ascontiguousarray(image_NHWC.reshape(len(image_NHWC), height * width * channels))
            features = tuple(
                f"{name} {y},{x}" + (f",{channel}" if channels > 1 else "")
                for y in range(height)
                for x in range(width)
                for channel in range(channels)
            )
            meaning[name] = Column(ColumnKind.NUMERIC, features=features)
        return batch.with_columns(columns, meaning)


def pooled(image_NHWC: np.ndarray, max_side: int) -> np.ndarray:
    """Return images as float32 from 0 to 1, averaged over squares so that no side is longer; a rest is cut off."""
    num_rows, height, width, channels = image_NHWC.shape
    size = -(-max(height, width) // max_side)
    size = min(size, height, width)
    if size == 1:
        return image_NHWC.astype(np.float32) / np.float32(255)
    rows, columns = height // size, width // size
    whole = image_NHWC[:, : rows * size, : columns * size].reshape(num_rows, rows, size, columns, size, channels)
    mean_NHWC: np.ndarray = whole.mean(axis=(2, 4), dtype=np.float32) / np.float32(255)
    return mean_NHWC
