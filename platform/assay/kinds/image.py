"""Images, one a row: files of any usual format, base64 text in requests, or pixels as lists of lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch, Column
from assay.cells import BY_DEFAULT, MissingValues
from assay.errors import DataFault, Fault, raise_all
from assay.image_files import NotAnImage
from assay.kinds import _columns, _pictures
from assay.kinds._label import label_profile, summary_of, unknown_columns
from assay.kinds._pictures import COLOUR, FULL, GREY
from assay.kinds._tensors import combined, leaf
from assay.kinds.tabular import Tabular
from assay.parts import Json, Kind
from assay.profile import SAMPLE_SIZE, ColumnProfile, ColumnSummary, Moments, Profile
from assay.seeds import row_hash
from assay.vocabulary import ColumnKind, Task

MAX_SIDE = 64  # pixels of the longer side, unless asked; larger images are made smaller
FEWEST, WIDEST = 4, 4.0  # pixels of a side, and times a side may be longer than the other, of what looks like images
DARK = 32.0  # whole numbers up to 255 are pixels as they are, unless none is above 32
PIXELS, ENCODED = "pixels", "encoded"


class Image(Kind):
    """One column of images, scaled to 0..255 and one size: the median of the training rows, the longer side 64 at most.

    Other columns are left out. Grey images have one channel, any colour among them gives all three.

    Example:
        >>> rows = pa.table({"x": [[[0, 9], [16, 3]]] * 4, "y": [*"abab"]})
        >>> kind = Image()
        >>> profile = kind.profile(kind.summarise(rows, np.arange(4), seed=0), "y", None, {}, None)
        >>> kind.to_batch(rows, profile).columns["x"].shape
        (4, 2, 2, 1)
    """

    def claims(self, table: pa.Table, label: str) -> bool:
        return any(_looks(table.column(name)) for name in table.column_names if name != label)

    def summarise(
        self, table: pa.Table, row_N: np.ndarray, seed: int, missing: MissingValues = BY_DEFAULT
    ) -> dict[str, ColumnSummary]:
        found = {}
        for name in table.column_names:
            column = table.column(name)
            images = _pictures.is_pixels(column.type) or _is_bytes(column.type)
            found[name] = (
                _summary(column, row_N, seed)
                if images
                else _columns.summarise(column, row_N, seed, missing.rules(name))
            )
        return found

    def profile(
        self,
        summaries: Mapping[str, ColumnSummary],
        label: str,
        task: Task | None,
        declared: Mapping[str, Any],
        positive: str | None,
        missing: MissingValues = BY_DEFAULT,
    ) -> Profile:
        label_known, faults = label_profile(label, summary_of(label, summaries), task, positive, missing.rules(label))
        faults += unknown_columns(declared, summaries)
        columns: list[ColumnProfile] = []
        for name, summary in summaries.items():
            if name == label:
                continue
            taken = any(not column.dropped for column in columns)
            columns.append(_column_profile(name, summary, declared.get(name), taken))
            faults += [] if columns[-1].dropped else _faults(name, summary)
        if all(column.dropped for column in columns):
            faults.append(
                Fault("columns", "none holds images", "give bytes of image files, or pixels as lists of lists")
            )
        raise_all(DataFault, faults)
        return Profile(tuple(columns), label_known, summaries[label].num_rows)

    def to_batch(self, table: pa.Table, profile: Profile, row_N: np.ndarray | None = None) -> Batch:
        row_N = np.arange(table.num_rows) if row_N is None else row_N
        faults: list[Fault] = []
        (known,) = profile.used
        pixel_NHWC = np.zeros((0, *known.shape), np.uint8)
        if known.name not in table.column_names:
            faults.append(Fault(f"column '{known.name}'", "is missing, expected images"))
        else:
            found = _to_array(combined(table.column(known.name)), known, row_N)
            if isinstance(found, Fault):
                faults.append(found)
            else:
                pixel_NHWC = found
        try:  # tables know how a label is read
            batch = Tabular().to_batch(table, replace(profile, columns=()), row_N)
        except DataFault as error:
            faults += error.faults
        raise_all(DataFault, faults)
        return batch.with_columns({known.name: pixel_NHWC}, {known.name: Column(ColumnKind.IMAGE)})

    def as_request(self, table: pa.Table, profile: Profile) -> list[Json]:
        (known,) = profile.used  # a file of the size that models see: small, and read it is the same pixels
        pixel_NHWC = self.to_batch(table.select([known.name]), profile).columns[known.name]
        return [{known.name: _pictures.to_base64(pixel_HWC)} for pixel_HWC in pixel_NHWC]

    def default_steps(self, wants: str) -> tuple[str, ...]:
        return {"raw": (), "codes": ("pixels",), "dense": ("gradients", "pixels", "components")}[wants]


def _is_bytes(kind: pa.DataType) -> bool:
    return _pictures.is_encoded(kind) and not pa.types.is_string(kind) and not pa.types.is_large_string(kind)


def _looks(column: pa.ChunkedArray) -> bool:
    """Whether a column holds images; lists of numbers may be series too, so they must have the shape of a picture."""
    if _is_bytes(column.type):
        return True
    column = combined(column.drop_null())
    if not _pictures.is_pixels(column.type) or not len(column) or not _pictures.same_shape(column):
        return False
    pixel_NHWC = np.asarray(_pictures.pixels(column))
    if pixel_NHWC.shape[3] not in (GREY, COLOUR, 4):
        return False
    sides = sorted(pixel_NHWC.shape[1:3])
    picture = sides[0] >= FEWEST and sides[1] <= WIDEST * sides[0]
    whole = pa.types.is_integer(leaf(column.type)) or pixel_NHWC.max() <= 1
    return bool(picture and whole and 0 <= pixel_NHWC.min() <= pixel_NHWC.max() <= FULL)


def _summary(column: pa.ChunkedArray, row_N: np.ndarray, seed: int) -> ColumnSummary:
    """Return the shapes of a column's images and the range of its numbers; files of images are read to their head."""
    array = combined(column)
    missing_N = np.asarray(array.is_null())
    present, row_n = array.drop_null(), row_N[~missing_N]
    common: dict[str, Any] = {
        "num_rows": len(row_N),
        "num_missing": int(missing_N.sum()),
        "first_missing_row": int(row_N[missing_N][0]) if missing_N.any() else -1,
    }
    if not _pictures.is_pixels(array.type):
        return _encoded_summary(present, row_n, common)
    try:
        images = _pictures.pixels(present)
    except NotAnImage:
        return ColumnSummary(**common, stored=frozenset({PIXELS}))  # told by its row when the rows are read
    shapes = Counter(_word(image.shape) for image in images)
    if not len(images):
        return ColumnSummary(**common, stored=frozenset({PIXELS}))
    ends = np.array([(image.min(), image.max()) for image in images], np.float64)
    bad_n = ~np.isfinite(ends).all(axis=1)
    return ColumnSummary(
        **common,
        stored=frozenset({PIXELS}),
        num_whole=len(images) if pa.types.is_integer(leaf(array.type)) else 0,
        num_infinite=int(bad_n.sum()),
        first_infinite_row=int(row_n[bad_n][0]) if bad_n.any() else -1,
        moments=Moments.of(ends[~bad_n].ravel()),
        counts=shapes,
        sample=_brightness(images, row_n, seed) if not bad_n.any() else (),
    )


