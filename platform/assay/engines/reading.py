"""How files are to be read: what an experiment file says of them, and what a model's new files need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.spec import DataSpec

FIXES = {  # of files that are no tables, by their ending
    (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"): ("is a spreadsheet", "save its sheet as CSV, and give that file"),
    (".json", ".jsonl", ".ndjson"): (
        "is JSON",
        "write it as Parquet, such as by `pandas.read_json(…).to_parquet(…)`",
    ),
    (".feather", ".arrow", ".ipc", ".orc", ".avro"): ("is no CSV and no Parquet", "write it as Parquet"),
    (".zip", ".tar", ".tgz", ".7z", ".rar"): ("is an archive", "unpack it, and give the folder"),
    (".bz2", ".xz", ".zst", ".lz4"): ("is compressed in a way that is not read", "unpack it, or compress it with gzip"),
    (".pkl", ".pickle", ".joblib"): ("is a pickle, which may run code when it is read", "write it as Parquet"),
    (".sas7bdat", ".sav", ".dta", ".rds", ".rdata"): ("is a file of another program", "export it as CSV or Parquet"),
}


@dataclass(frozen=True)
class Reading:
    """How files are read; None where it is to be found out."""

    format: str | None = None
    broken: str = "error"  # what to do with broken images: error, skip or report
    encoding: str | None = None
    header: str | None = None  # of CSV: first, none, detect; None refuses a file that seems to have no header
    skip_rows: int | None = None

    @classmethod
    def of(cls, data: DataSpec) -> Reading:
        """Return how an experiment file says to read."""
        return cls(data.format, data.broken, data.encoding, data.header, data.skip_rows)

    @classmethod
    def new_files(cls, declared: str | None) -> Reading:
        """Return how files are read that come to a finished model: a header is looked for in each."""
        return cls(declared, header="detect")

    def with_broken(self, broken: str) -> Reading:
        """Return the same with another way to treat broken images."""
        return replace(self, broken=broken)

    def params_for(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a source that has some of these fields."""
        known = {"broken": self.broken, "encoding": self.encoding, "header": self.header, "skip_rows": self.skip_rows}
        return {name: value for name, value in known.items() if name in fields and value is not None}


def needed_keys(files: Sequence[str]) -> list[tuple[str, Any, str]]:
    """Return the keys of `data` that CSV files need in order to be read, each with its value and the reason.

    A key holds for all files, so one on which they differ is left out: each file then has its own.
    """
    each = [_needed_by(file) for file in files]
    return [entry for entry in each[0] if all(entry[:2] in [one[:2] for one in other] for other in each[1:])]


def _needed_by(file: str) -> list[tuple[str, Any, str]]:
    from assay.sources._layout import LayoutOptions, layout

    found = layout(file, LayoutOptions(header="detect"))
    choices: list[tuple[str, Any, str]] = []
    if found.encoding not in ("utf-8", "ascii"):
        choices.append(("encoding", found.encoding, "is no UTF-8, and its bytes look like this encoding"))
    if not found.has_header:
        shown = ", ".join(found.first_row[:4])
        choices.append(("header", "none", f"the first row looks like data ({shown}, …); `first` if it holds the names"))
    if found.num_extra:
        choices.append(("skip_rows", found.num_extra, "rows below the header that are no data; 0 keeps them"))
    return choices


def as_reading(given: Reading | str | None) -> Reading:
    """Return how to read, where only a format may be given."""
    return given if isinstance(given, Reading) else Reading.new_files(given)


def why_not(path: str) -> tuple[str, str]:
    """Return what a file of no known ending is, and what to do with it."""
    lower = path.lower()
    found = next((what for endings, what in FIXES.items() if lower.endswith(endings)), None)
    return found or ("has an ending that tells no format", "write `data: {format: csv}` or `parquet`")
