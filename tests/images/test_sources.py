"""Images from folders, tables that name files or hold bytes, and archives: the same rows, and broken ones told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from bars import bars, batch_of, png, profiled, save

from assay import catalog
from assay.engines import loading
from assay.engines.reading import Reading
from assay.errors import DataFault
from assay.vocabulary import Shelf

cluster = pytest.mark.cluster


def table_of_paths(folder: Path, num_rows: int) -> pa.Table:
    """Write images, and return a table that names them from where it lies."""
    save(folder / "pictures", num_rows)
    files = sorted((folder / "pictures").rglob("*.png"), key=lambda file: file.name)
    return pa.table(
        {
            "file": [str(file.relative_to(folder)) for file in files],
            "label": [file.parent.name for file in files],
        }
    )


def pixels(table: pa.Table) -> np.ndarray:
    return batch_of(table, profiled(table)).columns[profiled(table).used[0].name]


@cluster
def test_folders_tables_and_archives_hold_the_same_images(tmp_path: Path, ray_cluster: None) -> None:
    image_NHW, labels = bars(8)
    by_path = table_of_paths(tmp_path, 8)
    pacsv.write_csv(by_path, tmp_path / "rows.csv")
    pq.write_table(by_path, tmp_path / "rows.parquet")
    encoded = pa.table({"x": [png(image) for image in image_NHW], "label": labels})
    pq.write_table(encoded, tmp_path / "bytes.parquet")
    np.savez_compressed(tmp_path / "rows.npz", x=image_NHW, label=np.array(labels))
    for name in ("rows.csv", "rows.parquet", "bytes.parquet", "rows.npz"):
        table = loading.load([str(tmp_path / name)], None)
        assert table.column("label").to_pylist() == labels, name
        np.testing.assert_array_equal(pixels(table), image_NHW[..., None], err_msg=name)
    folders = loading.load([str(tmp_path / "pictures")], None)
    assert folders.column("label").to_pylist() == sorted(labels)
    np.testing.assert_array_equal(pixels(folders), image_NHW[[0, 2, 4, 6, 1, 3, 5, 7], :, :, None])


@cluster
def test_a_broken_file_of_a_folder_is_named_or_skipped_and_counted(tmp_path: Path, ray_cluster: None) -> None:
    folder = save(tmp_path / "pictures", 6)
    (folder / "lying" / "0002.png").write_bytes(b"not an image")
    (folder / "standing" / "0003.png").write_bytes(b"")
    with pytest.raises(DataFault, match=r"000[23]\.png: is not a whole image"):
        loading.load([str(folder)], None)
    (folder / "standing" / "0003.png").write_bytes(png(bars(1)[0][0])[:-60])
    with pytest.raises(DataFault) as caught:
        loading.load([str(folder)], None)
    assert {Path(fault.place).name for fault in caught.value.faults} == {"0002.png", "0003.png"}
    table, num_skipped = loading.load_whole([str(folder)], Reading(broken="skip"))
    assert (table.num_rows, num_skipped) == (4, 2)
    assert loading.peek([str(folder)], Reading(broken="skip"), 100).num_rows == 4


@cluster
def test_a_broken_file_that_a_table_names_is_named_or_skipped_and_counted(tmp_path: Path, ray_cluster: None) -> None:
    rows = table_of_paths(tmp_path, 6)
    pacsv.write_csv(rows, tmp_path / "rows.csv")
    (tmp_path / rows.column("file")[1].as_py()).unlink()
    (tmp_path / rows.column("file")[4].as_py()).write_bytes(b"GIF89a")
    with pytest.raises(DataFault) as caught:
        loading.load([str(tmp_path / "rows.csv")], None)
    places = [fault.place for fault in caught.value.faults]
    assert all(place.startswith("column 'file', ") for place in places)
    assert [Path(place).name for place in places] == ["0001.png", "0004.png"]
    assert "no such file" in str(caught.value)
    table, num_skipped = loading.load_whole([str(tmp_path / "rows.csv")], Reading(broken="skip"))
    assert (table.num_rows, num_skipped) == (4, 2)


@cluster
def test_broken_bytes_of_a_table_are_skipped_and_counted(tmp_path: Path, ray_cluster: None) -> None:
    content = [png(image) for image in bars(6)[0]]
    content[2:4] = [b"", content[3][:40]]
    pq.write_table(pa.table({"x": content, "label": list("ababab")}), tmp_path / "rows.parquet")
    table, num_skipped = loading.load_whole([str(tmp_path / "rows.parquet")], Reading(broken="skip"))
    assert (table.column("label").to_pylist(), num_skipped) == (["a", "b", "a", "b"], 2)
    with pytest.raises(DataFault, match="no image in row 2"):
        batch_of(whole := loading.load([str(tmp_path / "rows.parquet")], None), profiled(whole))


def test_names_of_files_that_are_not_there_stay_text(tmp_path: Path) -> None:
    pacsv.write_csv(pa.table({"photo": ["a.png", "b.png"], "label": ["x", "y"]}), tmp_path / "rows.csv")
    head = loading.peek([str(tmp_path / "rows.csv")], None, 10)
    assert head.column("photo").to_pylist() == ["a.png", "b.png"]


def test_the_head_of_folders_shows_every_class(tmp_path: Path) -> None:
    folder = save(tmp_path / "pictures", 40)
    head = catalog.make(Shelf.SOURCES, "images").peek([str(folder)], 10)
    assert set(head.column("label").to_pylist()) == {"lying", "standing"}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.array([{"a": 1}], dtype=object)}, "array 'x'|x.npy"),
        ({"x": np.zeros((4, 2, 2)), "y": np.zeros(3)}, "array 'y'.*has 3 rows, others have 4"),
        ({"x": np.float64(3.0)}, "single value"),
        ({"x": np.zeros((0, 2, 2))}, "has no rows"),
        ({"x": np.zeros((5, 2)), "offsets": np.array([0, 4, 3, 5])}, "`offsets` do not cut"),
    ],
)
def test_an_archive_that_holds_no_rows_is_refused_in_words(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(DataFault, match=said):
        catalog.make(Shelf.SOURCES, "npz").peek([str(tmp_path / "rows.npz")], 5)


def test_an_archive_of_ragged_rows_is_cut_at_its_offsets(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.arange(5), offsets=np.array([0, 2, 2, 5]), y=np.array([7, 8, 9]))
    table = catalog.make(Shelf.SOURCES, "npz").peek([str(tmp_path / "rows.npz")], 5)
    assert table.to_pydict() == {"x": [[0, 1], [], [2, 3, 4]], "y": [7, 8, 9]}


def test_a_file_that_is_no_archive_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "rows.npz").write_bytes(b"PK nothing of the sort")
    with pytest.raises(DataFault, match="is not an npz archive"):
        catalog.make(Shelf.SOURCES, "npz").peek([str(tmp_path / "rows.npz")], 5)
