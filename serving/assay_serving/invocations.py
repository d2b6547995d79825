"""MLflow's scoring protocol: `POST /invocations` with a data frame in one of these forms. No server in here.

    {"dataframe_split": {"columns": ["age", "city"], "data": [[31, "Rome"], [null, "Oslo"]]}}
    {"dataframe_records": [{"age": 31, "city": "Rome"}, {"city": "Oslo"}]}
    {"instances": [{"age": 31, "city": "Rome"}]}           or rows without names: [[31, "Rome"]]
    {"inputs": {"age": [31, null], "city": ["Rome", "Oslo"]}}       or records, or rows without names
    {"instances": [{"walk": [[0.1, 2], [0.3, 2.5]]}]}      series: lists of numbers, or of steps that are lists of them
    {"instances": ["iVBORw0KGgo…", [[0, 255], [255, 0]]]}   images: base64 text of a file, or pixels as lists of lists
    text/csv with a header line

The answer is `{"predictions": [{"prediction": "yes", "probability_no": 0.2, "probability_yes": 0.8}, …]}`: one record
per row, the same columns that `assay predict` writes, and the form in which MLflow itself sends a data frame, so its
clients read it with `PredictionsResponse.get_predictions()`. A model that forecasts is sent the history of each series,
and rows to come without a label; it answers a record for each series and time to come.

Source: https://mlflow.org/docs/latest/genai/serving/ and mlflow.pyfunc.scoring_server
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from pydantic_core import from_json

from assay.model import Model
from assay.profile import Profile
from assay.vocabulary import ColumnKind
from assay_serving import bodies, rows, settings
from assay_serving.faults import bad_request
from assay_serving.rows import Sent

Columns = Mapping[str, Sequence[Any]]


def from_json_body(body: bytes, profile: Profile) -> Sent:
    """Return the rows of a JSON request.

    Raises:
        RequestFault: 400 when the form is none of the four, or its parts do not fit together.
    """
    return to_rows(content_of(body), profile, tuple(FORMS))


def content_of(body: bytes) -> dict[str, Any]:
    """Return the object that a JSON body holds.

    Raises:
        RequestFault: 400 when it is not JSON, or another value.
    """
    try:
        with bodies.parsing(body):
            content = from_json(body)
    except ValueError as error:
        raise bad_request(f"the body is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise bad_request(f"the body is {rows.described(content)}, expected an object with one of {', '.join(FORMS)}")
    return content


def to_rows(content: Mapping[str, Any], profile: Profile, forms: Sequence[str]) -> Sent:
    """Return the rows of a request in one of some forms; see `from_json_body`."""
    form, value = _only_form(content, forms)
    columns = FORMS[form](form, value, profile)
    num_rows = _num_rows(form, columns)
    rows.check_count(num_rows)
    known = {column.name: column for column in profile.used}

    def to_arrays(columns: Columns) -> rows.Arrays:
        return {name: rows.to_array(name, values, known[name]) for name, values in columns.items() if name in known}

    return Sent(num_rows, columns, profile, to_arrays)


def _only_form(content: Mapping[str, Any], forms: Sequence[str]) -> tuple[str, Any]:
    found = [key for key in content if key in forms]
    other = [key for key in content if key not in forms and key not in IGNORED]
    if len(found) != 1 or other:
        keys = ", ".join(f"'{key}'" for key in content) or "nothing"
        raise bad_request(f"found {keys}, expected exactly one of {', '.join(forms)}")
    return found[0], content[found[0]]


def _split(form: str, value: Any, _: Profile) -> Columns:
    parts: Any = value if isinstance(value, dict) else {}
    names, data = parts.get("columns"), parts.get("data")
    if not _all(names, str) or not _all(data, list):
        raise bad_request(f"{form}: expected an object with `columns` (a list of names) and `data` (a list of rows)")
    rows.check_count(len(data))
    if len(set(names)) < len(names):
        raise bad_request(f"{form}.columns: a name stands there more than once")
    for position, row in enumerate(data):
        if len(row) != len(names):
            raise bad_request(f"{form}.data: row {position} has {len(row)} values for {len(names)} columns")
    return dict(zip(names, zip(*data, strict=True), strict=True))


def _records(form: str, value: Any, profile: Profile) -> Columns:
    if not _all(value, dict):
        raise bad_request(f"{form}: expected a list of objects, one per row, with the columns' names as keys")
    rows.check_count(len(value))
    sent = {name for record in value for name in record}
    read = [column.name for column in profile.used if column.name in sent] or sorted(sent)[:1]
    return {name: [record.get(name) for record in value] for name in read or [""]}


def _rows(form: str, value: Any, profile: Profile) -> Columns:
    if _all(value, dict):
        return _records(form, value, profile)
    if isinstance(value, list) and len(profile.used) == 1 and all(map(_is_image, value)):
        value = [[image] for image in value] if profile.used[0].kind is ColumnKind.IMAGE else value
    if not _all(value, list):
        raise bad_request(f"{form}: expected a list of objects or a list of rows")
    rows.check_count(len(value))
    widths = {len(row) for row in value}
    if len(widths) > 1:
        raise bad_request(f"{form}: rows have different lengths, from {min(widths)} to {max(widths)}")
    names = rows.names_for(widths.pop(), profile)
    return dict(zip(names, zip(*value, strict=True), strict=True))


def _is_image(item: Any) -> bool:
    """Whether a row without names may be an image itself, not a list that holds one: text, or several lists."""
    return isinstance(item, str) or (_all(item, list) and len(item) > 1)


def _inputs(form: str, value: Any, profile: Profile) -> Columns:
    if not isinstance(value, dict):
        return _rows(form, value, profile)
    series = {column.name for column in profile.used if column.kind is ColumnKind.SERIES}
    read = [column.name for column in profile.used if column.name in value] or list(value)[:1]
    columns = {name: value[name] if isinstance(value[name], list) else [value[name]] for name in read}
    return {
        name: [item[0] if isinstance(item, list) and len(item) == 1 and name not in series else item for item in values]
        for name, values in columns.items()
    }


FORMS: dict[str, Callable[[str, Any, Profile], Columns]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _rows,
    "inputs": _inputs,
}
V1_FORMS = ("instances", "inputs")  # of KServe and TensorFlow Serving
IGNORED = ("params", "signature_name")  # that clients of MLflow and TensorFlow Serving send along, and we do not need


def _all(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _num_rows(form: str, columns: Columns) -> int:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"'{name}' {length}" for name, length in list(lengths.items())[:8])
        raise bad_request(f"{form}: columns have different numbers of rows: {shown}")
    return max(lengths.values(), default=0)


def from_csv_body(body: bytes, profile: Profile) -> Sent:
    """Return the rows of a CSV request, read as a CSV file is: all is text, and cells say what it holds.

    Raises:
        RequestFault: 400 when it is not CSV.
    """
    try:
        names = _header(body)
        options = pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""]
        )
        table = pa_csv.read_csv(
            io.BytesIO(body),
            read_options=pa_csv.ReadOptions(block_size=max(len(body), 1)),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, csv.Error) as error:
        raise bad_request(f"the body is not CSV with a header line ({error})") from None
    twice = {name for name, times in Counter(table.column_names).items() if times > 1}
    if twice:
        raise bad_request(f"the CSV has more than one column '{min(twice)}'")
    rows.check_count(table.num_rows)
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    return Sent(table.num_rows, columns, profile, lambda columns: columns)


def _header(body: bytes) -> list[str]:
    """Return the names of the columns, of which one may hold line breaks in quotes."""
    csv.field_size_limit(settings.MAX_BODY_BYTES)
    return next(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")), [])


def answer(model: Model, prediction_NK: np.ndarray, told: pa.Table | None = None) -> dict[str, Any]:
    """Return the body of the answer: one record per row; `told` are the columns of a forecast."""
    if told is not None:
        return {"predictions": told.to_pylist()}
    names = ["prediction", *(f"probability_{name}" for name in model.classes)]
    columns = [model.answer(prediction_NK).tolist()]
    if model.classes:
        columns += prediction_NK.astype(np.float64).T.tolist()
    return {"predictions": [dict(zip(names, record, strict=True)) for record in zip(*columns, strict=True)]}
