"""CSV and Parquet files as people have them: encodings, headers, empty parts, links, types that differ."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.engines.loading import files_of, peek
from assay.engines.reading import Reading
from assay.errors import DataFault, SpecFault
from assay.notices import listening
from assay.store.tables import check_target
from assay.workflows.propose import initial

MANY = 100_000
BODY = "".join(f"{row},{row % 7},{'yes' if row % 2 else 'no'}\n" for row in range(20))


def written(folder: Path, text: str | bytes, name: str = "rows.csv") -> str:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mac_roman"])
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    lines = "name,place\n" + "Müller,Málaga\nJosé,Besançon\n" * 5
    rows = peek([written(tmp_path, lines.encode(encoding))], None, MANY)
    assert rows.slice(0, 2).to_pydict() == {"name": ["Müller", "José"], "place": ["Málaga", "Besançon"]}


def test_bytes_that_are_not_utf8_far_from_the_head_are_met(tmp_path: Path) -> None:
    lines = b"name,x\n" + b"plain,1\n" * 300_000 + "señor,2\n".encode("cp1252")
    assert peek([written(tmp_path, lines)], None, 400_000)["name"][-1].as_py() == "señor"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_delimiters_and_line_ends_are_found_out(tmp_path: Path, delimiter: str, end: str) -> None:
    text = "id,x,y\n" + BODY
    found = peek([written(tmp_path, text.replace(",", delimiter).replace("\n", end))], None, MANY)
    assert (found.column_names, found.num_rows, found["y"][1].as_py()) == (["id", "x", "y"], 20, "yes")


def test_a_file_without_a_header_is_refused_and_read_where_that_is_said(tmp_path: Path) -> None:
    file = written(tmp_path, BODY)
    with pytest.raises(DataFault, match="no header row, it seems"):
        peek([file], Reading(), MANY)
    for reading in (Reading(header="none"), Reading(header="detect")):
        found = peek([file], reading, MANY)
        assert (found.column_names, found.num_rows) == (["column_1", "column_2", "column_3"], 20)


def test_years_above_numbers_are_names(tmp_path: Path) -> None:
    file = written(tmp_path, "2019,2020,2021\n" + "4,5,6\n" * 9)
    assert peek([file], Reading(), MANY).column_names == ["2019", "2020", "2021"]


def test_the_second_header_row_of_a_survey_is_left_out_and_told(tmp_path: Path) -> None:
    file, heard = written(tmp_path, "id,film\n,Response\n" + "7,Yes\n8,No\n" * 9), list[str]()
    with listening(heard.append):
        assert peek([file], None, MANY).num_rows == 18
    assert "row below the header" in heard[0]
    assert peek([file], Reading(skip_rows=0), MANY).num_rows == 19


def test_two_columns_of_one_name_get_a_suffix_and_the_index_of_pandas_is_left_out(tmp_path: Path) -> None:
    file = written(tmp_path, ",a,a\n" + "".join(f"{row},1,2\n" for row in range(9)))
    assert peek([file], None, MANY).column_names == ["a", "a.1"]


def test_names_and_values_may_hold_line_breaks_and_be_long(tmp_path: Path) -> None:
    long = "word " * 100_000
    file = written(tmp_path, f'"Price\n(USD)",text\n1,"{long}"\n2,"a\nb"\n')
    found = peek([file], None, MANY)
    assert found["Price\n(USD)"].to_pylist() == ["1", "2"]
    assert found["text"].to_pylist() == [long, "a\nb"]


def test_many_columns_are_read(tmp_path: Path) -> None:
    names = [f"ENSG{place:011d}.1_some_gene" for place in range(12_000)]
    file = written(tmp_path, ",".join(names) + "\n" + (",".join("1" * 12_000) + "\n") * 3)
    assert (peek([file], None, MANY).num_columns, peek([file], None, MANY).num_rows) == (12_000, 3)


def test_a_path_that_exists_is_that_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    for name in ("data [1].csv", "a%20b#.csv", "what?.csv"):
        assert peek([written(tmp_path, "x,y\n1,2\n", name)], None, MANY).num_rows == 1


def test_links_are_followed_once_and_other_formats_refused(tmp_path: Path) -> None:
    written(tmp_path, "x,y\n1,2\n", "data/a.csv")
    written(tmp_path, "x,y\n3,4\n", "store/b.csv")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "back").symlink_to(tmp_path / "data")
    assert peek([str(tmp_path / "data")], None, MANY).num_rows == 2
    pq.write_table(pa.table({"x": [1], "y": [2]}), tmp_path / "data" / "c.parquet")
    with pytest.raises(DataFault, match="two formats"):
        peek([str(tmp_path / "data")], None, MANY)


def test_parts_without_rows_are_passed_over(tmp_path: Path) -> None:
    for name, values in {"a": [1], "b": [], "c": [2]}.items():
        (tmp_path / "parts").mkdir(exist_ok=True)
        pq.write_table(pa.table({"x": pa.array(values, pa.int64())}), tmp_path / "parts" / f"{name}.parquet")
        written(tmp_path, "x\n" + "".join(f"{value}\n" for value in values), f"text/{name}.csv")
    for folder in ("parts", "text"):
        assert peek([str(tmp_path / folder)], None, MANY).num_rows == 2


def test_types_that_differ_between_files_are_brought_together_or_named(tmp_path: Path) -> None:
    pairs = [
        (pa.array(["a"]), pa.array(["b"]).dictionary_encode()),
        (pa.array([1], pa.date32()), pa.array([1], pa.timestamp("us"))),
        (pa.array([1], pa.timestamp("us", "Europe/Berlin")), pa.array([1], pa.timestamp("us"))),
        (pa.array([1]), pa.array([1.5])),
        (pa.array([True]), pa.array([0])),
    ]
    for place, columns in enumerate(pairs):
        for name, column in zip("ab", columns, strict=True):
            (tmp_path / str(place)).mkdir(exist_ok=True)
            pq.write_table(pa.table({"c": column}), tmp_path / str(place) / f"{name}.parquet")
        assert peek([str(tmp_path / str(place))], None, MANY).num_rows == 2
    pq.write_table(pa.table({"c": ["word"]}), tmp_path / "3" / "c.parquet")
    with pytest.raises(DataFault, match=r"column 'c': holds double in .*a.parquet, string in .*c.parquet"):
        peek([str(tmp_path / "3")], None, MANY)


def test_the_path_of_a_file_gives_columns(tmp_path: Path) -> None:
    for year in (2023, 2024):
        written(tmp_path, "x\n1\n", f"sales/year={year}/part.csv")
    assert peek([str(tmp_path / "sales")], None, MANY)["year"].to_pylist() == ["2023", "2024"]


def test_the_unnamed_index_in_a_parquet_file_is_left_out(tmp_path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"x": [1, 2, 3]}).sample(frac=1, random_state=0).to_parquet(tmp_path / "rows.parquet")
    assert peek([str(tmp_path / "rows.parquet")], None, MANY).column_names == ["x"]


@pytest.mark.parametrize(
    ("name", "what"), [("a.xlsx", "is a spreadsheet"), ("a.json", "is JSON"), ("a.zip", "archive")]
)
def test_files_that_are_no_tables_are_told_for_what_they_are(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(DataFault, match=what):
        peek([written(tmp_path, "x", name)], None, MANY)


def test_predictions_never_replace_the_rows_they_are_made_from(tmp_path: Path) -> None:
    file = written(tmp_path, "x\n1\n")
    (tmp_path / "link.csv").symlink_to(file)
    for out in (file, tmp_path / "link.csv"):
        with pytest.raises(SpecFault, match="is the file that is read"):
            check_target(Path(out), files_of([file], None), force=True)
    other = Path(written(tmp_path, "x\n1\n", "other.csv"))
    with pytest.raises(SpecFault, match="--force"):
        check_target(other, [file], force=False)
    check_target(other, [file], force=True)


def test_init_writes_what_it_found_out_as_keys_with_reasons(tmp_path: Path) -> None:
    body = "".join(f"{row},{'Málaga' if row % 2 else 'Köln'},{row % 3 or ''}\n" for row in range(60))
    _, text = initial([written(tmp_path, ("id,town,y\n" + body).encode("cp1252"))], "y")
    assert "encoding: cp1252" in text
    assert "missing_label: drop" in text
    assert "20 of the first 60 rows have no label" in text
