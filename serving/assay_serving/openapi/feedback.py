"""True labels as JSON Schema, for the classes of a model."""

from __future__ import annotations

from assay_serving import settings
from assay_serving.openapi.route import TEXT, WHOLE, Json, listing, maybe, one_of, record
from assay_serving.openapi.rows import FINITE
from assay_serving.request_ids import FORM
from assay_serving.served import Served

REQUEST_ID: Json = {**TEXT, "pattern": f"^{FORM.pattern}$", "description": "`x-request-id` of the answer"}
ROW: Json = {**WHOLE, "minimum": 0, "maximum": settings.MAX_ROWS - 1}
ANSWER = record(model=TEXT, stored=WHOLE, in_log=WHOLE)


def request(served: Served) -> Json:
    """Return the schema of labels: of the rows of one request in their order, or of rows of any requests."""
    classes = served.model.classes
    label = maybe(one_of(classes) if classes else FINITE)
    model = one_of([served.ref.name])
    one = {**record({"row": {**ROW, "default": 0}}, request_id=REQUEST_ID, label=label), "additionalProperties": False}
    many = {"minItems": 1, "maxItems": settings.MAX_ROWS}
    forms = [
        record(model=model, request_id=REQUEST_ID, labels={**listing(label), **many}),
        record(model=model, feedback={**listing(one), **many}),
    ]
    return {
        "description": "A label that is null is not known yet. On a server of one model `model` may be left out, and "
        "`feedback` may be the whole body.",
        "anyOf": [{**form, "additionalProperties": False} for form in forms],
    }
