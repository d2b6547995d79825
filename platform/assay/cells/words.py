"""The words that mean "missing", and which of them count in which column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from assay.cells.texts import as_float
from assay.spec import Experiment
from assay.vocabulary import ColumnKind

# In numbers, true/false and dates such a word can mean nothing else; compared without regard to case.
NUMBER_WORDS = (
    *("na", "n/a", "#n/a", "#na", "#n/a n/a", "n.a.", "n.a", "nan", "-nan", "+nan", "nat", "<na>", "null", "(null)"),
    *(
        "none",
        "\\n",
        "?",
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "\N{EN DASH}",
        "\N{EM DASH}",
        "missing",
        "unknown",
        "undefined",
    ),
    *("1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "#null!", "#value!", "#div/0!", "#ref!", "#num!", "#name?"),
)
# Among levels only the spellings that programs write are missing: "none" and "unknown" are answers that people give.
CATEGORY_WORDS = (
    *("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "?", "NaT", "\\N"),
    *("#N/A N/A", "-nan", "-NaN"),
)


@dataclass(frozen=True)
class Words:
    """A list of words that mean missing; those that read as numbers are missing as numbers too."""

    words: frozenset[str] = frozenset()
    any_case: bool = False
    numbers: frozenset[float] = frozenset()

    def has(self, text: str) -> bool:
        """Return whether a trimmed text means missing; the empty text always does.

        Example:
            >>> words_for(ColumnKind.NUMERIC).has("N.A."), words_for(ColumnKind.CATEGORY).has("none")
            (True, False)
        """
        return not text or (text.lower() if self.any_case else text) in self.words


NO_WORDS = Words()
NUMBERS = Words(frozenset(NUMBER_WORDS), any_case=True)
CATEGORIES = Words(frozenset(CATEGORY_WORDS))


@dataclass(frozen=True)
class MissingValues:
    """What an experiment says of missing values: `data.missing_values`, and `missing_values` of single columns."""

    everywhere: tuple[str, ...] | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, name: str) -> tuple[str, ...] | None:
        """Return the words of one column, the label included; None where the default lists apply."""
        return self.columns.get(name, self.everywhere)

    @classmethod
    def told_by(cls, experiment: Experiment) -> MissingValues:
        """Return what an experiment file says."""
        everywhere = experiment.data.missing_values
        columns = {
            name: tuple(column.missing_values)
            for name, column in experiment.columns.items()
            if column.missing_values is not None
        }
        return cls(None if everywhere is None else tuple(everywhere), columns)


BY_DEFAULT = MissingValues()


def words_for(kind: ColumnKind, declared: Sequence[str] | None = None) -> Words:
    """Return the words that mean missing in a column of this type: those declared, else the list for its type.

    Numbers, true/false and dates have the long list, categories the short one, texts none.
    """
    if declared is not None:
        return declared_words(tuple(declared))
    if kind in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN, ColumnKind.DATETIME):
        return NUMBERS
    return CATEGORIES if kind is ColumnKind.CATEGORY else NO_WORDS


@lru_cache(maxsize=256)
def declared_words(declared: tuple[str, ...]) -> Words:
    """Return the words that an experiment file lists, compared as they are spelled; numbers by value."""
    numbers = (as_float(word) for word in declared)
    return Words(frozenset(word.strip() for word in declared), numbers=frozenset(x for x in numbers if x is not None))
