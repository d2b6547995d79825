"""What a server answers, as types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PROBABILITY = "probability_"


@dataclass(frozen=True)
class Predictions(Sequence[Mapping[str, Any]]):
    """A record for each row, in order: `prediction`, and `probability_CLASS` for classes.

    A model that forecasts answers a record for each series and time to come instead. `version` gave the answer;
    `request_id` is what `Client.feedback` needs; `degraded` says that the server answered with less than it has.
    """

    records: tuple[Mapping[str, Any], ...]
    version: str
    request_id: str
    degraded: bool = False

    @property
    def values(self) -> list[Any]:
        """The predictions alone: classes as text, or numbers."""
        return [record["prediction"] for record in self.records]

    @property
    def probabilities(self) -> list[dict[str, float]]:
        """The probability of each class, row by row; empty dicts where the model predicts a number."""
        return [
            {name.removeprefix(PROBABILITY): value for name, value in record.items() if name.startswith(PROBABILITY)}
            for record in self.records
        ]

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, place: Any) -> Any:
        return self.records[place]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.records)


@dataclass(frozen=True)
class Contribution:
    """What one column added to the explained value of one row."""

    column: str
    value: Any
    contribution: float
    standard_error: float | None = None  # of a contribution that was estimated; None where it is exact


@dataclass(frozen=True)
class Explanation:
    """Why one row got its prediction: `base` plus all contributions is `value`.

    `of` is the class that is explained, None where a number is predicted; `scale` is `probability` or `value`;
    contributions are sorted by size. `at` names series and time of a forecast.
    """

    prediction: Any
    of: str | None
    scale: str
    base: float
    value: float
    contributions: tuple[Contribution, ...]
    at: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Explanation:
        """Return an explanation as the server tells it."""
        parts = tuple(
            Contribution(part["column"], part["value"], part["contribution"], part.get("standard_error"))
            for part in told["contributions"]
        )
        return cls(told["prediction"], told["of"], told["scale"], told["base"], told["value"], parts, told.get("at"))


@dataclass(frozen=True)
class Feedback:
    """How many labels a server stored, and how many of them belong to requests that its log keeps."""

    model: str
    stored: int
    in_log: int


@dataclass(frozen=True)
class Metadata:
    """What a model reads and predicts.

    `columns` maps the name of each column of a request to its kind; `release` says which version has which role.
    """

    name: str
    versions: tuple[str, ...]
    task: str
    label: str
    classes: tuple[str, ...]
    columns: Mapping[str, str]
    release: Mapping[str, Any]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Metadata:
        """Return metadata as the server tells them."""
        more = told["parameters"]
        columns = {column["name"]: column["parameters"]["kind"] for column in told["inputs"]}
        return cls(
            told["name"], tuple(told["versions"]), more["task"], more["label"], tuple(more["classes"]), columns,
            more.get("release", {}),
        )  # fmt: skip
