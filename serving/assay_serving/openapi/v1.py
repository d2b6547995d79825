"""The V1 protocol as JSON Schema: predictions, and explanations, for the columns and classes of a model."""

from __future__ import annotations

from typing import Any

from assay.explaining.explanation import EVALUATIONS, FEWEST_EVALUATIONS, MOST_EVALUATIONS
from assay_serving.openapi import invocations, rows
from assay_serving.openapi.route import ANYTHING, FLAG, NUMBER, TEXT, WHOLE, Json, listing, maybe, one_of, record
from assay_serving.served import Served

MODELS = record(models=listing(TEXT))
MODEL = record(name=TEXT, ready=FLAG, model_version_status=listing(record(version=TEXT, state=TEXT)))


def request(served: Served) -> Json:
    """Return the schema of rows, as a list of them or by columns."""
    return {"description": BY_NAME, "anyOf": _forms(served, {"signature_name": ANYTHING})}


def explain_request(served: Served, most_rows: int) -> Json:
    """Return the schema of rows to explain, `most_rows` of them, and of what is wished of the explanations.

    How many rows may have how many evaluations depends on what a row costs, which no schema can say: 413 beyond.
    """
    text = f"{BY_NAME} At most {most_rows} rows, fewer when each takes more evaluations; 413 beyond."
    return {"description": text, "anyOf": _forms(served, _wishes(served))}


def _wishes(served: Served) -> dict[str, Any]:
    known: dict[str, Any] = {
        "evaluations": {
            **WHOLE, "minimum": FEWEST_EVALUATIONS, "maximum": MOST_EVALUATIONS, "default": EVALUATIONS
        }
    }  # fmt: skip
    if served.model.classes:
        known["class"] = maybe(one_of(served.model.classes))
    return {"signature_name": ANYTHING, "parameters": maybe({**record(known), "additionalProperties": False})}


def answer(served: Served) -> Json:
    """Return the schema of predictions: a record for each row, or a list for each output when columns were sent."""
    outputs = record({"degraded": FLAG}, outputs={"type": "object", "additionalProperties": {"type": "array"}})
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


def _forms(served: Served, beside: Json) -> list[Json]:
    columns = rows.columns_of(served)
    form: Json = {"anyOf": [rows.rows(columns), rows.lists(columns)]}
    return [{**record(beside, **{name: form}), "additionalProperties": False} for name in ("instances", "inputs")]


BY_NAME = "Columns are found by name. `inputs` may also be an object with a list for each column."
