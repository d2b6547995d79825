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
