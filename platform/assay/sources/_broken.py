"""What is wrong with a text file that Arrow refuses: told by file and line, with what to do about it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from assay.errors import AssayError, DataFault
from assay.sources._paths import open_stream

BLOCK_BYTES = 1 << 20


@contextmanager
def told(file: str, options: pacsv.ParseOptions, layout: Any) -> Iterator[None]:
    """Turn what Arrow says of a file into a fault that names the file and the line."""
    try:
        yield
    except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise as_fault(file, error, options, layout) from None


def as_fault(file: str, error: Exception, options: pacsv.ParseOptions | None = None, layout: Any = None) -> AssayError:
    """Return the fault of a file that Arrow refuses."""
    text = str(error).split("\n")[0].removeprefix("CSV parse error: ")
    lower = text.lower()
    if "utf8" in lower or isinstance(error, UnicodeDecodeError):
        return not_utf8(file)
    if "columns, got" in lower:
        line = _ragged_line(file, options, layout) if options is not None else ""
        return DataFault.at(
            file,
            f"is ragged: {line or text}",
            "give every line as many values as the header has names; quote values with commas",
        )
    if any(word in lower for word in ("gzip", "zlib", "inflate", "compressed stream")):
        return DataFault.at(file, f"is not a whole gzip file ({text})", "write it again")
    return DataFault.at(file, f"cannot be read as CSV ({text})", "check the file")


def _ragged_line(file: str, options: pacsv.ParseOptions, layout: Any) -> str:
    """Return what Arrow says with the number of the row, which it knows only when it reads with one thread."""
    from assay.sources._layout import open_text

    reading = pacsv.ReadOptions(use_threads=False, column_names=list(layout.names))
    try:
        with open_text(file, layout.encoding) as stream:
            for _ in pacsv.open_csv(stream, reading, options):
                pass
    except (pa.ArrowInvalid, OSError) as error:
        text = str(error).split("\n")[0].removeprefix("CSV parse error: ")
        return "line " + text.removeprefix("Row #") if text.startswith("Row #") else ""
    return ""


def not_utf8(file: str) -> AssayError:
    """Return the fault of a file that is not UTF-8, with the first line and byte that are not."""
    return DataFault.at(
        file, f"is not UTF-8 text{_bad_byte(file)}", "leave `data.encoding` out, to have the encoding detected"
    )


def _bad_byte(file: str) -> str:
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with open_stream(file) as stream:
        while block := stream.read(BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                return f" (line {line:,}: byte 0x{error.object[error.start]:02x})"
            line += block.count(b"\n")
    return ""
