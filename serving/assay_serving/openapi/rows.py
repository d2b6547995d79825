"""The columns of a model as JSON Schema: what one value may be, and a row of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from assay.cells import TRUTH
from assay.profile import ColumnProfile
from assay.vocabulary import ColumnKind
from assay_serving.openapi.route import FLAG, NUMBER, TEXT, Json
from assay_serving.rows import also_read
from assay_serving.served import Served

MOST = 3.4028234663852886e38  # the largest number of 32 bits, in which many members compute
FINITE: Json = {**NUMBER, "minimum": -MOST, "maximum": MOST}
NULL: Json = {"type": "null"}
DAY = (
    "([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|[0-9]{4}-(0[13-9]|1[0-2])-(29|30)"
    "|[0-9]{4}-(0[13578]|1[02])-31|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?"
ZONE = "(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
MOMENT = f"{DAY}([ T]{TIME}{ZONE}?)?"
WHOLE = "[+-]?[0-9]{1,25}"
DECIMAL = "[+-]?([0-9]{1,25}(\\.[0-9]{0,25})?|\\.[0-9]{1,25})([eE][+-]?[0-9])?"
ZERO_ONE: Json = {"enum": [0, 1]}
PIXELS: Json = {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1}}
IMAGE: Json = {"anyOf": [{**TEXT, "contentEncoding": "base64", "contentMediaType": "image/*"}, PIXELS]}
LEVELS_SHOWN = 8


def value(column: ColumnProfile) -> Json:
    """Return the schema of one value of a column in JSON; those of images and series may not be null."""
    options = {name: schema for name, schema in forms(column).items() if name not in ("image", "series")}
    if not options:
        return dict(next(iter(forms(column).values())))
    return {"anyOf": [*options.values(), NULL]}


def forms(column: ColumnProfile) -> dict[str, Json]:
    """Return the schemas of a value of a column that is not missing, by what it is made of."""
    match column.kind:
        case ColumnKind.NUMERIC:
            # With another decimal sign 1.5 may be fifteen hundred or no number: whole numbers are always read.
            return {"number": FINITE, "text": _words(column, WHOLE if column.decimal else DECIMAL)}
        case ColumnKind.BOOLEAN:
            return {"true/false": FLAG, "text": _words(column, _any_case(TRUTH)), "number": ZERO_ONE}
        case ColumnKind.DATETIME:
            return {"text": _words(column, MOMENT)}
        case ColumnKind.IMAGE:
            return {"image": IMAGE}
        case ColumnKind.SERIES:
            return {"series": _series(column)}
        case _:
            also = {"number": NUMBER, "true/false": FLAG}
            return {"text": TEXT, **{name: also[name] for name in sorted(also_read(column))}}


def _words(column: ColumnProfile, values: str) -> Json:
    """Return the schema of texts that match a pattern, or mean a missing value in a column; they are trimmed."""
    missing = column.missing
    words = _any_case(missing.words) if missing.any_case else "|".join(_literal(word) for word in sorted(missing.words))
    return {**TEXT, "pattern": f"^\\s*({values}{'|' if words else ''}{words})?\\s*$"}


def _any_case(words: Iterable[str]) -> str:
    """Return a pattern of words in capital or small letters."""
    return "|".join(
        "".join(f"[{one.upper()}{one}]" if one.isalpha() else _literal(one) for one in word) for word in sorted(words)
    )


def _series(column: ColumnProfile) -> Json:
    channels = column.shape[1]
    step: Json = {"type": "array", "items": FINITE, "minItems": channels, "maxItems": channels}
    steps = [step, FINITE] if channels == 1 else [step]
    return {"anyOf": [{"type": "array", "items": one, "minItems": 1} for one in steps]}


def rows(columns: Sequence[ColumnProfile]) -> Json:
    """Return the schema of rows by the names of their columns; others may be there and are not read.

    A row may leave out a column that another row has: then its value is missing.
    """
    row = {"type": "object", "properties": {column.name: described(column) for column in columns}}
    there = [{"contains": {"required": [column.name]}} for column in columns]
    return {"type": "array", "items": row, "minItems": 1, "allOf": there}


def lists(columns: Sequence[ColumnProfile]) -> Json:
    """Return the schema of rows as lists, in the order of the columns."""
    width = len(columns)
    row = {"type": "array", "prefixItems": [value(one) for one in columns], "minItems": width, "maxItems": width}
    return {"type": "array", "items": row, "minItems": 1}


def described(column: ColumnProfile) -> Json:
    """Return the schema of a value with what training rows had, for people."""
    text = column.kind.value
    if column.levels:
        more = ", …" if len(column.levels) > LEVELS_SHOWN else ""
        text += f"; in training: {', '.join(column.levels[:LEVELS_SHOWN])}{more}"
    elif column.low is not None and column.high is not None:
        text += f"; in training: {column.low:g} to {column.high:g}"
    return {**value(column), "description": text}


def columns_of(served: Served) -> tuple[ColumnProfile, ...]:
    """Return the columns of a request."""
    return served.asks.used


LINE = "[\\r\\n]+"
DIGITS = "[0-9]{1,30}"
ANY = '"[^"\\r\\n]*"[^,\\r\\n]*|[^",\\r\\n][^,\\r\\n]*'
CELLS = {  # what a field may be
    ColumnKind.NUMERIC: f"-?({DIGITS}(\\.[0-9]{{0,30}})?|\\.{DIGITS})([eE][+-]?[0-9])?",
    ColumnKind.BOOLEAN: "true|false",
    ColumnKind.DATETIME: DAY,
}


def csv(columns: Sequence[ColumnProfile]) -> Json:
    """Return the schema of rows as CSV; it says less than is read, as a pattern cannot say more."""
    missing = "" if len(columns) == 1 else "?"  # an empty line is no row
    row = ",".join(f"({CELLS.get(column.kind, ANY)}){missing}" for column in columns)
    header = ",".join(_literal(_quoted(column.name)) for column in columns)
    return {**TEXT, "pattern": f"^{header}({LINE}{row})+[\\r\\n]*$"}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if re.search(r'[",\r\n]', name) else name


def _literal(text: str) -> str:
    return re.sub(r"[\\^$.|?*+()\[\]{}/-]", lambda found: "\\" + found[0], text).replace("\\-", "-")
