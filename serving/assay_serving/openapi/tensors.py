"""The Open Inference Protocol as JSON Schema, for the columns and outputs of a model."""

from __future__ import annotations

from typing import Any

from assay.profile import ColumnProfile
from assay.vocabulary import ColumnKind
from assay_serving import open_inference
from assay_serving.openapi.route import FLAG, TEXT, WHOLE, Json, listing, one_of, record
from assay_serving.openapi.rows import columns_of, value
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
    columns = columns_of(served)
    inputs = {
        "type": "array",
        "prefixItems": [_tensor(column) for column in columns],
        "minItems": len(columns),
        "maxItems": len(columns),
    }
    names = [output["name"] for output in open_inference.outputs(served.model, served.framing)]
    wish = record({"parameters": record({"binary_data": FLAG})}, name=one_of(names))
    optional: dict[str, Any] = {
        "id": {"type": ["string", "null"]},
        "outputs": listing(wish),
        "parameters": record({"binary_data_output": FLAG}),
    }
    return {
        **record(optional, inputs=inputs),
        "description": "One tensor for each column, in any order; this is one row, of n rows shapes are [n]. "
        "Tensors may be bytes behind the JSON, by the extension `binary_tensor_data`.",
    }


def _tensor(column: ColumnProfile) -> Json:
    item = value(column)
    datatypes = [open_inference.DATATYPE[column.kind]]
    if column.kind is ColumnKind.NUMERIC:
        datatypes = ["FP64", "FP32", "FP16"]
    data = {"type": "array", "items": item, "minItems": 1, "maxItems": 1}
    return record(name={"const": column.name}, shape={"const": [1]}, datatype=one_of(datatypes), data=data)


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
