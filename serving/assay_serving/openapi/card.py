"""The card of a model as JSON Schema: what it is, how good, and rows that a client may send."""

from __future__ import annotations

from assay_serving.openapi.route import ANYTHING, FLAG, NUMBER, TEXT, WHOLE, Json, listing, maybe, one_of, record

SCORE = record(score=maybe(NUMBER), low=maybe(NUMBER), high=maybe(NUMBER))
COLUMN = record(
    {"low": maybe(NUMBER), "high": maybe(NUMBER), "mean": maybe(NUMBER), "levels": listing(TEXT), "num_levels": WHOLE},
    name=TEXT,
    kind=TEXT,
    missing=NUMBER,
    nullable=FLAG,
    whole=FLAG,
    shape=listing(WHOLE),
)
FORECAST = record(series=listing(TEXT), time=TEXT, known=listing(TEXT), horizon=WHOLE, season=WHOLE, fewest=WHOLE)
EXAMPLE = record({"from": one_of(["training", "typical", ""])}, requests=listing(listing({"type": "object"})))
CARD: Json = record(
    dict.fromkeys(("experiment", "run", "winner", "seed", "metric", "out_of_fold", "ensemble"), ANYTHING),
    name=TEXT,
    version=TEXT,
    release={"type": "object"},
    digest=TEXT,
    created=TEXT,
    python=TEXT,
    libraries={"type": "object", "additionalProperties": TEXT},
    size_bytes=WHOLE,
    kind=TEXT,
    task=one_of(["binary", "multiclass", "regression", "forecast"]),
    label=TEXT,
    classes=listing(TEXT),
    class_counts=listing(WHOLE),
    train_rows=WHOLE,
    test={"type": "object", "additionalProperties": SCORE},
    test_rows=maybe(WHOLE),
    members=listing(record(name=TEXT, algorithm=TEXT)),
    columns=listing(COLUMN),
    forecast=maybe(FORECAST),
    example=EXAMPLE,
)
