"""Tables of predictions as CSV or Parquet, written whole or not at all, a block at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from assay.errors import ClusterFault, SpecFault

WRITERS: dict[str, Any] = {".csv": pacsv.CSVWriter, ".parquet": pq.ParquetWriter}


def check_ending(out: Path) -> None:
    """Check that the ending tells a format.

    Raises:
        SpecFault: it does not, or the folder does not exist.
    """
    if out.suffix not in WRITERS:
        raise SpecFault.at(str(out), f"has the ending '{out.suffix}'", f"end it in {' or '.join(WRITERS)}")
    if not out.parent.is_dir():
        raise SpecFault.at(str(out), "lies in a folder that does not exist", f"mkdir -p {out.parent}")


def check_target(out: Path, inputs: Sequence[str], *, force: bool) -> None:
    """Check that writing `out` replaces nothing that is needed, whatever name or link leads to it.

    Raises:
        SpecFault: it is one of the files that are read, a folder, or it exists and `force` is false.
    """
    if out.is_dir():
        raise SpecFault.at(str(out), "is a folder", "name a file in it")
    if not out.exists():
        return
    for name in inputs:
        if os.path.exists(name) and os.path.samefile(out, name):
            raise SpecFault.at(str(out), f"is the file that is read ({name})", "choose another name with --out")
    if not force:
        raise SpecFault.at(str(out), "is there already", "choose another name with --out, or add --force")


def write(out: Path, tables: Iterable[pa.Table]) -> int:
    """Write tables of one schema, one below the other, and return the number of rows.

    The file appears under its name once it is complete; a fault on the way leaves what was there before.

    Raises:
        ClusterFault: the disk failed.
    """
    written, writer = 0, None
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        for table in tables:
            table = _with_plain_times(table) if out.suffix == ".csv" else table
            writer = writer or WRITERS[out.suffix](str(temporary), table.schema)
            writer.write_table(table)
            written += table.num_rows
        if writer is not None:
            writer.close()
            os.replace(temporary, out)
    except OSError as error:
        raise ClusterFault.at(
            str(out), f"cannot be written ({error.strerror or error})", "free space or choose another place"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _with_plain_times(table: pa.Table) -> pa.Table:
    """Return a table whose times are text as people write it: in their zone, without a fraction that is nothing.

    Example:
        >>> from datetime import datetime
        >>> at = pa.array([datetime(2024, 5, 1, 12)], pa.timestamp("us")).cast(pa.timestamp("us", "Europe/Berlin"))
        >>> _with_plain_times(pa.table({"at": at}))["at"].to_pylist()
        ['2024-05-01 14:00:00+02:00']
    """
    for place, field in enumerate(table.schema):
        if not pa.types.is_timestamp(field.type):
            continue
        column, zone = table.column(place), field.type.tz
        with suppress(pa.ArrowInvalid):  # there are fractions of seconds
            column = column.cast(pa.timestamp("s", zone))
        text = pc.strftime(column, "%Y-%m-%d %H:%M:%S" + ("%z" if zone else ""))
        table = table.set_column(place, field.name, pc.replace_substring_regex(text, r"([+-]\d\d)(\d\d)$", r"\1:\2"))
    return table
