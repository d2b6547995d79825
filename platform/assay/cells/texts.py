"""What one text reads as: a number, or the one spelling of a number by which levels are compared."""

from __future__ import annotations

import re
from decimal import Decimal

import pyarrow as pa

PLAIN = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
NUMBER = rf"^{PLAIN}$|^[+-]?(inf|Inf|INF|infinity|Infinity)$"  # what Arrow and Python read alike
FORTRAN_FORM = r"[+-]?(\d+\.?\d*|\.\d+)[dD][+-]?\d+"
FORTRAN = re.compile(FORTRAN_FORM, re.ASCII)
ANY_NUMBER = rf"{NUMBER}|^{FORTRAN_FORM}$"  # what is read without a word about its format
EXACT = re.compile(PLAIN, re.ASCII)
DIGITS = re.compile(r"-?[1-9]\d*|0", re.ASCII)
SIMPLE = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
LEADING_ZERO = re.compile(r"[+-]?0\d", re.ASCII)
# Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese. Each is a term.
UNSPACED = (
    "\u0e01-\u0e5b\u0e81-\u0edf\u1000-\u109f\u1780-\u17d3\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
TERM = rf"[{UNSPACED}]|[^\W{UNSPACED}]+"  # a word, or such a letter
LETTERS_A_WORD = 3  # of such a script, so that names of a few letters are no sentences
LARGEST_WHOLE = 2.0**63  # of floats that are written as whole numbers; larger ones have no last digits to trust


def as_float(text: str) -> float | None:
    """Return the number that a text is, None where it is none; Fortran's `1.5D-3` and a true minus sign are read.

    Example:
        >>> as_float("+12.5"), as_float("1.5D2"), as_float("7a")
        (12.5, 150.0, None)
    """
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if EXACT.fullmatch(text):
        return float(text)
    if FORTRAN.fullmatch(text):
        return float(re.sub("[dD]", "e", text))
    return None


def value_of(text: str) -> str | None:
    """Return the one spelling of the number that a level is: 1, 1.0, +1 and 1e0 are "1"; None for any other text.

    Whole numbers keep all their digits. A number with a leading zero ("007") is a code and no number.

    Example:
        >>> value_of("900719925474099301.0"), value_of("2.50"), value_of("007"), value_of("7a")
        ('900719925474099301', '2.5', None, None)
    """
    if DIGITS.fullmatch(text):
        return text
    if LEADING_ZERO.match(text) or not EXACT.fullmatch(text):
        return None
    number = Decimal(text)
    if number == number.to_integral_value() and abs(number) < LARGEST_WHOLE:
        return str(int(number))
    return float_text(float(text))


def float_text(number: float) -> str:
    """Return a number as Arrow writes it, in the shortest form that reads as the same number."""
    found: str = pa.scalar(number, pa.float64()).cast(pa.string()).as_py()
    return found


def num_words(text: str) -> int:
    """Return about how many words a text has, also in scripts that put no space between them.

    Example:
        >>> num_words("so good"), num_words("这家老板真的很棒")
        (2, 3)
    """
    return len(re.findall(r"\S+", text)) + len(re.findall(f"[{UNSPACED}]", text)) // LETTERS_A_WORD
