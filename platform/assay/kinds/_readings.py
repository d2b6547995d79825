"""How many texts of a column read as numbers or dates, by the ways in which people write them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.cells.dates import DATETIME, ZERO
from assay.cells.formats import ANY_DATE, DATE_FORMATS, date_pattern, number_pattern
from assay.cells.texts import ANY_NUMBER
from assay.profile import Reading

PLAIN, ISO = "number", "date"  # keys of what is read without a word; others are decimal signs and formats of dates
DECIMALS = (".", ",")


def readings(present: pa.Array, different: pa.Array, row_n: np.ndarray, words: set[str]) -> dict[str, Reading]:
    """Return what reads as what; texts that may mean missing are no part of it.

    Each different text is looked at once. A reading that fits no text is left out.
    """
    values, counts = different.field("values"), different.field("counts")
    if words:
        kept = pc.invert(pc.is_in(values, value_set=pa.array(sorted(words))))
        values, counts = values.filter(kept), counts.filter(kept)
    if not len(values):
        return {}
    fits = {PLAIN: pc.match_substring_regex(values, ANY_NUMBER)}
    fits |= _as_written(values)
    count_u, found = counts.to_numpy(), {}
    for key, good in fits.items():
        count = int(count_u[np.asarray(good)].sum())
        if count:
            row, odd = _first_odd(present, values.filter(pc.invert(good)), row_n)
            found[key] = Reading(count, row, odd)
    return found


def _as_written(values: pa.Array) -> dict[str, pa.Array]:
    iso = pc.or_(pc.match_substring_regex(values, DATETIME), pc.match_substring_regex(values, ZERO))
    found = {ISO: iso}
    if pc.all(iso).as_py():
        return found
    found |= {sign: pc.match_substring_regex(values, number_pattern(sign)) for sign in DECIMALS}
    if pc.any(pc.match_substring_regex(values, ANY_DATE)).as_py():
        found |= {form: pc.match_substring_regex(values, date_pattern(form)) for form in DATE_FORMATS}
    return found


def _first_odd(present: pa.Array, odd: pa.Array, row_n: np.ndarray) -> tuple[int, str]:
    """Return row and value of the first of some texts; row -1 where there are none."""
    if not len(odd):
        return -1, ""
    position = pc.index(pc.is_in(present, value_set=odd), True).as_py()
    return int(row_n[position]), present[position].as_py()
