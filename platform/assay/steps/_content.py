"""Arrays inside JSON: base64 of little-endian numbers, decoded once per process."""

from __future__ import annotations

import base64
from functools import lru_cache

import numpy as np


def to_text(array: np.ndarray) -> str:
    """Return the numbers of an array as text; their type and shape are known to who reads them.

    Example:
        >>> from_text(to_text(np.array([1.5, 2.5], np.float32)), "<f4").tolist()
        [1.5, 2.5]
    """
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


@lru_cache(maxsize=4_096)  # a server decodes each state once, not once a request
def from_text(text: str, dtype: str) -> np.ndarray:
    """Return the numbers, read-only and flat.

    Raises:
        ValueError: the text is no base64, or its bytes do not fill whole numbers.
    """
    return np.frombuffer(base64.b64decode(text, validate=True), dtype)