def _encoded_summary(present: pa.Array, row_n: np.ndarray, common: Mapping[str, Any]) -> ColumnSummary:
    """Return the sizes of image files, and the range of the numbers of those of more than 8 bits."""
    shapes: Counter[str] = Counter()
    ends: list[float] = []
    bad_n: list[int] = []
    num_whole = 0
    for row, value in zip(row_n.tolist(), present.to_pylist(), strict=True):
        try:
            shapes[_word(_pictures.size_of(value))] += 1
            deep = _pictures.deep_range(value)
        except NotAnImage:
            continue  # told by its row when the rows are read
        if deep is not None and not np.isfinite(deep[0]):
            bad_n.append(row)
        elif deep is not None:
            ends += deep[:2]
            num_whole += deep[2]
    return ColumnSummary(
        **common,
        stored=frozenset({ENCODED}),
        num_whole=num_whole,
        num_infinite=len(bad_n),
        first_infinite_row=bad_n[0] if bad_n else -1,
        moments=Moments.of(np.array(ends)),
        counts=shapes,
    )


def _brightness(images: Any, row_n: np.ndarray, seed: int) -> tuple[tuple[int, float], ...]:
    hash_n = row_hash(row_n, seed)
    order = np.argsort(hash_n, kind="stable")[:SAMPLE_SIZE]
    return tuple((int(hash_n[place]), float(images[place].mean())) for place in order)


