"""CSV files, plain or compressed with gzip, in any encoding and with any usual delimiter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from pydantic import Field

from assay.errors import AssayError, DataFault, Fault, raise_all
from assay.notices import notice
from assay.parts import Source
from assay.sources import _hive
from assay.sources._broken import told
from assay.sources._layout import Header, Layout, LayoutOptions, layout, open_text
from assay.sources._paths import everywhere, expand
from assay.spec.strict import Strict

BLOCK_BYTES = 16 << 20
PEEK_BYTES = 1 << 18
MAX_BLOCK_BYTES = 1 << 30  # of a row that is longer than a block


class CsvFiles(Source):
    """Every value is read as text: what a column holds is told later, from all rows and not from the first block.

    Example:
        >>> CsvFiles().endings
        ('.csv', '.csv.gz', '.tsv', '.tsv.gz')
    """

    endings = (".csv", ".csv.gz", ".tsv", ".tsv.gz")

    class Params(Strict):
        """How the files are laid out; found out where it is left out."""

        encoding: str | None = Field(None, description="such as utf-8, cp1252 or mac_roman")
        header: Header | None = Field(
            None, description="first: names in the first row; none: data; detect: whichever it looks like"
        )
        skip_rows: int | None = Field(None, ge=0, le=10, description="rows below the header that are no data")

    def read(self, paths: Sequence[str]) -> Any:
        import ray.data

        files = everywhere(self._with_rows(expand(paths, self.endings)))
        columns = self._columns(files)
        options = self._options

        def rows_of(batch: dict[str, Any]) -> Iterator[pa.Table]:
            for file in batch["item"]:
                for table in _tables(str(file), layout(str(file), options), BLOCK_BYTES):
                    yield _hive.with_partitions(table, str(file), columns).select(columns)

        listed = ray.data.from_items(list(files), override_num_blocks=len(files))
        return listed.map_batches(rows_of, batch_size=1)

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        files = expand(paths, self.endings)
        columns = self._columns(files)
        batches, seen = [], 0
        for file in files:
            for table in _tables(file, layout(file, self._options), PEEK_BYTES):
                batches.append(_hive.with_partitions(table, file, columns).select(columns))
                seen += table.num_rows
                if seen >= num_rows:
                    return pa.concat_tables(batches)
        if seen == 0:
            raise _no_rows(files[0])
        return pa.concat_tables(batches)

    @property
    def _options(self) -> LayoutOptions:
        params = self.params
        return LayoutOptions(params.encoding, params.header, params.skip_rows)

    def _with_rows(self, files: Sequence[str]) -> list[str]:
        """Return the files that have rows; every one is read once, so that a broken line is named before Ray starts.

        Raises:
            DataFault: none has rows, or one is broken.
        """
        kept = []
        for file in files:
            num_rows = sum(table.num_rows for table in _tables(file, layout(file, self._options), BLOCK_BYTES))
            if num_rows:
                kept.append(file)
            elif len(files) > 1:
                notice(f"{file}: has no rows and is passed over")
        if not kept:
            raise _no_rows(files[0])
        return kept

    def _columns(self, files: Sequence[str]) -> list[str]:
        """Return the columns that all files share, without row numbers that pandas wrote.

        Raises:
            DataFault: a file has other columns than the first.
        """
        found = [layout(file, self._options) for file in files]
        first, index = list(found[0].names), found[0].index
        faults = [
            Fault(
                file,
                f"has other columns than {files[0]}: {sorted(set(first) ^ set(one.names))[:5]}",
                "give files of one table",
            )
            for file, one in zip(files[1:], found[1:], strict=True)
            if set(one.names) != set(first)
        ]
        raise_all(DataFault, faults)
        if index is not None and all(one.index == index for one in found):
            notice(f"{files[0]}: the first column has no name and numbers the rows; it is left out")
            first.remove(index)
        return [*first, *(name for name in _hive.names(files) if name not in first)]


def _tables(file: str, found: Layout, block_bytes: int) -> Iterator[pa.Table]:
    """Yield the rows of a file, some at a time; blocks grow where a row is longer than one."""
    parsing = pacsv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True)
    while True:
        try:
            yield from _read(file, found, parsing, block_bytes)
            return
        except _LongRow:
            block_bytes *= 8
            if block_bytes > MAX_BLOCK_BYTES:
                text = f"has a row of more than {MAX_BLOCK_BYTES >> 23} MB"
                raise DataFault.at(file, text, "check the quotes of its values") from None


class _LongRow(Exception):
    """A row does not fit into a block, and no row of this file has been given yet."""


def _read(file: str, found: Layout, parsing: pacsv.ParseOptions, block_bytes: int) -> Iterator[pa.Table]:
    options = pacsv.ReadOptions(
        block_size=block_bytes, column_names=list(found.names), skip_rows_after_names=found.num_skipped
    )
    given = False
    with open_text(file, found.encoding) as stream, told(file, parsing, found):
        try:
            reader = pacsv.open_csv(stream, options, parsing, _convert_options(found.names))
            for batch in reader:
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
                    given = True
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error) and not found.num_skipped:
                return
            if not given and any(words in str(error) for words in ("straddl", "block size", "Empty CSV")):
                if _is_short(file, block_bytes):
                    return
                raise _LongRow from None
            raise


def _is_short(file: str, block_bytes: int) -> bool:
    """Whether a file is smaller than a block: then it has a header and nothing else."""
    with open_text(file, "utf-8") as stream:
        return len(stream.read(block_bytes)) < block_bytes


def _no_rows(file: str) -> AssayError:
    return DataFault.at(file, "has a header but no rows", "give a file with rows")


def _convert_options(names: Sequence[str]) -> pacsv.ConvertOptions:
    """Return what keeps every value as text; only the empty value without quotes is null (see `assay.cells`)."""
    return pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
