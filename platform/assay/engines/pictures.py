"""Images of tables: columns of paths become the bytes of the files they name; broken ones are refused or marked.

A path counts from the folder of the table's first file, unless it is a whole path or a URI.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.bad_rows import PROBLEM
from assay.errors import DataFault, Fault, raise_all
from assay.image_files import flaw
from assay.sources.images import Images, problems, told

SHOWN_ROWS = 64  # at the head of the data, that tell which columns hold images
BLOCK_ROWS = 512  # decoded at once


@dataclass(frozen=True)
class Pictures:
    """Which columns of a table hold images, and what to do with broken ones.

    Images are told as paths, as the bytes of files, or as both in a struct, which Hugging Face writes (`structs`).
    """

    paths: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    structs: tuple[str, ...] = ()
    base: str = ""
    broken: str = "error"

    def read(self, dataset: Any) -> Any:
        """Return a Ray Dataset with bytes in place of paths; nothing in place of broken images that are skipped.

        Bytes that are no image are found later, by their row, where they are not skipped.
        """
        if not self.paths and not self.structs and (self.broken != "skip" or not self.encoded):
            return dataset
        return dataset.map_batches(self.block, batch_format="pyarrow", batch_size=BLOCK_ROWS)

    def block(self, table: pa.Table) -> pa.Table:
        """Return some rows with bytes in place of paths.

        Raises:
            DataFault: naming files that are missing or no whole image.
        """
        for name in self.structs:
            if name in table.column_names and pa.types.is_struct(table.schema.field(name).type):
                table = _replaced(table, name, [self._of_struct(cell) for cell in table.column(name).to_pylist()])
        for name in self.paths:
            if name in table.column_names:
                content, problem = self._opened(name, table.column(name).to_pylist())
                table = _replaced(table, name, content)
                table = _with_problems(table, problem) if self.broken == "report" else table
        if self.broken == "skip":
            for name in self.encoded:
                content = [data if data and not flaw(data) else None for data in table.column(name).to_pylist()]
                table = _replaced(table, name, content)
        return table

    def whole(self, table: pa.Table) -> tuple[pa.Table, int]:
        """Return the rows whose images could be read, and the number of the others; all rows unless these are skipped.

        Raises:
            DataFault: there are none.
        """
        names = [name for name in (*self.paths, *self.encoded) if name in table.column_names]
        if self.broken != "skip" or not names:
            return table, 0
        kept = table.column(names[0]).is_valid()
        for name in names[1:]:
            kept = pc.and_(kept, table.column(name).is_valid())
        found = table.filter(kept)
        if not found.num_rows:
            raise DataFault.at(f"column '{names[0]}'", "holds no whole image", "give files of images")
        return found, table.num_rows - found.num_rows

    def _of_struct(self, cell: Mapping[str, Any] | None) -> bytes | None:
        """Return the bytes of an image that a struct holds, or names by its path."""
        if cell is None or cell["bytes"] is not None or not cell["path"]:
            return None if cell is None else cell["bytes"]
        return _content(located(cell["path"], self.base))[0] or None

    def _opened(self, name: str, texts: Sequence[str | None]) -> tuple[list[bytes | None], pa.Array]:
        """Return the bytes of files, and what is wrong with each."""
        files = [located(text, self.base) if text else None for text in texts]
        read = [_content(file) if file else (None, "") for file in files]
        broken = [(file, why) for file, (_, why) in zip(files, read, strict=True) if file and why]
        if self.broken == "error" and broken:
            faults = told(broken)
            raise_all(DataFault, [Fault(f"column '{name}', {one.place}", one.found, one.fix) for one in faults])
        return [None if why else data for data, why in read], problems(files, [why for _, why in read])


def pictures_of(head: pa.Table, paths: Sequence[str], broken: str) -> Pictures:
    """Return what the first rows of a table say about its images."""
    base = paths[0] if os.path.isdir(paths[0]) else posixpath.dirname(paths[0])
    texts, encoded, structs = [], [], []
    for name in head.column_names:
        column = head.column(name).drop_null()
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts += [name] if _are_paths(column.slice(0, SHOWN_ROWS).to_pylist(), base) else []
        elif pa.types.is_struct(column.type) and {"bytes", "path"} <= {field.name for field in column.type}:
            structs.append(name)
        elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            encoded += [name] if any(not flaw(data) for data in column.slice(0, SHOWN_ROWS).to_pylist()) else []
    base = os.path.abspath(base) if "://" not in base else base
    return Pictures(tuple(texts), (*encoded, *structs), tuple(structs), base, broken)


def check_paths(table: pa.Table, paths: Sequence[str], left_out: Collection[str]) -> None:
    """Check that texts which name images lead to some; `left_out` are columns that nobody reads.

    Raises:
        DataFault: with the first path and where it was looked for.
    """
    base = paths[0] if os.path.isdir(paths[0]) else posixpath.dirname(paths[0])
    faults = []
    for name in table.column_names:
        column = table.column(name)
        if name in left_out or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        texts = column.drop_null().slice(0, SHOWN_ROWS).to_pylist()
        if texts and all(text.lower().endswith(Images.endings) for text in texts):
            here = os.path.exists(texts[0].replace("\\", "/"))
            faults.append(
                Fault(
                    f"column '{name}'",
                    f"names images that are not there (first: {texts[0]!r}, looked for in {base or '.'})",
                    ("write paths from the folder of the table on" if here else "correct the paths")
                    + f", or leave the column out: `columns: {{{name}: {{drop: true}}}}`",
                )
            )
    raise_all(DataFault, faults)


def located(text: str, base: str) -> str:
    """Return where a path of a table leads.

    Example:
        >>> located("cats/1.png", "/data"), located("s3://bucket/1.png", "/data"), located("cats\\\\1.png", "/data")
        ('/data/cats/1.png', 's3://bucket/1.png', '/data/cats/1.png')
    """
    return text if "://" in text else posixpath.join(base, text.replace("\\", "/"))


def _are_paths(texts: Sequence[str], base: str) -> bool:
    """Whether all texts end like images and one of them is there: names alone may be an identifier."""
    if not texts or not all(text.lower().endswith(Images.endings) for text in texts):
        return False
    return any(not _content(located(text, base))[1] for text in texts)


def _content(file: str) -> tuple[bytes, str]:
    """Return the bytes of a file, and what is wrong with it."""
    from assay.sources._paths import open_stream

    try:
        with open_stream(file) as stream:
            data: bytes = stream.read()
    except FileNotFoundError:
        return b"", "no such file"
    except OSError as error:
        return b"", f"cannot be read: {error}"
    return data, flaw(data)


def _with_problems(table: pa.Table, problem: pa.Array) -> pa.Table:
    """Return the rows with what is wrong with their images, the first of several columns first."""
    if PROBLEM not in table.column_names:
        return table.append_column(PROBLEM, problem)
    joined = pc.coalesce(table.column(PROBLEM), problem)
    return table.set_column(table.column_names.index(PROBLEM), PROBLEM, joined)


def _replaced(table: pa.Table, name: str, content: Sequence[bytes | None]) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(content, pa.large_binary()))
