"""The V1 protocol as JSON Schema: predictions, and explanations, for the columns and classes of a model."""

from __future__ import annotations

from typing import Any

from assay.explaining.explanation import EVALUATIONS, FEWEST_EVALUATIONS, MOST_EVALUATIONS
from assay_serving.openapi import invocations, rows
from assay_serving.openapi.route import FLAG, NUMBER, TEXT, WHOLE, Json, listing, maybe, one_of, record
from assay_serving.served import Served

MODELS = record(models=listing(TEXT))
MODEL = record(name=TEXT, ready=FLAG, model_version_status=listing(record(version=TEXT, state=TEXT)))


def request(served: Served) -> Json:
    """Return the schema of rows, as a list of them or by columns."""
    return _forms(served, {"signature_name": TEXT}, {})


def explain_request(served: Served, most_rows: int) -> Json:
    """Return the schema of rows to explain, and of what is wished of the explanations."""
    evaluations = {**WHOLE, "minimum": FEWEST_EVALUATIONS, "maximum": MOST_EVALUATIONS, "default": EVALUATIONS}
    wishes: dict[str, Any] = {"evaluations": evaluations}
    if served.model.classes:
        wishes["class"] = one_of(served.model.classes)
    parameters = {**record(wishes), "additionalProperties": False}
    return _forms(served, {"signature_name": TEXT, "parameters": parameters}, {"maxItems": most_rows})


def answer(served: Served) -> Json:
    """Return the schema of predictions: a record for each row, or a list for each output when columns were sent."""
    outputs = record(outputs={"type": "object", "additionalProperties": {"type": "array"}})
    return {"oneOf": [invocations.answer(served), outputs]}


def explanations(served: Served) -> Json:
    """Return the schema of explanations: base + the sum of the contributions is the value."""
    classes = list(served.model.classes)
    part = record(column=TEXT, value={}, contribution=NUMBER, standard_error=maybe(NUMBER))
    one = record(
        {"at": {"type": "object", "description": "series and time of a forecast"}},
        prediction=one_of(classes) if classes else maybe(NUMBER),
        of=one_of(classes) if classes else {"type": "null"},
        scale={"const": "probability" if classes else "value"},
        base=NUMBER,
        value=NUMBER,
        contributions=listing(part),
    )
    return record(explanations=listing(one))


def _forms(served: Served, beside: Json, limits: Json) -> Json:
    columns = rows.columns_of(served)
    sent: Json = {"anyOf": [{**rows.rows(columns), **limits}, {**rows.lists(columns), **limits}]}
    return {
        "description": "Columns may stand in any order, and `inputs` may be an object of lists, one for each column.",
        "anyOf": [
            {**record(beside, **{form: sent}), "additionalProperties": False} for form in ("instances", "inputs")
        ],
    }
