"""An image means what a person sees: upright, on white, deep or not; too large ones are never decoded."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from assay import catalog, image_files
from assay.engines import loading
from assay.engines.reading import Reading
from assay.errors import DataFault
from assay.notices import listening
from assay.sources.images import Images
from assay.spec import PartSpec
from assay.vocabulary import Shelf
from assay.workflows.prepare import learn_recipe

KIND = catalog.make(Shelf.KINDS, "image")


def encoded(image: Image.Image, form: str = "PNG", **told: Any) -> bytes:
    """Return the bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, form, **told)
    return stream.getvalue()


def batch(content: list[Any], trained_on: list[Any] | None = None) -> np.ndarray:
    """Return the pixels of images as a model sees that was trained on the same or on others."""
    known = 2 * (trained_on or content)
    rows = pa.table({"image": pa.array(known), "y": [*"ab"] * (len(known) // 2)})
    profile = KIND.profile(KIND.summarise(rows, np.arange(rows.num_rows), 0), "y", None, {}, None)
    found: np.ndarray = KIND.to_batch(pa.table({"image": pa.array(content)}), profile).columns["image"]
    return found


def bar() -> np.ndarray:
    """Return an image of 6 x 4 pixels whose upper rows are white."""
    pixel_HW = np.zeros((6, 4), np.uint8)
    pixel_HW[:2] = 255
    return pixel_HW


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_is_turned_as_its_camera_was(form: str) -> None:
    exif = Image.Exif()
    exif[image_files.ORIENTATION] = 6
    turned = Image.fromarray(np.stack([np.rot90(bar())] * 3, axis=-1))
    data = encoded(turned, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    upright = encoded(Image.fromarray(np.stack([bar()] * 3, axis=-1)))
    assert image_files.size_of(data)[:2] == (6, 4)
    seen_NHWC = batch([data, upright])
    assert np.abs(seen_NHWC[0].astype(int) - seen_NHWC[1]).mean() < 12  # JPEG loses a little


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    shape = Image.fromarray(np.stack([np.zeros((6, 4), np.uint8)] * 3 + [255 - bar()], axis=-1), "RGBA")
    data = encoded(shape.convert(mode), "TIFF" if mode == "PA" else "PNG")
    if mode == "P":
        grey = Image.fromarray(255 - bar()).convert("P")
        data = encoded(grey, transparency=grey.getpixel((0, 5)))
        assert batch([data, data])[0, :, :, 0].min() == 0
        return
    np.testing.assert_array_equal(batch([data, data])[0, :, :, 0], bar())


def test_pixels_of_four_channels_are_laid_on_white_too() -> None:
    clear = np.zeros((4, 4, 4), np.uint8).tolist()
    solid = np.full((4, 4, 4), [9, 9, 9, 255], np.uint8).tolist()
    assert batch([clear, solid])[:, 0, 0, 0].tolist() == [255, 9]


@pytest.mark.parametrize(
    ("first", "second", "kind", "expected"),
    [
        (0, 4095, np.uint16, 255),
        (0, 200, np.uint16, 200),
        (0, 65_535, np.uint16, 255),
        (0, 1_000_000, np.int32, 255),
        (0.0, 1.0, np.float32, 255),
        (-3.0, 5.0, np.float32, 255),
    ],
)
def test_deep_images_are_seen_by_the_range_of_the_training_rows(
    first: float, second: float, kind: Any, expected: int
) -> None:
    files = []
    for value in (first, second):
        pixel_HW = np.full((6, 4), first, kind)
        pixel_HW[:3] = value
        files.append(encoded(Image.fromarray(pixel_HW), "TIFF"))
    seen_NHWC = batch(files)
    assert seen_NHWC[1].max() == expected
    assert seen_NHWC[0].max() == seen_NHWC[0].min() == 0
    again = batch([base64.b64encode(files[1]).decode()], trained_on=files)
    np.testing.assert_array_equal(again[0], seen_NHWC[1])


def test_a_deep_image_with_a_number_that_is_none_is_named_by_its_row() -> None:
    pixel_HW = np.zeros((6, 4), np.float32)
    good = encoded(Image.fromarray(pixel_HW + 1), "TIFF")
    pixel_HW[0, 0] = np.nan
    with pytest.raises(DataFault, match=r"2 of 4 images have values that are not finite \(first: row 1\)"):
        batch([good, encoded(Image.fromarray(pixel_HW), "TIFF")])


def huge() -> bytes:
    """Return a small file that promises 72 million pixels."""
    return encoded(Image.new("1", (9000, 8000)))


def test_an_image_of_too_many_pixels_is_named_and_never_decoded(tmp_path: Path, monkeypatch: Any) -> None:
    folder = classes(tmp_path)
    (folder / "dog" / "poster.png").write_bytes(huge())
    decoded = []
    load = Image.Image.load
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: decoded.append(image.size) or load(image))
    with pytest.raises(DataFault, match=r"dog/poster\.png: is not a whole image \(it has 9000 x 8000 pixels"):
        loading.peek([str(folder)], None, 100)
    assert loading.peek([str(folder)], Reading(broken="skip"), 100).num_rows == 4
    assert (9000, 8000) not in decoded


def classes(folder: Path, *, below: str = "") -> Path:
    """Write two images of each of two classes."""
    for label in ("cat", "dog"):
        for place in range(2):
            file = folder / "pets" / label / below / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(Image.fromarray(bar())))
    return folder / "pets"


def test_the_class_is_the_first_folder_however_deep_the_files_lie(tmp_path: Path) -> None:
    classes(tmp_path, below="2023/spring")
    found = Images().peek([str(tmp_path / "pets")], 100)
    assert found.column("label").to_pylist() == ["cat", "cat", "dog", "dog"]
    assert found.column("file")[0].as_py() == "cat/2023/spring/0.png"


def test_a_folder_of_files_alone_is_a_class_of_its_name(tmp_path: Path) -> None:
    pets = classes(tmp_path)
    found = Images().peek([str(pets / "dog"), str(pets / "cat")], 100)
    assert found.column("label").to_pylist() == ["dog", "dog", "cat", "cat"]


def test_files_beside_folders_of_classes_have_no_label_and_are_told_of(tmp_path: Path) -> None:
    pets = classes(tmp_path)
    (pets / "loose.png").write_bytes(encoded(Image.fromarray(bar())))
    heard: list[str] = []
    with listening(heard.append):
        found = Images().peek([str(pets)], 100)
    assert found.column("label").to_pylist().count(None) == 1
    assert heard == [f"{pets}: 1 images lie beside the folders of classes and have no label (first: loose.png)"]


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_paths_of_a_table_may_be_written_as_on_windows(tmp_path: Path, separator: str) -> None:
    classes(tmp_path)
    names = [f"pets{separator}{label}{separator}{place}.png" for label in ("cat", "dog") for place in range(2)]
    (tmp_path / "rows.csv").write_text("\n".join(["file,y", *(f"{name},{name[5]}" for name in names)]))
    found = loading.peek([str(tmp_path / "rows.csv")], None, 100)
    assert all(data.startswith(b"\x89PNG") for data in found.column("file").to_pylist())


def test_paths_that_lead_nowhere_are_named_with_where_they_were_looked_for(tmp_path: Path) -> None:
    table = pa.table({"file": ["img/a.png", "img/b.png"], "y": ["a", "b"]})
    with pytest.raises(
        DataFault, match=r"column 'file': names images that are not there \(first: 'img/a\.png', looked"
    ):
        loading.check_image_paths(table, [str(tmp_path / "rows.csv")], None, {"y"})
    loading.check_image_paths(table, [str(tmp_path / "rows.csv")], None, {"y", "file"})


def test_structs_of_bytes_and_paths_are_images(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    classes(tmp_path)
    content = (tmp_path / "pets/cat/0.png").read_bytes()
    cells = [{"bytes": content, "path": "0.png"}, {"bytes": None, "path": "pets/dog/1.png"}]
    pq.write_table(pa.table({"image": cells, "y": ["cat", "dog"]}), tmp_path / "rows.parquet")
    found = loading.peek([str(tmp_path / "rows.parquet")], None, 100)
    assert found.column("image").to_pylist() == [content, (tmp_path / "pets/dog/1.png").read_bytes()]


def test_images_that_are_all_the_same_are_told_as_such(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for place in range(6):
            file = tmp_path / "pets" / label / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(Image.fromarray(np.full((6, 4), 90, np.uint8))))
    rows = loading.peek([str(tmp_path / "pets")], None, 100)
    profile = KIND.profile(KIND.summarise(rows, np.arange(12), 0), "label", None, {}, None)
    steps = [PartSpec(name=key) for key in KIND.default_steps("dense")]
    with pytest.raises(DataFault, match="columns: hold no feature that differs between the 12 training rows"):
        learn_recipe(steps, KIND.to_batch(rows, profile), 0)
