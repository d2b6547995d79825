"""Images as files, requests and tables hold them, one by one: sizes are told cheaply, pixels decoded and resized.

A column holds the bytes of image files, the same as base64 text, or pixels as lists of lists.
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pyarrow as pa

from assay import image_files
from assay.image_files import NotAnImage
from assay.kinds._tensors import combined, depth, is_list, leaf, lengths, to_array

GREY, COLOUR = 1, 3
FULL = 255.0
SIXTEEN_BITS = 257  # numbers of 16 bits for each of 8
PATH_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_SHOWN = 60


def is_encoded(kind: pa.DataType) -> bool:
    """Whether a column may hold the bytes of image files, plain or as base64 text."""
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string, pa.types.is_large_string)
    return any(test(kind) for test in (*tests, pa.types.is_fixed_size_binary))


def is_pixels(kind: pa.DataType) -> bool:
    """Whether a column may hold images as height x width or height x width x channels lists of numbers."""
    numbers = pa.types.is_integer(leaf(kind)) or pa.types.is_floating(leaf(kind))
    return bool(is_list(kind) and depth(kind) in (2, 3) and numbers)


def content(value: Any) -> bytes:
    """Return the bytes of an image file, given as they are or as base64 text, with or without `data:…,` before it.

    Raises:
        NotAnImage: it is neither.
    """
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value.partition(",")[2] if value.startswith("data:") else value, validate=True)
    except (ValueError, AttributeError):
        path = ", nor does it lead to a file" if str(value).lower().endswith(PATH_ENDINGS) else ""
        raise NotAnImage(f"text {value[-MOST_SHOWN:] if path else value[:20]!r} is not base64{path}") from None


def size_of(value: Any) -> tuple[int, int, int]:
    """Return height, width and channels of an encoded image as it is seen; only its head is read.

    Raises:
        NotAnImage: no image begins like this.
    """
    height, width, grey = image_files.size_of(content(value))
    return height, width, GREY if grey else COLOUR


def deep_range(value: Any) -> tuple[float, float, bool] | None:
    """Return the smallest and the largest number of an encoded image of more than 8 bits, and whether all are whole.

    None of any other image. Infinite where a number is not finite.

    Raises:
        NotAnImage: it is broken.
    """
    data = content(value)
    with image_files.opened(data) as image:
        if not image_files.is_deep(image):
            return None
    pixel_HW = image_files.deep_pixels(image_files.loaded(data))
    if not np.isfinite(pixel_HW).all():
        return math.inf, math.inf, False
    return float(pixel_HW.min()), float(pixel_HW.max()), bool((pixel_HW == np.rint(pixel_HW)).all())


def decoded(value: Any, shape: tuple[int, int, int], deep: tuple[float, float] | None = None) -> np.ndarray:
    """Return an encoded image as pixel_HWC, uint8; made smaller or larger to the shape where it has another.

    `deep` are the numbers of an image of more than 8 bits that become 0 and 255; without them they are 0 and 255 or, of
    16 bits, 65,535, as it looks.

    Raises:
        NotAnImage: it is broken.
    """
    image = image_files.loaded(content(value))
    if image_files.is_deep(image):
        pixel_HW = image_files.deep_pixels(image)
        if not np.isfinite(pixel_HW).all():
            raise NotAnImage("values that are not finite")
        low, high = deep or (0.0, FULL * SIXTEEN_BITS if pixel_HW.max(initial=0) > FULL else FULL)
        image = _from_array((pixel_HW - low) * (FULL / (high - low)))
    try:
        return fitted(image.convert("L" if shape[2] == GREY else "RGB"), shape)
    except image_files.LOADING as error:
        raise NotAnImage(str(error).split("\n")[0][:200]) from None


def from_numbers(pixel_HWC: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return pixels 0 to 255 as uint8 of the shape that is asked for."""
    whole_HWC: np.ndarray = whole(pixel_HWC[None])[0]
    if whole_HWC.shape == shape:
        return whole_HWC
    if whole_HWC.shape[2] not in (GREY, COLOUR, 4):
        raise NotAnImage(f"{whole_HWC.shape[2]} channels, expected 1 or 3")
    image = _from_array(whole_HWC[:, :, 0] if whole_HWC.shape[2] == GREY else whole_HWC)
    return fitted(image_files.flattened(image).convert("L" if shape[2] == GREY else "RGB"), shape)


def whole(pixels: np.ndarray) -> np.ndarray:
    """Return numbers as whole ones from 0 to 255.

    Raises:
        NotAnImage: one is not finite.
    """
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise NotAnImage("values that are not finite", int(np.argwhere(~np.isfinite(pixels))[0, 0]))
    found: np.ndarray = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    return found


def fitted(image: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """Return an image of Pillow as pixel_HWC of this height and width; every pixel counts, also when made smaller."""
    from PIL import Image

    if (image.height, image.width) != shape[:2]:
        image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.array(image, np.uint8).reshape(shape)


def pixels(column: pa.Array) -> list[np.ndarray] | np.ndarray:
    """Return the images of a column of lists: one array (N, H, W, C) where they share a shape, else one by one.

    Raises:
        NotAnImage: a list is missing, or rows of one image differ in length.
    """
    try:
        return with_channels(to_array(column), depth(column.type) + 1)
    except ValueError:
        num_lists = depth(column.type)
    found = []
    for place in range(len(column)):
        try:
            found.append(with_channels(to_array(column.slice(place, 1)), num_lists + 1)[0])
        except ValueError as error:
            raise NotAnImage(str(error), place) from None
    return found


def with_channels(array: np.ndarray, axes: int) -> np.ndarray:
    """Return images with their channels last, one channel where none were told."""
    return array[..., None] if axes == 3 else array


def to_base64(pixel_HWC: np.ndarray) -> str:
    """Return pixels as base64 text of a PNG file, which `decoded` turns into the same pixels."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixel_HWC[:, :, 0] if pixel_HWC.shape[2] == GREY else pixel_HWC).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def same_shape(column: pa.Array) -> bool:
    """Whether all lists of a column, and all lists in these, are as long as their neighbours."""
    while is_list(column.type):
        if len(np.unique(lengths(column))) > 1:
            return False
        column = combined(column).flatten()
    return True


def _from_array(array: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(np.clip(array, 0, 255).astype(np.uint8))
