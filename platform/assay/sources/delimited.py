"""CSV files, plain or compressed with gzip."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from assay.errors import AssayError, DataFault, Fault, raise_all
from assay.parts import Source
from assay.sources._broken import not_utf8, told
from assay.sources._paths import everywhere, expand, open_stream

NULLS = [""]  # and only where it is not quoted; which words mean missing, `assay.cells` decides by column type
OTHER_DELIMITERS = (";", "|", "\t", ",")
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
            everywhere(files),
            override_num_blocks=len(files),
            read_options=pacsv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=_parse_options(files[0]),
            convert_options=_convert_options(names),
            file_extensions=None,
        )

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        files = expand(paths, self.endings)
        names = self._same_names(files[:1])
        parsing = _parse_options(files[0])
        with open_stream(files[0]) as stream, told(files[0], parsing):
            options = pacsv.ReadOptions(block_size=1 << 18)
            reader = pacsv.open_csv(stream, options, parsing, _convert_options(names))
            batches, seen = [], 0
            for batch in reader:
                batches.append(batch)
                seen += batch.num_rows
                if seen >= num_rows:
                    break
        if seen == 0:
            raise _no_rows(files[0])
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
    with open_stream(file) as stream, told(file, _parse_options(file)):
        text = stream.read(HEADER_BYTES)
    try:
        line = text[: _last_whole_line(text)].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_utf8(file) from None
    if "\0" in line:
        raise DataFault.at(file, "is not text (it holds zero bytes)", "name its real format in data.format")
    names = next(csv.reader(io.StringIO(line), delimiter=_delimiter(file)), [])
    if not any(name.strip() for name in names):
        raise DataFault.at(file, "has no header line", "make the first line the names of the columns")
    other = next((mark for mark in OTHER_DELIMITERS if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        raise DataFault.at(file, f"has values separated by {other!r}", "write it with commas, or as .tsv with tabs")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataFault.at(file, f"has two columns named '{twice[0]}'", "give every column a name of its own")
    return names


def _check_shape(files: Sequence[str]) -> None:
    """Read each file once as a stream, so that a broken line is named by file and line before Ray starts on it."""
    for file in files:
        options, parsing = pacsv.ReadOptions(block_size=BLOCK_BYTES), _parse_options(file)
        with open_stream(file) as stream, told(file, parsing):
            num_rows = 0
            reader = pacsv.open_csv(stream, options, parsing, _convert_options(header(file)))
            for batch in reader:
                num_rows += batch.num_rows
        if num_rows == 0:
            raise _no_rows(file)


def _no_rows(file: str) -> AssayError:
    return DataFault.at(file, "has a header but no rows", "give a file with rows")


def _last_whole_line(text: bytes) -> int:
    end = text.find(b"\n")
    return len(text) if end < 0 else end


def _delimiter(file: str) -> str:
    return "\t" if file.lower().endswith((".tsv", ".tsv.gz")) else ","


def _parse_options(file: str) -> pacsv.ParseOptions:
    return pacsv.ParseOptions(delimiter=_delimiter(file), newlines_in_values=True)


def _convert_options(names: Sequence[str]) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=NULLS,
    )
