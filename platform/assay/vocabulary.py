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


class Scope(StrEnum):
    """What a token lets its bearer do with a server; `admin` includes the others, which do not include each other."""

    PREDICT = "predict"
    READ = "read"
    ADMIN = "admin"

    def covers(self, needed: Scope) -> bool:
        """Return whether a token with this scope may do what needs another.

        Example:
            >>> [scope.covers(Scope.READ) for scope in Scope]
            [False, True, True]
        """
        return self in (needed, Scope.ADMIN)


class OnError(StrEnum):
    """What to do with rows that cannot be read."""

    FAIL = "fail"
    SKIP = "skip"
    NULL = "null"


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
