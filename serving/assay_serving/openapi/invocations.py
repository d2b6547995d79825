"""MLflow's scoring protocol as JSON Schema, for the columns and classes of a model."""

from __future__ import annotations

from assay_serving.openapi.route import FLAG, NUMBER, TEXT, Json, listing, maybe, record
from assay_serving.openapi.rows import cells, columns_of, row
from assay_serving.served import Served


def request(served: Served) -> Json:
    """Return the schema of a body: one of four forms, with at least one row."""
    columns = columns_of(served)
    by_name = {**listing(row(columns)), "minItems": 1}
    by_place = {**listing(cells(columns)), "minItems": 1}
    split = record(columns={"const": [column.name for column in columns]}, data=by_place)
    forms = {
        "dataframe_split": split,
        "dataframe_records": by_name,
        "instances": {"anyOf": [by_name, by_place]},
        "inputs": {"anyOf": [by_name, by_place]},
    }
    params: Json = {"params": {}}
    return {
        "description": "Columns may stand in any order, and `inputs` may be an object of lists, one for each column.",
        "oneOf": [{**record(params, **{key: form}), "additionalProperties": False} for key, form in forms.items()],
    }


def answer(served: Served) -> Json:
    """Return the schema of an answer: a record for each row, or for each series and time of a forecast."""
    optional = {"degraded": FLAG}
    if served.framing is not None:
        return record(optional, predictions=listing({"type": "object"}))
    classes = served.model.classes
    prediction: Json = {"enum": list(classes)} if classes else maybe(NUMBER)
    probabilities = {f"probability_{name}": maybe(NUMBER) for name in classes}
    return record(optional, predictions=listing(record(**{"prediction": prediction, **probabilities})))


def csv(served: Served) -> Json:
    """Return the schema of a body that is CSV."""
    header = ",".join(column.name for column in columns_of(served))
    return {**TEXT, "description": f"a header line, then a line for each row; columns in any order: {header}"}


def model(served: Served) -> Json:
    """Return the schema of the header that names one of several models."""
    return {**TEXT, "enum": [served.ref.name]}
