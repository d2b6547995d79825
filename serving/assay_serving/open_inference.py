"""The Open Inference Protocol, version 2, in JSON: requests to tables, predictions to answers. No server in here.

A table is one tensor per column, of shape [n] or [n, 1]; or, when the model reads only numbers and true/false, a
single tensor [n, f] with the columns in the model's order. Images are files in a tensor BYTES [n], as base64 text or,
behind the JSON, as they are; or pixels in a tensor [n, height, width] or [n, height, width, channels]. Series of one
length are a tensor [n, steps, channels], or [n, steps] of one channel; others come as JSON lists in text, a tensor
BYTES [n]. `null` stands for a missing value in any datatype, and so does NaN in a floating one. The answer is a tensor
`prediction` [n] and, for classification, `probability` [n, K] with the K classes in the order that the model's
metadata says (`parameters.classes`). A model that forecasts is sent the history of each series; it answers a tensor
for each column that names a series, one for the time, and `prediction`.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from assay.errors import Fault, did_you_mean
from assay.forecasting.framing import Framing
from assay.model import Model
from assay.profile import ColumnProfile, Profile
from assay.vocabulary import ColumnKind
from assay_serving import binary_tensors, bodies, rows
from assay_serving.faults import bad_request
from assay_serving.rows import Elements, Sent
from assay_serving.settings import ModelRef

Whole = Literal["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
Datatype = Literal["BOOL", "BYTES", "FP16", "FP32", "FP64"] | Whole

ARROW = {
    "BOOL": pa.bool_(), "BYTES": pa.string(), "FP16": pa.float64(), "FP32": pa.float64(), "FP64": pa.float64(),
    "INT8": pa.int8(), "INT16": pa.int16(), "INT32": pa.int32(), "INT64": pa.int64(),
    "UINT8": pa.uint8(), "UINT16": pa.uint16(), "UINT32": pa.uint32(), "UINT64": pa.uint64(),
}  # fmt: skip
DATATYPE = {  # what the metadata asks for; any whole or floating datatype is taken for a number
    ColumnKind.NUMERIC: "FP64",
    ColumnKind.BOOLEAN: "BOOL",
    ColumnKind.CATEGORY: "BYTES",
    ColumnKind.DATETIME: "BYTES",
    ColumnKind.TEXT: "BYTES",
    ColumnKind.IMAGE: "BYTES",
    ColumnKind.SERIES: "FP32",
}
CELL_AXES = {
    ColumnKind.IMAGE: (2, 3),
    ColumnKind.SERIES: (1, 2),
}  # of kinds whose cells may be arrays: how many axes one has
NUMBERS = {"whole", "floating"}
MATRIX_KINDS = {ColumnKind.NUMERIC, ColumnKind.BOOLEAN}
MAX_AXES = 8
MAX_TENSORS = 20_000  # more than any table has columns
Size = Annotated[int, Field(ge=0, le=2**31)]
Json = dict[str, Any]
# KServe's client sends null where it has none.
Parameters = Annotated[dict[str, Any], BeforeValidator(lambda found: {} if found is None else found)]


class Part(BaseModel):
    """A part of a request, whose types are held to; keys that the protocol may add later are ignored.

    Lists end at their first fault: those of a million elements would take gigabytes.
    """

    model_config = ConfigDict(strict=True)


class Tensor(Part):
    """A named array; `data` in row-major order, flat or nested as `shape` says."""

    name: str
    shape: Annotated[list[Size], Field(min_length=1, max_length=MAX_AXES, fail_fast=True)]
    datatype: Datatype
    data: list[Any] | None = None  # None when it stands behind the JSON
    parameters: Parameters = Field(default_factory=dict)


class Wish(Part):
    """An output the client wants."""

    name: str
    parameters: Parameters = Field(default_factory=dict)


class InferRequest(Part):
    """The body of an inference request."""

    id: str | None = None
    # The first tensor that is wrong is told: a body may hold millions, and each would be an error in memory.
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=MAX_TENSORS, fail_fast=True)]
    outputs: Annotated[list[Wish], Field(max_length=MAX_TENSORS, fail_fast=True)] | None = None
    parameters: Parameters = Field(default_factory=dict)


def read(body: bytes, header: str | None = None) -> InferRequest:
    """Parse the body of an inference request; `header` says how much of it is JSON, when tensors follow as bytes.

    Raises:
        RequestFault: 400 with each place that is not as the protocol says.
    """
    content, raw = binary_tensors.split(body, header)
    try:
        with bodies.parsing(content):
            asked = InferRequest.model_validate_json(content)
    except ValidationError as error:
        parts = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()[:8]]
        raise bad_request("; ".join(part.removeprefix(": ") for part in parts)) from None
    return _filled(asked, raw)


def _filled(request: InferRequest, raw: bytes) -> InferRequest:
    start = 0
    for position, tensor in enumerate(request.inputs):
        place = f"inputs.{position} '{tensor.name}'"
        size = binary_tensors.size_of(place, tensor.parameters)
        if (size is None) == (tensor.data is None):
            raise bad_request(f"{place}: expected either `data` or `parameters.{binary_tensors.SIZE}`, and not both")
        if size is None:
            continue
        rows.check_count(tensor.shape[0])
        if size > len(raw) - start:
            raise bad_request(f"{place}: found {len(raw) - start} bytes left in the body, expected {size}")
        tensor.data = binary_tensors.decoded(place, tensor.datatype, tensor.shape, raw[start : start + size])
        start += size
    if start != len(raw):
        raise bad_request(f"the body: found {len(raw) - start} bytes behind the last tensor, expected none")
    return request


def binary_outputs(request: InferRequest) -> tuple[bool, dict[str, bool]]:
    """Return whether outputs are wanted as bytes, in general and by name.

    Raises:
        RequestFault: 400 when a wish is neither true nor false.
    """
    places = {"parameters.binary_data_output": request.parameters.get("binary_data_output", False)}
    for wish in request.outputs or []:
        if "binary_data" in wish.parameters:
            places[wish.name] = wish.parameters["binary_data"]
    for place, value in places.items():
        if not isinstance(value, bool):
            raise bad_request(f"{place}: found {rows.described(value)}, expected true or false")
    return places.pop("parameters.binary_data_output"), places


def to_rows(request: InferRequest, profile: Profile) -> Sent:
    """Return the rows of a request, in which the columns of a profile are asked for.

    Raises:
        RequestFault: shapes, names or the number of rows do not fit together.
    """
    names = [tensor.name for tensor in request.inputs]
    twice = {name for name, times in Counter(names).items() if times > 1}
    if twice:
        raise bad_request(f"inputs: the name '{min(twice)}' stands for more than one tensor")
    flat = [_flat(tensor) for tensor in request.inputs]
    first = request.inputs[0]
    known = {column.name: column.kind for column in profile.used}
    whole = known.get(first.name) is ColumnKind.SERIES
    matrix = len(first.shape) == 2 and (first.shape[1] != 1 or first.name not in known)
    if len(request.inputs) == 1 and matrix and not whole:
        return _matrix(first, flat[0], profile)
    for tensor in request.inputs:
        cell, kind = tensor.shape[1:], known.get(tensor.name, ColumnKind.NUMERIC)
        fits = cell in ([], [1]) or (len(cell) in CELL_AXES.get(kind, ()) and prod(cell) > 0)
        if not fits or tensor.shape[0] != first.shape[0]:
            raise bad_request(
                f"tensor '{tensor.name}' has shape {tensor.shape}, expected [{first.shape[0]}] or "
                f"[{first.shape[0]}, 1]: one tensor per column, one element per row"
            )
    rows.check_count(first.shape[0])
    tensors = {tensor.name: tensor for tensor in request.inputs if tensor.name in known}
    pairs = zip(request.inputs, flat, strict=True)
    columns = {one.name: Elements(data, prod(one.shape[1:])) for one, data in pairs if one.name in known}

    def to_arrays(columns: Mapping[str, Elements]) -> rows.Arrays:
        return {name: _column(tensors[name], cells, known[name]) for name, cells in columns.items()}

    return Sent(first.shape[0], columns, profile, to_arrays)


def _column(tensor: Tensor, cells: Elements, kind: ColumnKind) -> pa.Array | Fault:
    found = _declared(tensor.name, tensor.datatype, cells.data)
    return _cells(found, [len(cells.data) // cells.size, *tensor.shape[1:]], kind)


def _cells(found: pa.Array | Fault, shape: Sequence[int], kind: ColumnKind | None) -> pa.Array | Fault:
    """Return elements as one cell a row: lists in lists where the tensor has axes for them."""
    steps = kind is ColumnKind.SERIES and len(shape) == 2 and not isinstance(found, Fault) and len(found) != shape[0]
    if isinstance(found, Fault) or not (steps or len(shape) > 2):
        return found
    for size in reversed(shape[1:]):
        found = pa.FixedSizeListArray.from_arrays(found, size)
    return found


def _matrix(tensor: Tensor, flat: Sequence[Any], profile: Profile) -> Sent:
    rough = [column.name for column in profile.used if column.kind not in MATRIX_KINDS]
    if rough:
        raise bad_request(
            f"tensor '{tensor.name}' has shape {tensor.shape}, but column '{rough[0]}' of this model is not a number; "
            "send one tensor per column"
        )
    num_rows, width = tensor.shape
    rows.check_count(num_rows)
    columns = {name: Elements(flat[at::width]) for at, name in enumerate(rows.names_for(width, profile))}

    def to_arrays(columns: Mapping[str, Elements]) -> rows.Arrays:
        return {name: _declared(name, tensor.datatype, cells.data) for name, cells in columns.items()}

    return Sent(num_rows, columns, profile, to_arrays)


def _flat(tensor: Tensor) -> Sequence[Any]:
    data: Sequence[Any] = tensor.data or []
    for depth, size in enumerate(tensor.shape[:-1]):
        if not data or not isinstance(data[0], list):
            break
        width = tensor.shape[depth + 1]
        whole = len(data) == prod(tensor.shape[: depth + 1])
        if not whole or not all(isinstance(inner, list) and len(inner) == width for inner in data):
            raise bad_request(f"tensor '{tensor.name}': nested data must be {size} lists of {width}, as its shape says")
        data = list(chain.from_iterable(data))
    if len(data) != prod(tensor.shape):
        raise bad_request(
            f"tensor '{tensor.name}' has shape {tensor.shape}, which is {prod(tensor.shape)} elements, "
            f"but holds {len(data)}"
        )
    return data


def _declared(name: str, datatype: str, data: Sequence[Any]) -> pa.Array | Fault:
    """Return the elements as an array of the datatype that the client declared."""
    found = rows.to_array(name, data)
    if isinstance(found, Fault) or pa.types.is_null(found.type) or pa.types.is_binary(found.type):
        return found
    wanted = ARROW[datatype]
    families = _family(found.type), _family(wanted)
    if families[0] == families[1] or set(families) == NUMBERS:
        try:
            if families == ("floating", "whole"):
                return pa.array(_whole(data), wanted)
            return found.cast(wanted, safe=not pa.types.is_floating(wanted))  # a float rounds, a whole number does not
        except (pa.ArrowInvalid, OverflowError):
            return Fault(f"column '{name}'", f"found a number that does not fit the datatype {datatype} it came with")
    first = next(value for value in data if value is not None)
    return Fault(f"column '{name}'", f"found {rows.described(first)} in a tensor of datatype {datatype}")


def _whole(data: Sequence[Any]) -> list[Any]:
    """Return whole numbers as such, not rounded to floats; ArrowInvalid if one is not whole."""
    if any(isinstance(value, float) and not value.is_integer() for value in data):
        raise pa.ArrowInvalid("not a whole number")
    return [value if value is None else int(value) for value in data]


def _family(kind: pa.DataType) -> str:
    tests = {"whole": pa.types.is_integer, "floating": pa.types.is_floating, "text": pa.types.is_string}
    return next((name for name, test in tests.items() if test(kind)), str(kind))


def wished(request: InferRequest, model: Model, framing: Framing | None = None) -> list[str]:
    """Return the names of the outputs to send, in the order asked for.

    Raises:
        RequestFault: an output has no such name.
    """
    known = [output["name"] for output in outputs(model, framing)]
    names = [wish.name for wish in request.outputs or []] or known
    for name in names:
        if name not in known:
            raise bad_request(f"outputs: no output named '{name}'; {did_you_mean(name, known)}")
    return names


def answer(
    ref: ModelRef,
    model: Model,
    prediction_NK: np.ndarray,
    names: Sequence[str],
    request_id: str | None,
    told: pa.Table | None = None,
) -> Json:
    """Return the body of the answer; `told` are the columns of a forecast."""
    if told is None:
        tensors = [_output(name, model, prediction_NK) for name in names]
    else:
        tensors = [_told(name, told.column(name)) for name in names]
    head: Json = {"model_name": ref.name, "model_version": ref.version}
    return {**head, **({} if request_id is None else {"id": request_id}), "outputs": tensors}


def _output(name: str, model: Model, prediction_NK: np.ndarray) -> Json:
    if name == "probability":
        array, datatype = prediction_NK.astype(np.float64), "FP64"
    else:
        array, datatype = model.answer(prediction_NK), "BYTES" if model.classes else "FP64"
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def _told(name: str, column: pa.ChunkedArray) -> Json:
    data = column.to_pylist()
    kind = column.type
    datatype = "FP64" if pa.types.is_floating(kind) else "INT64" if pa.types.is_integer(kind) else "BYTES"
    if datatype == "BYTES":
        data = [value if isinstance(value, str) else _plain(value) for value in data]
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def outputs(model: Model, framing: Framing | None = None) -> list[Json]:
    """Return the outputs of a model as metadata; a forecast names the series and time of each prediction."""
    if framing is not None:
        time = "INT64" if framing.clock.unit == "count" and not framing.clock.written.text else "BYTES"
        kinds = {**dict.fromkeys(framing.series, "BYTES"), framing.time: time, "prediction": "FP64"}
        return [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds.items()]
    prediction = {"name": "prediction", "datatype": "BYTES" if model.classes else "FP64", "shape": [-1]}
    if not model.classes:
        return [prediction]
    return [prediction, {"name": "probability", "datatype": "FP64", "shape": [-1, len(model.classes)]}]


def metadata(ref: ModelRef, model: Model, asks: Profile, framing: Framing | None = None) -> Json:
    """Return what a client must know to ask this model; `asks` are the columns of a request."""
    label = model.profile.label
    parameters: Json = {"task": label.task.value, "label": label.name, "classes": list(model.classes)}
    if framing is not None:
        parameters |= {"task": "forecast", "horizon": framing.past.horizon, "season": framing.past.season}
    return {
        "name": ref.name,
        "versions": [ref.version],
        "platform": "assay",
        "inputs": [_input(column) for column in asks.used],
        "outputs": outputs(model, framing),
        "parameters": parameters,
    }


def _input(column: ColumnProfile) -> Json:
    return {
        "name": column.name,
        "datatype": "FP64" if column.centres else DATATYPE[column.kind],  # far from zero float32 has no digits left
        "shape": [-1, -1, column.shape[1]] if column.kind is ColumnKind.SERIES else [-1],
        "parameters": {"kind": column.kind.value, "nullable": column.kind not in CELL_AXES},
    }


def config(about: Json, max_rows: int) -> Json:
    """Return the model's configuration in the form that Triton's clients read, from its metadata."""
    return {
        "name": about["name"],
        "platform": "assay",
        "backend": "assay",
        "version_policy": {"specific": {"versions": about["versions"]}},
        "max_batch_size": max_rows,
        "input": [_triton(tensor) for tensor in about["inputs"]],
        "output": [_triton(tensor) for tensor in about["outputs"]],
    }


def _triton(tensor: Json) -> Json:
    kind = "STRING" if tensor["datatype"] == "BYTES" else tensor["datatype"]
    return {"name": tensor["name"], "data_type": f"TYPE_{kind}", "dims": tensor["shape"][1:] or [1]}
