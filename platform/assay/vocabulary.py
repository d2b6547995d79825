"""The words of the field that more than one floor speaks, each with one meaning."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether the label is one of a few classes."""
        return self is not Task.REGRESSION


class ColumnKind(StrEnum):
    """What a column holds, whatever type it is stored as."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    DATETIME = "datetime"
    TEXT = "text"
    IMAGE = "image"
    SERIES = "series"


class Shelf(StrEnum):
    """The shelves of the house; the value is the folder's name."""

    SOURCES = "sources"
    KINDS = "kinds"
    SPLITS = "splits"
    STEPS = "steps"
    ALGORITHMS = "algorithms"
    ENSEMBLES = "ensembles"
    METRICS = "metrics"
    SEARCHES = "searches"


class EntryKind(StrEnum):
    """What a row of the leaderboard is."""

    BASELINE = "baseline"
    TRIAL = "trial"
    ENSEMBLE = "ensemble"


NO_FOLD = -1  # fold number of rows that are never held out
MISSING_CODE = -1  # category code of a missing value; an unseen level has the code `len(levels)`
