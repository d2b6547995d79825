"""The one definition of a cell: what is missing, a number, true/false, a date or text, and which values are equal.

Readers, requests and frames hand over Arrow columns as they are; only this package decides what their values mean:

    stored(column)               any Arrow column as number, boolean, datetime, string, nothing or other
    words_for(kind, declared)    the words that mean missing in a column of this type
    level_codes, class_codes     codes of category levels and of class labels, compared by value
    to_numbers, to_truth, …      the array of a column type, or `Mismatch` with the first value that does not fit
    missing_labels(column, …)    which rows have no label
    with_nulls(column)           a column with its words for missing as null, otherwise as it is
    from_frame(data)             pandas, polars and Arrow data as an Arrow table
    from_values(name, values)    Python or JSON values of one column as an Arrow array
"""

from assay.cells.convert import (
    MOST,
    NOT_A_TIME,
    STORED_WORDS,
    TRUTH,
    Mismatch,
    to_numbers,
    to_texts,
    to_times,
    to_truth,
    with_nulls,
    without_words,
)
from assay.cells.dates import DATETIME, ZERO, impossible, parse_times
from assay.cells.formats import DATE_FORMATS, PLAIN_FORMAT, Format, date_reader
from assay.cells.frames import from_frame, from_values
from assay.cells.levels import (
    Levels,
    are_codes,
    are_number_like,
    canonical_levels,
    class_codes,
    class_words,
    level_codes,
    missing_labels,
)
from assay.cells.storage import Stored, canonical_text, stored, type_word
from assay.cells.texts import LETTERS_A_WORD, NUMBER, TERM, UNSPACED, as_float, num_words, value_of
from assay.cells.words import (
    AS_USUAL,
    BY_DEFAULT,
    CATEGORIES,
    CATEGORY_WORDS,
    NO_WORDS,
    NUMBER_WORDS,
    NUMBERS,
    MissingValues,
    Rules,
    Words,
    declared_words,
    words_for,
)

__all__ = [
    "AS_USUAL",
    "BY_DEFAULT",
    "CATEGORIES",
    "CATEGORY_WORDS",
    "DATETIME",
    "DATE_FORMATS",
    "LETTERS_A_WORD",
    "MOST",
    "NOT_A_TIME",
    "NO_WORDS",
    "NUMBER",
    "NUMBERS",
    "NUMBER_WORDS",
    "PLAIN_FORMAT",
    "STORED_WORDS",
    "TERM",
    "TRUTH",
    "UNSPACED",
    "ZERO",
    "Format",
    "Levels",
    "Mismatch",
    "MissingValues",
    "Rules",
    "Stored",
    "Words",
    "are_codes",
    "are_number_like",
    "as_float",
    "canonical_levels",
    "canonical_text",
    "class_codes",
    "class_words",
    "date_reader",
    "declared_words",
    "from_frame",
    "from_values",
    "impossible",
    "level_codes",
    "missing_labels",
    "num_words",
    "parse_times",
    "stored",
    "to_numbers",
    "to_texts",
    "to_times",
    "to_truth",
    "type_word",
    "value_of",
    "with_nulls",
    "without_words",
    "words_for",
]
