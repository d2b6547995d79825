"""The words that mean "missing", and which of them count in which column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from assay.cells.formats import PLAIN_FORMAT, Format
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
    *("0000-00-00", "0000-00-00 00:00:00"),  # how MySQL writes that there is no date
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
class Rules:
    """How one column is read: the words that mean missing in it, and how its numbers or dates are written.

    `missing_values` replace the usual words of its column type, `also_missing` are added to them.
    """

    missing_values: tuple[str, ...] | None = None
    also_missing: tuple[str, ...] = ()
    format: Format = PLAIN_FORMAT
    kind: ColumnKind | None = None  # the column type, where the experiment declares it

    def words(self, kind: ColumnKind) -> Words:
        """Return the words that mean missing in a column of this type."""
        usual = words_for(kind, self.missing_values)
        if not self.also_missing:
            return usual
        also = tuple(word.lower() for word in self.also_missing) if usual.any_case else self.also_missing
        more = declared_words(also)
        return replace(usual, words=usual.words | more.words, numbers=usual.numbers | more.numbers)

    @property
    def listed(self) -> tuple[str, ...] | None:
        """All words that the experiment lists; None where it lists none."""
        listed = (*(self.missing_values or ()), *self.also_missing)
        return listed if self.missing_values is not None or self.also_missing else None


AS_USUAL = Rules()


@dataclass(frozen=True)
class MissingValues:
    """How columns are read, as an experiment says: `data.missing_values`, and what `columns` says of each."""

    everywhere: tuple[str, ...] | None = None
    columns: Mapping[str, Rules] = field(default_factory=dict)

    def of(self, name: str) -> tuple[str, ...] | None:
        """Return all words that the experiment lists for a column, or the label; None where the usual ones apply."""
        return self.rules(name).listed

    def rules(self, name: str) -> Rules:
        """Return how a column, or the label, is read."""
        return self.columns.get(name, Rules(self.everywhere))

    @classmethod
    def told_by(cls, experiment: Experiment) -> MissingValues:
        """Return what an experiment file says."""
        told = experiment.data.missing_values
        everywhere = None if told is None else tuple(told)
        columns = {
            name: Rules(
                everywhere,
                tuple(column.also_missing),
                Format(column.decimal or "", column.date_format or ""),
                column.kind,
            )
            for name, column in experiment.columns.items()
        }
        return cls(everywhere, columns)


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
