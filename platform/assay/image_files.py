"""Image files as a person sees them: opened without surprise, upright, on white; too large ones are never decoded."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

MAX_PIXELS = 64_000_000  # of one image; a few bytes may promise far more than memory holds
LOADING = (OSError, ValueError, SyntaxError, EOFError, MemoryError)
ORIENTATION, TURNED = 274, (5, 6, 7, 8)  # the tag of EXIF, and its values that swap height and width
DEEP_MODES = ("I", "F")  # and I;16 of any byte order: numbers of another range than 0 to 255
GREY_MODES = ("1", "L", "LA", "La")


class NotAnImage(ValueError):
    """What a cell holds is no image; the text says why, `place` which cell of a column it is, where that is known."""

    def __init__(self, text: str, place: int = 0) -> None:
        super().__init__(text)
        self.place = place


def opened(data: bytes) -> Any:
    """Return an image of Pillow of which only the head is read.

    Raises:
        NotAnImage: no image begins like this, or it has more pixels than are decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise NotAnImage("no image format is known that begins like it") from None
    except Image.DecompressionBombError:
        raise NotAnImage(f"it has more than {MAX_PIXELS:,} pixels, which are not decoded") from None
    except LOADING as error:
        raise NotAnImage(_first_line(error)) from None
    if image.width * image.height > MAX_PIXELS:
        raise NotAnImage(f"it has {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} are decoded")
    return image


def size_of(data: bytes) -> tuple[int, int, bool]:
    """Return height and width of an image as it is seen, and whether it is grey; only its head is read.

    Raises:
        NotAnImage: see `opened`.
    """
    with opened(data) as image:
        turned = image.format != "TIFF" and image.getexif().get(ORIENTATION) in TURNED  # Pillow turns TIFF itself
        height, width = (image.width, image.height) if turned else (image.height, image.width)
        return height, width, image.mode in GREY_MODES or is_deep(image)


def is_deep(image: Any) -> bool:
    """Whether the pixels of an image of Pillow are numbers of more than 8 bits."""
    return image.mode in DEEP_MODES or image.mode.startswith("I;")


def loaded(data: bytes) -> Any:
    """Return an image of Pillow, decoded: upright, in mode L or RGB on white, or as deep as it is.

    Raises:
        NotAnImage: it is broken.
    """
    from PIL import ImageOps

    with opened(data) as image:
        try:
            image.load()
            return flattened(ImageOps.exif_transpose(image))
        except LOADING as error:
            raise NotAnImage(_first_line(error)) from None


def flattened(image: Any) -> Any:
    """Return an image of Pillow in mode L or RGB, what is transparent laid on white; deep ones as they are.

    Example:
        >>> from PIL import Image
        >>> flattened(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    from PIL import Image

    if is_deep(image):
        return image
    grey = image.mode in GREY_MODES
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        image = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        image.alpha_composite(seen)
    return image.convert("L" if grey else "RGB")


def deep_pixels(image: Any) -> np.ndarray:
    """Return the numbers of a deep image as float64, of shape (height, width)."""
    return np.asarray(image, np.float64)


def flaw(data: bytes) -> str:
    """Return why bytes are no whole image, or nothing; the whole image is decoded unless it is too large."""
    try:
        with opened(data) as image:
            image.load()
    except NotAnImage as error:
        return str(error)
    except LOADING as error:
        return _first_line(error)
    return ""


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0][:200] or type(error).__name__
