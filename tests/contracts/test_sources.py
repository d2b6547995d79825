"""Promises of every source on the shelf: the same rows in any form a person may name them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from assay import catalog
from assay.engines.cluster import prepare_data_context
from assay.engines.loading import collect, from_memory, load, source_key
from assay.errors import DataFault, SpecFault
from assay.notices import listening
from assay.parts import Source
from assay.vocabulary import Shelf

NUM_ROWS = 90


def write_arrays(table: pa.Table, path: Path) -> None:
    np.savez(path, **{name: np.array(table.column(name).to_pylist()) for name in table.column_names})


WRITE: dict[str, Callable[[pa.Table, Path], None]] = {
    "delimited": pacsv.write_csv,
    "npz": write_arrays,
    "parquet": pq.write_table,
}
KEYS = [key for key in catalog.keys(Shelf.SOURCES) if key in WRITE]  # `images` holds no tables: see tests/images
every_source = pytest.mark.parametrize("key", KEYS)


def made(key: str) -> Source:
    return catalog.make(Shelf.SOURCES, key)


def rows() -> pa.Table:
    draw = np.random.default_rng(0)
    said = draw.choice(["plain", "with, comma", 'with "quotes"', "two\nlines", "ünïcode"], NUM_ROWS)
    return pa.table({"row": [f"r{row}" for row in range(NUM_ROWS)], "said": said.tolist()})


def parts(key: str, folder: Path) -> list[Path]:
    """Write the rows as three files whose names sort as the rows do."""
    folder.mkdir()
    paths = [folder / f"part-{place}{made(key).endings[0]}" for place in range(3)]
    for place, path in enumerate(paths):
        WRITE[key](rows().slice(place * 30, 30), path)
    return paths


def whole(key: str, path: Path) -> Path:
    file = path / f"whole{made(key).endings[0]}"
    WRITE[key](rows(), file)
    return file


def read(key: str, *paths: object) -> pa.Table:
    prepare_data_context()
    return collect(made(key).read([str(path) for path in paths]), "test")


@pytest.mark.cluster
@every_source
def test_rows_are_the_same_from_a_file_a_folder_a_glob_a_list_and_a_uri(
    key: str, tmp_path: Path, ray_cluster: None
) -> None:
    files = parts(key, tmp_path / "many")
    forms: list[tuple[object, ...]] = [
        (whole(key, tmp_path),),
        (tmp_path / "many",),
        (tmp_path / "many" / "part-*",),
        tuple(files),
        ((tmp_path / "whole").as_uri() + made(key).endings[0],),
        ((tmp_path / "many").as_uri(),),
        ((tmp_path / "many").as_uri() + "/part-*",),
    ]
    for form in forms:
        assert read(key, *form).to_pylist() == rows().to_pylist(), form


@pytest.mark.cluster
@every_source
def test_files_are_read_in_the_order_in_which_they_are_listed(key: str, tmp_path: Path, ray_cluster: None) -> None:
    first, second, third = parts(key, tmp_path / "many")
    table = read(key, third, first, second)
    assert table.column("row").to_pylist() == [f"r{row}" for row in [*range(60, 90), *range(60)]]


@pytest.mark.cluster
def test_a_compressed_file_holds_the_same_rows(tmp_path: Path, ray_cluster: None) -> None:
    plain = whole("delimited", tmp_path)
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read("delimited", packed).to_pylist() == rows().to_pylist()
    assert made("delimited").peek([str(packed)], 10).slice(0, 10).to_pylist() == rows().to_pylist()[:10]


@pytest.mark.cluster
def test_rows_in_memory_are_the_same_from_every_library(ray_cluster: None) -> None:
    import pandas as pd
    import polars as pl
    import ray

    expected = rows().to_pylist()
    frame = pl.from_arrow(rows())
    for given in (rows(), rows().to_pandas(), frame, frame.lazy(), ray.data.from_arrow(rows())):
        assert from_memory(given).to_pylist() == expected, type(given)
    with pytest.raises(DataFault, match="data: is a dict"):
        from_memory({"row": [1]})
    with pytest.raises(DataFault, match="has two columns of one name"):
        from_memory(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@every_source
def test_peeking_shows_the_first_rows_without_a_cluster(key: str, tmp_path: Path) -> None:
    head = made(key).peek([str(whole(key, tmp_path))], 10)
    assert head.slice(0, 10).to_pylist() == rows().to_pylist()[:10]


@every_source
def test_its_endings_choose_it(key: str) -> None:
    for ending in made(key).endings:
        assert source_key([f"somewhere/DATA{ending.upper()}"], None) == key


@every_source
def test_a_folder_is_known_by_what_lies_in_it(key: str, tmp_path: Path) -> None:
    parts(key, tmp_path / "many")
    assert source_key([str(tmp_path / "many")], None) == key


@every_source
def test_hidden_files_of_a_folder_are_left_out(key: str, tmp_path: Path) -> None:
    parts(key, tmp_path / "many")
    for name in ("_SUCCESS", ".part-9", "_part-9"):
        (tmp_path / "many" / f"{name}{made(key).endings[0]}").write_bytes(b"not data")
    for folder in (str(tmp_path / "many"), (tmp_path / "many").as_uri()):
        assert made(key).peek([folder], 5).slice(0, 5).to_pylist() == rows().to_pylist()[:5]


@every_source
def test_a_file_that_is_not_there_is_named_with_the_nearest_one(key: str, tmp_path: Path) -> None:
    file = whole(key, tmp_path)
    missing = file.with_name(file.name.replace("whole", "whol"))
    with pytest.raises(DataFault) as caught:
        made(key).peek([str(missing)], 5)
    (fault,) = caught.value.faults
    assert (fault.place, fault.found, fault.fix) == (str(missing), "no such file", f"did you mean '{file.name}'?")


@every_source
def test_a_folder_a_glob_and_a_uri_that_mean_no_file_are_named(key: str, tmp_path: Path) -> None:
    for nothing in (tmp_path, tmp_path / "*.x", (tmp_path / "absent.csv").as_uri(), (tmp_path / "no").as_uri() + "/*"):
        with pytest.raises(DataFault) as caught:
            made(key).peek([str(nothing)], 5)
        assert caught.value.faults[0].place == str(nothing)


@every_source
def test_a_file_of_no_bytes_is_named_and_passed_over_beside_others(key: str, tmp_path: Path) -> None:
    files = parts(key, tmp_path / "many")
    files[0].write_bytes(b"")
    for form in (str(files[0]), files[0].as_uri()):
        with pytest.raises(DataFault, match=r"is empty \(0 bytes\)") as caught:
            made(key).peek([form], 5)
        assert files[0].name in str(caught.value)
    heard: list[str] = []
    with listening(heard.append):
        assert made(key).peek([str(tmp_path / "many")], 1).num_rows > 0
    assert heard == [f"{files[0]}: is empty (0 bytes) and is passed over"]


@pytest.mark.cluster
@every_source
def test_a_file_of_other_columns_is_named(key: str, tmp_path: Path, ray_cluster: None) -> None:
    files = parts(key, tmp_path / "many")
    WRITE[key](rows().rename_columns(["row", "heard"]), files[2])
    with pytest.raises(DataFault, match=r"has other columns than .*part-0.*\['heard', 'said'\]") as caught:
        made(key).read([str(tmp_path / "many")])
    assert caught.value.faults[0].place == str(files[2])


@every_source
def test_an_unknown_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.delimeter: unknown setting 'delimeter'"):
        catalog.make(Shelf.SOURCES, key, {"delimeter": ";"})


@pytest.mark.cluster
def test_data_may_have_any_ending_when_its_format_is_told(tmp_path: Path, ray_cluster: None) -> None:
    file = tmp_path / "rows.txt"
    pacsv.write_csv(rows(), file)
    assert load([str(file)], "csv").to_pylist() == rows().to_pylist()
    with pytest.raises(DataFault, match="has an ending that tells no format"):
        load([str(file)], None)
