"""What people see: tables on stdout, progress on stderr, plain lines where there is no terminal."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from typing import Any

from rich.console import Console
from rich.table import Table

from assay.evaluation.diversity import in_words


def stdout_is_for_data() -> AbstractContextManager[Any]:
    """Send to stderr what libraries print while a verb works: Ray tells of a dead worker on stdout."""
    return redirect_stdout(sys.stderr)


def out() -> Console:
    """Return the console for data; wide where it is not a terminal, so that no line is cut."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def print_json(value: Any) -> None:
    """Print one JSON object."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")
    sys.stdout.flush()  # `assay serve --json` goes on for days, and its reader waits for this


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """Print a table; numbers to the right."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        numeric = all(isinstance(row[place], int | float) or row[place] is None for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    out().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return plain_number(value)
    return str(value)


def plain_number(value: float) -> str:
    """Return a number for people: five digits, and never as a power of ten where it can be written out.

    Example:
        >>> plain_number(163_660.0), plain_number(0.012345678), plain_number(3e-9)
        ('163,660', '0.012346', '3e-09')
    """
    return f"{value:,.0f}" if LARGE <= abs(value) < HUGE else f"{value:.5g}"


LARGE, HUGE = 1e5, 1e15


def leaderboard(result: Mapping[str, Any]) -> None:
    """Print the leaderboard, best first, scores out of fold."""
    metric = result["metric"]
    rows = []
    for entry in result["leaderboard"]:
        mark = "=" if entry["ties_with_best"] else ""
        interval = f"{_score(entry['low'])} to {_score(entry['high'])}"
        rows.append(
            [
                entry["name"],
                entry["kind"],
                _score(entry["score"]),
                interval,
                mark,
                f"{entry['fit_s']:.2f}",
                f"{entry['predict_us_per_row']:.1f}",
                entry["note"] or _members(entry["members"]),
            ]
        )
    columns = ["name", "kind", metric, "95 % interval", "ties", "fit s", "µs/row", ""]
    print_table(columns, rows, title=f"Leaderboard of {result['run']} (out of fold)")
    told = in_words(result["diversity"]) if result.get("diversity") else ""  # older runs have none
    if told:
        out().print(f"Diversity: {told}")


def _members(names: Sequence[str]) -> str:
    counted = [f"{name} x {count}" if count > 1 else name for name, count in Counter(names).items()]
    shown = ", ".join(counted[:3]) + (", …" if len(counted) > 3 else "")
    return f"{len(names)} members: {shown}" if names else ""


def test_scores(found: Mapping[str, Any], rows: int) -> None:
    """Print the scores on the test rows."""
    scores(found, f"Test, {rows:,} rows that nothing was chosen by")


def warnings(found: Mapping[str, Any]) -> None:
    """Print what may be wrong with the rows, to stderr."""
    for warning in found.get("warnings", ()):
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201


def bad_rows(found: Mapping[str, Any]) -> None:
    """Name rows that could not be read, on stderr: the first of them, and how many there are."""
    for one in found["errors"]:
        place = f"{one['file']}, row" if "file" in one else "row"
        print(f"{place} {one['row']:,}: {one['error']}", file=sys.stderr)  # noqa: T201
    if found["bad_rows"]:
        listed = len(found["errors"])
        more = f", the first {listed:,} are named" if found["bad_rows"] > listed else ""
        print(f"{found['bad_rows']:,} rows could not be read{more}", file=sys.stderr)  # noqa: T201


def scores(scores: Mapping[str, Any], title: str) -> None:
    """Print every metric with its interval."""
    table = [
        [key, _score(entry["score"]), f"{_score(entry['low'])} to {_score(entry['high'])}"]
        for key, entry in scores.items()
    ]
    print_table(["metric", "score", "95 % interval"], table, title=title)


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}" if abs(value) < 100 else f"{value:.2f}"
