"""Numpy archives: `X`, one entry a row, with `y`, the labels; ragged rows are joined and cut at `offsets`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs

from assay.errors import DataFault, Fault, raise_all
from assay.parts import Source
from assay.sources._paths import REMOTE, everywhere, expand

OFFSETS = "offsets"
BLOCK_BYTES = 32 << 20
MEMBER = ".npy"  # what numpy calls the entries of an archive
PLAIN = "biufUSM"  # kinds of values: true/false, numbers, text, times; never objects or records


class Npz(Source):
    """Reads arrays whose first axis is the row, each a column of its name; never a pickled one.

    An array of shape (N,) is a column of values, one of more axes a column of lists. With an array `offsets` of N + 1
    numbers, row i of every array that is not N long is `X[offsets[i]:offsets[i + 1]]`.

    Example:
        >>> Npz().endings
        ('.npz',)
    """

    endings = (".npz",)

    def read(self, paths: Sequence[str]) -> Any:
        import ray.data

        files = expand(paths, self.endings)
        tables = [_table(file) for file in everywhere(files)]
        first = tables[0].column_names
        raise_all(
            DataFault,
            [
                Fault(
                    file,
                    f"has other columns than {files[0]}: {sorted(set(first) ^ set(table.column_names))[:5]}",
                    "give files of one table",
                )
                for file, table in zip(files, tables, strict=True)
                if sorted(table.column_names) != sorted(first)
            ],
        )
        return ray.data.from_arrow([block for table in tables for block in _blocks(table.select(first))])

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        return _table(expand(paths, self.endings)[0]).slice(0, num_rows)


def _blocks(table: pa.Table) -> list[pa.Table]:
    num_blocks = max(1, min(table.num_rows, table.nbytes // BLOCK_BYTES))
    size = -(-table.num_rows // num_blocks)
    return [table.slice(start, size) for start in range(0, table.num_rows, size)]


def _table(file: str) -> pa.Table:
    arrays = _arrays(file)
    if not arrays:
        raise DataFault.at(file, "holds no arrays", "save X and y with `numpy.savez_compressed`")
    offset_N = arrays.pop(OFFSETS, None)
    num_rows = len(offset_N) - 1 if offset_N is not None else max(map(len, arrays.values()), default=0)
    if num_rows <= 0:
        raise DataFault.at(file, "has no rows", "give arrays with rows")
    columns = {}
    for name, array in arrays.items():
        if len(array) == num_rows:
            columns[name] = _column(array)
        elif offset_N is not None:
            columns[name] = _ragged(array, offset_N, f"{file}, array '{name}'")
        else:
            raise DataFault.at(
                f"{file}, array '{name}'",
                f"has {len(array):,} rows, others have {num_rows:,}",
                "give arrays of one length, or `offsets` for ragged ones",
            )
    return pa.table(columns)


def _arrays(file: str) -> dict[str, np.ndarray]:
    """Read every member of the archive by itself: `numpy.load` would follow what the file says it is."""
    try:
        file_system, path = pafs.FileSystem.from_uri(file) if REMOTE in file else (pafs.LocalFileSystem(), file)
        with file_system.open_input_file(path) as stream, zipfile.ZipFile(stream) as archive:
            arrays = {name.removesuffix(MEMBER): _array(archive, name) for name in archive.namelist()}
    except (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        text = str(error).split("\n")[0][:200]
        raise DataFault.at(
            file, f"is not an npz archive of plain arrays ({text})", "save it with `numpy.savez`, without objects"
        ) from None
    scalars = [name for name, array in arrays.items() if array.ndim == 0]
    if scalars:
        raise DataFault.at(file, f"array '{scalars[0]}' is a single value", "save arrays whose first axis is the row")
    return arrays


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    if not name.endswith(MEMBER):
        raise ValueError(f"{name} is not an array")
    try:
        with archive.open(name) as member:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if array.dtype.kind not in PLAIN:
        raise ValueError(f"{name}: values are {array.dtype}")
    return array


def _column(array: np.ndarray) -> pa.Array:
    if array.dtype.kind in "US":
        return pa.array(array.astype(str).tolist(), pa.string())
    column = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(array.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def _ragged(array: np.ndarray, offset_N: np.ndarray, place: str) -> pa.Array:
    whole = offset_N.dtype.kind in "iu" and offset_N.ndim == 1
    if not whole or offset_N[0] != 0 or offset_N[-1] != len(array) or (np.diff(offset_N) < 0).any():
        raise DataFault.at(
            place,
            f"has {len(array):,} entries, which `offsets` do not cut into rows",
            "offsets are whole numbers that begin at 0, never fall and end at the number of entries",
        )
    return pa.LargeListArray.from_arrays(pa.array(offset_N.astype(np.int64)), _column(array))
