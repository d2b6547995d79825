"""Rows of images: which tables are taken for them, what size they get, and what is said of broken ones."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from bars import bars, batch_of, png, profiled

from assay import catalog
from assay.errors import DataFault
from assay.kinds._tensors import to_column
from assay.spec import ColumnSpec
from assay.vocabulary import Shelf


def table(images: Any, labels: list[str] | None = None) -> pa.Table:
    column = images if isinstance(images, pa.Array) else pa.array(images)
    return pa.table({"x": column, "label": labels or ["a", "b"] * (len(column) // 2)})


def claims(rows: pa.Table) -> bool:
    return bool(catalog.make(Shelf.KINDS, "image").claims(rows, "label"))


def test_bytes_of_files_base64_and_lists_give_the_same_pixels() -> None:
    image_NHW, labels = bars(6)
    files = [png(image) for image in image_NHW]
    profile = profiled(table(files, labels))
    texts = [base64.b64encode(file).decode() for file in files]
    with_head = ["data:image/png;base64," + text for text in texts]
    for column in (files, texts, with_head, to_column(image_NHW), image_NHW.tolist()):
        found = batch_of(table(column, labels), profile).columns["x"]
        np.testing.assert_array_equal(found, image_NHW[..., None])


@pytest.mark.parametrize(
    ("column", "image"),
    [
        ([png(np.zeros((5, 5), np.uint8))] * 4, True),
        (np.zeros((4, 8, 8)).tolist(), True),
        (np.zeros((4, 8, 8, 3), np.uint8).tolist(), True),
        ((np.ones((4, 8, 8)) * 17.5).tolist(), False),
        (np.zeros((4, 40, 3), np.uint8).tolist(), False),
        ((np.zeros((4, 8, 8)) - 1).tolist(), False),
        ([1.0, 2.0, 3.0, 4.0], False),
        (["one", "two", "three", "four"], False),
    ],
)
def test_a_table_is_taken_for_images_by_what_its_cells_hold(column: list[Any], image: bool) -> None:
    assert claims(table(column)) == image


def test_images_of_many_sizes_get_the_median_one_and_the_longer_side_is_at_most_64() -> None:
    sizes = [(100, 200), (100, 200), (100, 200), (40, 40), (300, 600), (100, 200)]
    rows = table([png(np.full(size, 90, np.uint8)) for size in sizes])
    profile = profiled(rows)
    assert profile.column("x").shape == (32, 64, 1)
    assert batch_of(rows, profile).columns["x"].shape == (6, 32, 64, 1)
    assert profiled(rows, x=ColumnSpec(max_side=20)).column("x").shape == (10, 20, 1)


def test_one_colour_image_makes_all_of_them_colour() -> None:
    grey, red = np.full((6, 6), 90, np.uint8), np.zeros((6, 6, 3), np.uint8)
    red[..., 0] = 255
    found = batch_of(rows := table([png(grey), png(red)] * 2), profiled(rows)).columns["x"]
    assert found[0, 0, 0].tolist() == [90, 90, 90]
    assert found[1, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("low", "high"), [(0, 16), (0.0, 1.0), (0, 255)])
def test_numbers_are_scaled_to_256_levels_whatever_their_range(low: float, high: float) -> None:
    images = np.full((4, 4, 4), low)
    images[:, 2:] = high
    images = images.astype(int) if isinstance(low, int) else images
    rows = table(images.tolist())
    found = batch_of(rows, profiled(rows)).columns["x"]
    assert (found.min(), found.max()) == (0, 255)
    half = batch_of(table((images / 2).tolist()), profiled(rows)).columns["x"]
    assert 126 <= half.max() <= 129


def test_the_numbers_of_a_request_are_scaled_like_those_of_training() -> None:
    rows = table(np.tile(np.array([[0, 8], [16, 4]]), (4, 1, 1)).tolist())
    dark = table([[[0, 1], [1, 0]]], ["a"])
    assert batch_of(dark, profiled(rows)).columns["x"].max() == 16


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (b"no image at all", r"no image in row 2 \(no image format is known"),
        (png(bars(1)[0][0])[:80], r"no image in row 2 \("),
        (None, "row 2 has no image"),
        (b"", "no image in row 2"),
    ],
)
def test_a_broken_image_is_named_by_its_column_and_row(cell: bytes | None, said: str) -> None:
    rows = table([*(png(image) for image in bars(4)[0])])
    content = rows.column("x").to_pylist()
    content[2] = cell
    with pytest.raises(DataFault, match=rf"column 'x': .*{said}"):
        batch_of(table(content), profiled(rows))


def test_lists_that_are_no_images_are_named_by_their_row() -> None:
    rows = table(np.zeros((4, 5, 5), int).tolist())
    cells: list[Any] = rows.column("x").to_pylist()
    cells[1] = [[1, 2, 3], [4, 5]]
    with pytest.raises(DataFault, match="no image in row 1"):
        batch_of(table(cells), profiled(rows))
    with pytest.raises(DataFault, match=r"no image in row 0 .*not finite"):
        batch_of(table([[[float("nan")] * 5] * 5], ["a"]), profiled(rows))


def test_a_few_bytes_that_promise_a_giant_are_refused() -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    giant = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    rows = table([png(image) for image in bars(4)[0]])
    with pytest.raises(DataFault, match="no image in row 0"):
        batch_of(table([giant], ["a"]), profiled(rows))


def test_a_second_column_of_images_and_other_columns_are_left_out_and_said() -> None:
    images = [png(image) for image in bars(4)[0]]
    rows = table(images).append_column("y", pa.array(images)).append_column("n", pa.array([1, 2, 3, 4]))
    profile = profiled(rows)
    assert [column.name for column in profile.used] == ["x"]
    assert "second column of images" in profile.column("y").dropped
    assert "is no image" in profile.column("n").dropped


def test_a_column_that_is_declared_but_not_there_is_named() -> None:
    rows = pa.table({"x": [[[0, 9], [16, 3]]] * 4, "y": [*"abab"]})
    kind = catalog.make(Shelf.KINDS, "image")
    with pytest.raises(DataFault, match=r"column 'xx': is named in `columns` but is not in the data.*'x'"):
        kind.profile(kind.summarise(rows, np.arange(4), 0), "y", None, {"xx": ColumnSpec(drop=True)}, None)
