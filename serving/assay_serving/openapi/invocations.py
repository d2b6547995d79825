"""MLflow's scoring protocol as JSON Schema, for the columns and classes of a model."""

from __future__ import annotations

from assay_serving.openapi import rows
from assay_serving.openapi.route import ERRORS, FLAG, NUMBER, TEXT, Json, listing, maybe, record
from assay_serving.served import Served


def request(served: Served) -> Json:
    """Return the schema of a body: one of four forms, with at least one row."""
    columns = rows.columns_of(served)
    by_name, by_place = rows.rows(columns), rows.lists(columns)
    names = {"const": [column.name for column in columns], "description": "may stand in any order, as their values do"}
    forms = {
        "dataframe_split": record({"index": {}}, columns=names, data=by_place),
        "dataframe_records": by_name,
        "instances": {"anyOf": [by_name, by_place]},
        "inputs": {"anyOf": [by_name, by_place]},
    }
    params: Json = {"params": {"description": "not read"}}
    return {
        "description": "Columns are found by name. `inputs` may also be an object with a list for each column.",
        "anyOf": [{**record(params, **{key: form}), "additionalProperties": False} for key, form in forms.items()],
    }


def csv(served: Served) -> Json:
    """Return the schema of a body that is CSV."""
    return {**rows.csv(rows.columns_of(served)), "description": "a header line, then rows; columns in any order"}


def model(served: Served) -> Json:
    """Return the schema of the header that names one of several models."""
    return {**TEXT, "enum": [served.ref.name]}


def answer(served: Served) -> Json:
    """Return the schema of an answer: a record for each row, or for each series and time of a forecast."""
    optional = {"degraded": FLAG, "errors": ERRORS}
    if served.framing is not None:
        return record(optional, predictions=listing({"type": "object"}))
    classes = served.model.classes
    prediction: Json = {"enum": [*classes, None]} if classes else maybe(NUMBER)
    probabilities = {f"probability_{name}": maybe(NUMBER) for name in classes}
    return record(optional, predictions=listing(record(**{"prediction": prediction, **probabilities})))
