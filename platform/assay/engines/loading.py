"""From a source to rows in the object store, and one parallel pass over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.cells import BY_DEFAULT, MissingValues, from_frame
from assay.engines.cluster import prepare_data_context
from assay.engines.pictures import SHOWN_ROWS, Pictures, check_paths, pictures_of
from assay.engines.ray_faults import last_line, original
from assay.engines.reading import Reading, as_reading, why_not
from assay.errors import AssayError, DataFault
from assay.parts import Source
from assay.profile import ColumnSummary
from assay.sources import _paths
from assay.sources._types import concatenated
from assay.vocabulary import Shelf

PROFILE_ROWS = 65_536  # rows per task; fixed, so that the profile does not depend on the number of CPUs
TABLES = ("delimited", "parquet")  # formats whose columns may name images


def source_key(paths: Sequence[str], declared: Reading | str | None) -> str:
    """Return the source that reads these paths: as declared, or by the ending of the first.

    Raises:
        DataFault: the ending says nothing and no format is declared.
    """
    reading = as_reading(declared)
    if reading.format is not None:
        return {"csv": "delimited"}.get(reading.format, reading.format)
    first = os.path.expanduser(paths[0])
    names = _paths.names_within(first) if os.path.isdir(first) else [first]
    for key in catalog.keys(Shelf.SOURCES):
        endings = catalog.find(Shelf.SOURCES, key).endings
        if any(name.lower().endswith(endings) for name in names):
            return key
    raise DataFault.at(paths[0], *why_not(first))


def source_for(paths: Sequence[str], declared: Reading | str | None) -> Source:
    """Return the source that reads these paths."""
    key, reading = source_key(paths, declared), as_reading(declared)
    fields = catalog.find(Shelf.SOURCES, key).Params.model_fields
    made: Source = catalog.make(Shelf.SOURCES, key, reading.params_for(fields))
    return made


def files_of(paths: Sequence[str], declared: Reading | str | None) -> list[str]:
    """Return the files that paths mean, in the order in which they are read.

    Raises:
        DataFault: a path leads nowhere.
    """
    endings = source_for(paths, declared).endings
    return _paths.expand(paths, endings, empty=True)


def opened(paths: Sequence[str], declared: Reading | str | None) -> tuple[Any, Pictures]:
    """Return a lazy Ray Dataset of all rows of files, in file and row order, and which columns hold images.

    Raises:
        DataFault: naming the file that is missing, empty, broken or of another shape.
    """
    prepare_data_context()
    source, pictures = source_for(paths, declared), _pictures(paths, declared)
    return pictures.read(source.read(paths)), pictures


def load(paths: Sequence[str], declared: Reading | str | None) -> pa.Table:
    """Read all rows of files through Ray Data, in file and row order.

    Raises:
        DataFault: naming the file that is missing, empty, broken or of another shape.
    """
    return load_whole(paths, declared)[0]


def load_whole(paths: Sequence[str], declared: Reading | str | None) -> tuple[pa.Table, int]:
    """Read all rows of files, and tell how many were skipped for their broken images.

    Raises:
        DataFault: naming the file that is missing, empty, broken or of another shape.
    """
    dataset, pictures = opened(paths, declared)
    return pictures.whole(collect(dataset, ", ".join(paths)))


def peek(paths: Sequence[str], declared: Reading | str | None, num_rows: int) -> pa.Table:
    """Return about the first rows without starting Ray."""
    head, pictures = source_for(paths, declared).peek(paths, num_rows), _pictures(paths, declared)
    return pictures.whole(pictures.block(head))[0]


def check_image_paths(table: pa.Table, paths: Sequence[str], declared: Reading | str | None, unread: set[str]) -> None:
    """Check that texts of a table which name images lead to some; columns that nobody reads as images are `unread`.

    Raises:
        DataFault: with the first path and where it was looked for.
    """
    if source_key(paths, declared) in TABLES:
        check_paths(table, paths, unread)


def _pictures(paths: Sequence[str], declared: Reading | str | None) -> Pictures:
    key, reading = source_key(paths, declared), as_reading(declared)
    if key not in TABLES:
        return Pictures(encoded=("image",) if key == "images" else (), broken=reading.broken)
    return pictures_of(source_for(paths, reading).peek(paths, SHOWN_ROWS), paths, reading.broken)


def collect(dataset: Any, name: str) -> pa.Table:
    """Bring the blocks of a Ray Dataset together as one table; blocks are views into the object store, not copies."""
    import ray
    from ray.exceptions import RayError

    prepare_data_context()
    try:
        tables = [table for table in ray.get(dataset.to_arrow_refs()) if table.num_rows]
    except (RayError, pa.ArrowInvalid, OSError) as error:
        cause = original(error)
        if isinstance(cause, AssayError):
            raise cause from None
        raise DataFault.at(name, f"cannot be read ({last_line(cause)})", "check the file") from None
    if not tables:
        raise DataFault.at(name, "has no rows", "give data with rows")
    return concatenated(tables, name)


def from_memory(data: Any) -> pa.Table:
    """Turn a DataFrame (pandas, polars), an Arrow table or a Ray Dataset into a table.

    Raises:
        DataFault: it is none of these, has no rows or two columns of one name, or a column that cannot be read.
    """
    if hasattr(data, "to_arrow_refs"):
        return collect(data, "the Ray Dataset")
    table = from_frame(data)
    if table.num_rows == 0:
        raise DataFault.at("data", "has no rows", "give data with rows")
    return table


def summarise(
    kind: str, table_ref: Any, num_rows: int, row_N: np.ndarray, seed: int, missing: MissingValues = BY_DEFAULT
) -> dict[str, ColumnSummary]:
    """Summarise every column in one parallel pass: a task per PROFILE_ROWS rows, merged in row order."""
    import ray

    def summarise_block(table: pa.Table, first: int, row_n: np.ndarray) -> dict[str, ColumnSummary]:
        part: dict[str, ColumnSummary] = catalog.make(Shelf.KINDS, kind).summarise(
            table.slice(first, len(row_n)), row_n, seed, missing
        )
        return part

    task = ray.remote(summarise_block)

    blocks = ray.get(
        [
            task.remote(table_ref, first, row_N[first : first + PROFILE_ROWS])
            for first in range(0, num_rows, PROFILE_ROWS)
        ]
    )
    names = dict.fromkeys(name for block in blocks for name in block)
    return {name: reduce(ColumnSummary.merge, [block[name] for block in blocks if name in block]) for name in names}
