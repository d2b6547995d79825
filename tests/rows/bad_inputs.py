"""Rows of each kind of which one is broken."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pyarrow as pa

BAD = 2  # the place of the broken row


def table() -> pa.Table:
    """Return people of whom one has a word for an age."""
    columns = {"city": ["Oslo"] * 5, "member": [True] * 5, "joined": ["2024-05-17"] * 5, "note": ["good fast"] * 5}
    return pa.table({"age": ["61", "20", "old", "33", "44"], **columns})


def image() -> pa.Table:
    """Return photographs of which one is cut off."""
    from models import png

    whole = png(np.full((12, 12), 90, np.uint8))
    return pa.table({"photo": [whole, whole, whole[:30], whole, whole]})


def text() -> pa.Table:
    """Return sentences of which one is a number that nobody wrote as text."""
    return pa.table({"said": pa.array(["great", "dull", None, "fine", "awful"])})


def series() -> pa.Table:
    """Return walks of which one has an infinite number."""
    walk = [[0.1, 2.0], [0.5, 2.5], [0.9, 1.0]]
    return pa.table({"walk": [walk, walk, [[float("inf"), 1.0], [0.0, 1.0]], walk, walk]})


def forecast() -> pa.Table:
    """Return sales of two shops, one of which has a day twice."""
    known = runpy.run_path(str(Path(__file__).parents[1] / "forecasts/conftest.py"))
    history: pa.Table = known["history"]()
    shop = np.asarray(history.column("shop"))
    place = int(np.flatnonzero(shop == "south")[3])
    return history.take(pa.array(np.insert(np.arange(len(shop)), place, place)))
