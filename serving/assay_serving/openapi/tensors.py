"""The Open Inference Protocol as JSON Schema, for the columns and outputs of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np

from assay.profile import ColumnProfile
from assay_serving import open_inference
from assay_serving.openapi import rows
from assay_serving.openapi.route import FLAG, TEXT, WHOLE, Json, listing, maybe, one_of, record
from assay_serving.served import Served

ANY_TENSOR = record(
    {"parameters": {"type": "object"}},
    name=TEXT,
    datatype=one_of(list(open_inference.ARROW)),
    shape=listing(WHOLE),
)
STATISTICS = record(model_stats=listing({"type": "object"}))
LIVE = record(live=FLAG)
READY = record(ready=FLAG, live=FLAG)
MODEL_READY = record(name=TEXT, ready=FLAG)
SERVER = record(name=TEXT, version=TEXT, extensions=listing(TEXT))
METADATA = record(
    name=TEXT,
    versions=listing(TEXT),
    platform=TEXT,
    inputs=listing(ANY_TENSOR),
    outputs=listing(ANY_TENSOR),
    parameters={"type": "object"},
)
CONFIG = record(name=TEXT, platform=TEXT, backend=TEXT, max_batch_size=WHOLE, input=listing({}), output=listing({}))
INDEX = listing(record(name=TEXT, version=TEXT, state=one_of(["READY", "UNAVAILABLE"]), reason=TEXT))


def request(served: Served) -> Json:
    """Return the schema of a request of one row: JSON Schema cannot say that all tensors have as many elements."""
    tensors = [_tensor(column) for column in rows.columns_of(served)]
    inputs = {"type": "array", "prefixItems": tensors, "minItems": len(tensors), "maxItems": len(tensors)}
    names = [output["name"] for output in open_inference.outputs(served.model, served.framing)]
    wish = record({"parameters": maybe(record({"binary_data": FLAG}))}, name=one_of(names))
    optional = {
        "id": maybe(TEXT),
        "outputs": maybe(listing(wish)),
        "parameters": maybe(record({"binary_data_output": FLAG})),
    }
    return {
        **record(optional, inputs=inputs),
        "description": "One tensor for each column, in any order; this is one row, of n rows shapes are [n] or [n, 1]. "
        "Tensors may be bytes behind the JSON, by the extension `binary_tensor_data`.",
    }


def _tensor(column: ColumnProfile) -> Json:
    """Return the schema of a tensor that holds one row of a column."""
    name: Json = {"const": column.name}
    if column.kind in open_inference.CELL_AXES:
        return record(name=name, shape=listing(WHOLE), datatype=one_of(open_inference.ARROW), data=listing({}))
    forms = [pair for form, schema in rows.forms(column).items() for pair in _datatypes(form, schema)]
    forms.append((list(open_inference.ARROW), rows.NULL))
    return {"anyOf": [_of_shape(name, datatypes, item, shape) for datatypes, item in forms for shape in ([1], [1, 1])]}


def _datatypes(form: str, schema: Json) -> Iterator[tuple[list[str], Json]]:
    if form == "text":
        yield ["BYTES"], schema
    elif form == "true/false":
        yield ["BOOL"], schema
    else:
        yield ["FP16", "FP32", "FP64"], schema
        for name in get_args(open_inference.Whole):
            yield [name], schema if "enum" in schema else {"type": "integer", **_range(name)}


def _range(datatype: str) -> Json:
    found = np.iinfo(datatype.lower())
    return {"minimum": int(found.min), "maximum": int(found.max)}


def _of_shape(name: Json, datatypes: list[str], item: Json, shape: list[int]) -> Json:
    flat = {"type": "array", "prefixItems": [{"anyOf": [item, rows.NULL]}], "minItems": 1, "maxItems": 1}
    nested = {"type": "array", "prefixItems": [flat], "minItems": 1, "maxItems": 1}
    data = flat if len(shape) == 1 else {"anyOf": [flat, nested]}
    optional = {"parameters": {"type": ["object", "null"]}}
    return record(optional, name=name, shape={"const": shape}, datatype=one_of(datatypes), data=data)


def answer(served: Served) -> Json:
    """Return the schema of an answer."""
    names = [output["name"] for output in open_inference.outputs(served.model, served.framing)]
    parameters = {"parameters": record(binary_data_size=WHOLE), "data": listing({})}
    output = record(parameters, name=one_of(names), shape=listing(WHOLE), datatype=one_of(["BYTES", "FP64", "INT64"]))
    return record(
        {"id": TEXT, "parameters": record({"degraded": FLAG, "members": WHOLE, "members_answering": WHOLE})},
        model_name={"const": served.ref.name},
        model_version=TEXT,
        outputs=listing(output),
    )
