"""What is wrong with a text file that Arrow refuses: told by file and line, with what to do about it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pacsv

from assay.errors import AssayError, DataFault
from assay.sources._paths import open_stream

BLOCK_BYTES = 1 << 20


@contextmanager
def told(file: str, options: pacsv.ParseOptions) -> Iterator[None]:
    """Turn what Arrow says of a file into a fault that names the file and the line."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        text = str(error).split("\n")[0].removeprefix("CSV parse error: ")
        raise _fault(file, text, options) from None


def _fault(file: str, text: str, options: pacsv.ParseOptions) -> AssayError:
    lower = text.lower()
    if "utf8" in lower:
        return not_utf8(file)
    if "columns, got" in lower:
        return DataFault.at(
            file,
            f"is ragged: {_ragged_row(file, options) or text}",
            "give every line as many values as the header has names; quote values with commas",
        )
    if any(word in lower for word in ("gzip", "zlib", "inflate", "compressed stream")):
        return DataFault.at(file, f"is not a whole gzip file ({text})", "write it again")
    return DataFault.at(file, f"cannot be read as CSV ({text})", "check the file")


def _ragged_row(file: str, options: pacsv.ParseOptions) -> str:
    """Return what Arrow says with the number of the row, which it knows only when it reads with one thread."""
    try:
        with open_stream(file) as stream:
            for _ in pacsv.open_csv(stream, pacsv.ReadOptions(use_threads=False), options):
                pass
    except (pa.ArrowInvalid, OSError) as error:
        text = str(error).split("\n")[0].removeprefix("CSV parse error: ")
        return "line " + text.removeprefix("Row #") if text.startswith("Row #") else ""
    return ""


def not_utf8(file: str) -> AssayError:
    """Return the fault of a file that is not UTF-8, with the first line and byte that are not."""
    return DataFault.at(
        file, f"is not UTF-8 text{_bad_byte(file)}", f"convert it: `iconv -f latin1 -t utf-8 {file} > converted.csv`"
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