def _word(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _column_profile(name: str, summary: ColumnSummary, declared: Any, taken: bool) -> ColumnProfile:
    dropped = ""
    if declared is not None and declared.drop:
        dropped = "left out by the experiment file"
    elif not summary.stored & {ENCODED, PIXELS}:
        dropped = "is no image; networks and steps for images read one column"
    elif taken:
        dropped = "is a second column of images; one is read"
    column = ColumnProfile(name, ColumnKind.IMAGE, dropped, summary.num_rows, summary.num_missing)
    if dropped or not summary.counts:
        return column
    numbers = _range(summary)
    low, high = numbers or (0.0, FULL)
    side = getattr(declared, "max_side", None) or MAX_SIDE
    sample = tuple(round((value - low) * FULL / (high - low), 4) for _, value in summary.sample)
    made = replace(column, shape=_shape(summary.counts, side), sample=sample)
    return made if numbers is None else replace(made, low=low, high=high)


def _shape(counts: Counter[str], max_side: int) -> tuple[int, int, int]:
    """Return the median height and width, made smaller to fit, and 3 channels when any image has colour."""
    shapes = sorted((tuple(map(int, word.split("x"))), count) for word, count in counts.items())
    sizes = np.repeat([shape for shape, _ in shapes], [count for _, count in shapes], axis=0)
    height, width = np.sort(sizes[:, 0])[len(sizes) // 2], np.sort(sizes[:, 1])[len(sizes) // 2]
    scale = min(1.0, max_side / max(height, width))
    channels = COLOUR if sizes[:, 2].max() > GREY else GREY
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def _range(summary: ColumnSummary) -> tuple[float, float] | None:
    """Return the numbers that become 0 and 255; None of files of 8 bits, whose numbers are what they are."""
    moments = summary.moments
    if not moments.count:
        return None if ENCODED in summary.stored else (0.0, FULL)
    whole = 2 * summary.num_whole == moments.count  # the smallest and the largest number of each image count
    if whole and DARK < moments.high <= FULL and moments.low >= 0:
        return 0.0, FULL
    low = min(0.0, moments.low)
    return low, moments.high if moments.high > low else low + 1.0


def _faults(name: str, summary: ColumnSummary) -> list[Fault]:
    place, faults = f"column '{name}'", []
    if summary.num_missing:
        faults.append(
            Fault(
                place,
                f"{summary.num_missing:,} of {summary.num_rows:,} rows have no image "
                f"(first: row {summary.first_missing_row})",
                "drop these rows",
            )
        )
    if summary.num_infinite:
        faults.append(
            Fault(
                place,
                f"{summary.num_infinite:,} of {summary.num_rows:,} images have values that are not finite "
                f"(first: row {summary.first_infinite_row})",
                "drop these rows",
            )
        )
    if not summary.counts:
        faults.append(Fault(place, "no image can be read", "give files of images, or pixels of one shape"))
    return faults


def _to_array(column: pa.Array, known: ColumnProfile, row_N: np.ndarray) -> np.ndarray | Fault:
    """Return pixel_NHWC as uint8, or what is wrong with the first image that cannot be read."""
    shape = (known.shape[0], known.shape[1], known.shape[2])
    if not len(column):  # whose type nobody knows
        return np.zeros((0, *shape), np.uint8)
    if column.null_count or pa.types.is_null(column.type):
        first = int(np.flatnonzero(np.asarray(column.is_null()))[0])
        return Fault(f"column '{known.name}'", f"row {row_N[first]} has no image, expected images")
    if not _pictures.is_pixels(column.type) and not _pictures.is_encoded(column.type):
        return Fault(f"column '{known.name}'", f"found {column.type}, expected images")
    low, high = known.low or 0.0, FULL if known.high is None else known.high
    deep = None if known.high is None else (low, high)
    pixel_NHWC = np.zeros((len(column), *shape), np.uint8)
    place = 0
    try:
        if not _pictures.is_pixels(column.type):
            for place, value in enumerate(column.to_pylist()):
                pixel_NHWC[place] = _pictures.decoded(value, shape, deep)
            return pixel_NHWC
        images = _pictures.pixels(column)
        if isinstance(images, np.ndarray) and images.shape[1:] == shape and (low, high) == (0.0, FULL):
            return images if images.dtype == np.uint8 else _pictures.whole(images)
        for place, image in enumerate(images):
            scaled_HWC = (np.asarray(image, np.float64) - low) * (FULL / (high - low))
            pixel_NHWC[place] = _pictures.from_numbers(scaled_HWC, shape)
    except NotAnImage as error:
        found = f"found what is no image in row {row_N[place or error.place]} ({error})"
        return Fault(f"column '{known.name}'", f"{found}, expected images")
    return pixel_NHWC
