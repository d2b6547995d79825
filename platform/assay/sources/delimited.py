"""CSV files, plain or compressed with gzip."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.fs as pafs

from assay.errors import DataFault, Fault, raise_all
from assay.parts import Source
from assay.sources._paths import expand

NULLS = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "?"]
HEADER_BYTES = 1 << 20
BLOCK_BYTES = 16 << 20


class CsvFiles(Source):
    """Every value is read as text: what a column holds is told later, from all rows and not from the first block.

    Example:
        >>> CsvFiles().endings
        ('.csv', '.csv.gz', '.tsv', '.tsv.gz')
    """

    endings = (".csv", ".csv.gz", ".tsv", ".tsv.gz")

    def read(self, paths: Sequence[str]) -> Any:
        import ray.data

        files = expand(paths, self.endings)
        names = self._same_names(files)
        _check_shape(files)
        return ray.data.read_csv(
            files,
            override_num_blocks=len(files),
            read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=_parse_options(files[0]),
            convert_options=_convert_options(names),
            file_extensions=None,
        )

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        files = expand(paths, self.endings)
        names = self._same_names(files[:1])
        with _open(files[0]) as stream, _faults(files[0]):
            options = pacsv.ReadOptions(block_size=1 << 18)
            reader = pacsv.open_csv(stream, options, _parse_options(files[0]), _convert_options(names))
            batches, seen = [], 0
            for batch in reader:
                batches.append(batch)
                seen += batch.num_rows
                if seen >= num_rows:
                    break
        return pa.Table.from_batches(batches, reader.schema)

    def _same_names(self, files: Sequence[str]) -> list[str]:
        """Return the header that all files share."""
        first = header(files[0])
        faults = [
            Fault(
                file,
                f"has other columns than {files[0]}: {sorted(set(first) ^ set(names))[:5]}",
                "give files of one table",
            )
            for file in files[1:]
            if (names := header(file)) != first
        ]
        raise_all(DataFault, faults)
        return first


def header(file: str) -> list[str]:
    """Return the column names of a CSV file.

    Raises:
        DataFault: no readable header, or two columns of one name.
    """
    with _open(file) as stream, _faults(file):
        text = stream.read(HEADER_BYTES)
    try:
        line = text[: _last_whole_line(text)].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(file, text, error.start) from None
    names = next(csv.reader(io.StringIO(line), delimiter=_delimiter(file)), [])
    if not any(name.strip() for name in names):
        raise DataFault.at(file, "has no header line", "make the first line the names of the columns")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataFault.at(file, f"has two columns named '{twice[0]}'", "give every column a name of its own")
    return names


def _check_shape(files: Sequence[str]) -> None:
    """Read each file once as a stream, so that a broken line is named by file and line before Ray starts on it."""
    for file in files:
        with _open(file) as stream, _faults(file):
            num_rows = 0
            reader = pacsv.open_csv(
                stream, pacsv.ReadOptions(block_size=BLOCK_BYTES), _parse_options(file), _convert_options(header(file))
            )
            for batch in reader:
                num_rows += batch.num_rows
        if num_rows == 0:
            raise DataFault.at(file, "has a header but no rows", "give a file with rows")


def _last_whole_line(text: bytes) -> int:
    end = text.find(b"\n")
    return len(text) if end < 0 else end


def _delimiter(file: str) -> str:
    return "\t" if ".tsv" in file else ","


def _parse_options(file: str) -> pacsv.ParseOptions:
    return pacsv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True)


def _convert_options(names: Sequence[str]) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=NULLS
    )


def _open(file: str) -> Any:
    if "://" in file:
        file_system, path = pafs.FileSystem.from_uri(file)
    else:
        file_system, path = pafs.LocalFileSystem(), file
    compression = "gzip" if file.endswith(".gz") else None
    return file_system.open_input_stream(path, compression=compression)


class _faults:  # noqa: N801 - reads as a word at the place of use
    """Turns what Arrow says of a broken file into a fault that names file and line."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, pa.ArrowInvalid | OSError):
            return
        text = str(error).split("\n")[0]
        if "UTF8" in text or "utf8" in text.lower():
            raise _not_utf8(self.file, b"", -1) from None
        if "columns, got" in text:
            raise DataFault.at(
                self.file,
                f"is ragged: {text.removeprefix('CSV parse error: ')}",
                "give every line as many values as the header has names; quote values with commas",
            ) from None
        if "gzip" in text.lower() or "zlib" in text.lower() or "inflate" in text.lower():
            raise DataFault.at(self.file, f"is not a whole gzip file ({text})", "write it again") from None
        raise DataFault.at(self.file, f"cannot be read as CSV ({text})", "check the file") from None


def _not_utf8(file: str, content: bytes, position: int) -> DataFault:
    where = f" (byte {position:,}: 0x{content[position]:02x})" if position >= 0 else ""
    return DataFault.at(
        file,
        f"is not UTF-8 text{where}",  # type: ignore[return-value]
        f"convert it: `iconv -f latin1 -t utf-8 {file} > converted.csv`",
    )
