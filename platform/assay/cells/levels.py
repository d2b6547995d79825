"""How category levels and class labels compare: by value, however a file or a client spells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells.convert import with_nulls
from assay.cells.storage import canonical_text, stored
from assay.cells.texts import LEADING_ZERO, SIMPLE, as_float, value_of
from assay.cells.words import NO_WORDS, Rules, Words, words_for
from assay.vocabulary import MISSING_CODE, ColumnKind

TRUTH = {"true": "1", "false": "0"}


@dataclass(frozen=True)
class Levels:
    """The levels of a category, or the classes of a label, and which text stands for which.

    A text is a level when it is spelled so, or has its value: 1, 1.0 and +1 are one level, and so are true and 1 where
    all levels are true and false or 0 and 1. Where levels are codes (one has a leading zero, or two are spelled 1.1
    and 1.10) spelling counts, and only 12.0 is still 12.

    Example:
        >>> levels = Levels(("1", "2", "900719925474099301"))
        >>> [levels.code(text) for text in ("1.0", "2", "900719925474099301", "900719925474099302", "")]
        [0, 1, 2, 3, -1]
    """

    names: tuple[str, ...]
    missing: Words = NO_WORDS

    @cached_property
    def code_of(self) -> dict[str, int]:
        """The code of each level as it is spelled, and of the empty text."""
        return {"": MISSING_CODE, **{name: code for code, name in enumerate(self.names)}}

    @cached_property
    def _by_value(self) -> dict[str, int]:
        if are_codes(self.names):
            return {}
        every = self.are_numbers
        pairs = [(_value(name, every), code) for code, name in enumerate(self.names)]
        found = {value: code for value, code in reversed(pairs) if value is not None}
        known = {name.lower() for name in self.names}
        if self.names and (known <= TRUTH.keys() or known <= set(TRUTH.values())):
            codes = {name.lower(): code for code, name in reversed(list(enumerate(self.names)))}
            for word, digit in TRUTH.items():
                code = codes.get(word, codes.get(digit))
                found |= {} if code is None else {word: code, digit: code}
        return found

    @cached_property
    def are_numbers(self) -> bool:
        """Whether every level is a number."""
        return all(value_of(name) is not None for name in self.names)

    def code(self, text: str) -> int:
        """Return the code of a trimmed text: MISSING_CODE where missing, the number of levels where it is none."""
        code = self.code_of.get(text)
        if code is not None:
            return code
        if self.missing.has(text):
            return MISSING_CODE
        value = _value(text, self.are_numbers)
        if self._by_value:
            code = self._by_value.get(text.lower() if value is None else value)
        elif value is not None:  # codes
            code = self.code_of.get(value) if SIMPLE.fullmatch(text) and value.lstrip("-").isdigit() else None
        return len(self.names) if code is None else code

    def _may_be_known(self, odd: pa.Array) -> pa.Array:
        """Return a mask of the texts that are no level as they are spelled, but numbers or words: there are few."""
        words = pa.array(sorted({*self.missing.words, *TRUTH}), pa.string())
        worded = pc.is_in(pc.utf8_lower(odd) if self.missing.any_case else odd, value_set=words)
        worded = pc.or_(worded, pc.is_in(pc.utf8_lower(odd), value_set=pa.array(list(TRUTH))))
        return pc.or_(worded, pc.match_substring_regex(odd, r"^[+-]?\.?\d[\d.eE+-]*$"))

    def codes(self, text: pa.Array) -> np.ndarray:
        """Return the int32 code of each text of an Arrow array (trimmed, null where missing)."""
        unseen = len(self.names)
        known = pc.index_in(text, value_set=pa.array(self.names, pa.string()))
        code_N: np.ndarray = pc.fill_null(known, unseen).to_numpy().astype(np.int32)
        null_N = np.asarray(text.is_null())
        code_N[null_N] = MISSING_CODE
        odd_n = np.flatnonzero(code_N == unseen)
        if len(odd_n):
            odd = text.take(pa.array(odd_n))
            may_n = np.flatnonzero(np.asarray(self._may_be_known(odd)))
            encoded = odd.take(pa.array(may_n)).dictionary_encode()
            table_U = np.array([self.code(word) for word in encoded.dictionary.to_pylist()], np.int32)
            code_N[odd_n[may_n]] = table_U[encoded.indices.to_numpy()]
        return code_N


def level_codes(
    column: pa.ChunkedArray | pa.Array, levels: Sequence[str], missing_values: Sequence[str] | None = None
) -> np.ndarray:
    """Return the int32 code of the level of each value of any Arrow column, compared by value (see `Levels`).

    MISSING_CODE where it is missing (`missing_values`, or the usual words of categories), len(levels) where unseen.

    Example:
        >>> level_codes(pa.array([1.0, 2.5, None]), ("1", "2")).tolist()
        [0, 2, -1]
    """
    words = words_for(ColumnKind.CATEGORY, missing_values)
    return Levels(tuple(levels), words).codes(canonical_text(stored(column)))


def class_codes(
    column: pa.ChunkedArray | pa.Array, classes: Sequence[str], missing_values: Sequence[str] | Rules | None = None
) -> np.ndarray:
    """Return the int32 code of the class of each label, compared by value.

    MISSING_CODE where it is missing, len(classes) where no class has its value. Words such as "None" are classes;
    where all classes are numbers or true/false they are missing.

    Example:
        >>> class_codes(pa.array(["1.0", "0", "NA"]), ("0", "1")).tolist()
        [1, 0, -1]
        >>> class_codes(pa.array(["None", "Mild"]), ("Mild", "None")).tolist()
        [1, 0]
    """
    return Levels(tuple(classes), class_words(classes, missing_values)).codes(canonical_text(stored(column)))


def class_words(classes: Sequence[str], missing_values: Sequence[str] | Rules | None = None) -> Words:
    """Return the words that mean missing in a label of these classes: none, unless all are numbers or true/false."""
    kind = ColumnKind.NUMERIC if are_number_like(classes) else ColumnKind.TEXT
    return _rules(missing_values).words(kind)


def _rules(missing_values: Sequence[str] | Rules | None) -> Rules:
    if isinstance(missing_values, Rules):
        return missing_values
    return Rules(None if missing_values is None else tuple(missing_values))


def are_number_like(classes: Iterable[str]) -> bool:
    """Whether all classes are numbers, or all are true and false: then a word for missing is no class among them."""
    names = list(classes)
    truth = all(name.lower() in TRUTH for name in names)
    return bool(names) and (truth or all(as_float(name) is not None for name in names))


def missing_labels(
    column: pa.ChunkedArray | pa.Array, regression: bool | None, missing_values: Sequence[str] | Rules | None = None
) -> pa.Array:
    """Return a mask of the rows without a label; `regression` is None where the task is not told.

    Empty cells, and the words of `missing_values`. Without them: the usual words where the task is regression, or
    where all other labels are numbers or true/false; among other classes a word such as "None" is a class.

    Example:
        >>> missing_labels(pa.array(["1", "NA", ""]), None).to_pylist()
        [False, True, True]
        >>> missing_labels(pa.array(["Mild", "None", ""]), None).to_pylist()
        [False, False, True]
    """
    rules = _rules(missing_values)
    without = with_nulls(column, rules.words(ColumnKind.NUMERIC))
    told = bool(regression)
    if not told and pa.types.is_string(without.type):
        told = are_number_like(word for word in without.unique().to_pylist() if word is not None)
    return (without if told else with_nulls(column, rules.words(ColumnKind.TEXT))).is_null(nan_is_null=True)


def canonical_levels(counts: Mapping[str, int]) -> Counter[str]:
    """Return levels with one spelling for each value, and their counts together.

    Numbers are spelled as `value_of` says when all levels are numbers, True and TRUE as true. Codes and names stay.

    Example:
        >>> canonical_levels({"1.0": 2, "1": 1, "2.0": 4}), canonical_levels({"7": 1, "07": 2})
        (Counter({'2': 4, '1': 3}), Counter({'07': 2, '7': 1}))
    """
    names = list(counts)
    if names and all(name.lower() in TRUTH for name in names):
        spelled = {name: name.lower() for name in names}
    elif not are_codes(names) and all(value_of(name) is not None for name in names):
        spelled = {name: value_of(name) or name for name in names}
    else:
        return Counter(dict(counts))
    found: Counter[str] = Counter()
    for name, count in counts.items():
        found[spelled[name]] += count
    return found


def are_codes(names: Sequence[str]) -> bool:
    """Whether levels are codes made of digits, where spelling counts: 007, or 1.1 beside 1.10."""
    fractions = [value for name in names if "." in name and (value := value_of(name)) and "." in value]
    return len(set(fractions)) < len(fractions) or any(
        LEADING_ZERO.match(name) and SIMPLE.fullmatch(name) for name in names
    )


def _value(text: str, any_form: bool) -> str | None:
    """Return the number that a text is; among levels that are not all numbers 1e5 is a word."""
    return value_of(text) if any_form or SIMPLE.fullmatch(text) else None
