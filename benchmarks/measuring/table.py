"""One table and a few lines, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from measuring.peers import DEFAULTS, OURS, STRONG, systems_of

Row = dict[str, Any]
LEGEND = """\
After a peer's value: we win +, tie = or lose -; first as measured, then with a tie within one standard error of ours.
norm: 0 the best system of the set, 1 the worst. model s: from the start of the process to the finished model; end s: to
its end. vs member: the ensemble on the test rows against its best member there, then the log loss; + better, = not, but
within the ensemble's interval, - worse."""


def printed(rows: Sequence[Row], summed: Row, budget_s: float) -> str:
    """Return the table, its legend and the summary."""
    systems = systems_of(rows)
    head = ["set", "metric", "ours", "95 % interval", *systems, "norm", "model s", "end s", "peak MB", "model MB",
            "1 row ms", "rows/s", "vs member", "winner"]  # fmt: skip
    cells = [head, *(_cells(row, systems, len(head)) for row in rows)]
    widths = [max(len(line[place]) for line in cells if len(line) > place) for place in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip() for line in cells]
    lines += [f"{row['set']}: failed: {row['failed']}" for row in rows if row["failed"]]
    return "\n".join([*lines, "", LEGEND, "", *_said(summed, budget_s)])


def _cells(row: Row, systems: Sequence[str], num_cells: int) -> list[str]:
    if row["failed"]:
        return [row["set"], row["metric"], "failed", *[""] * (num_cells - 3)]
    ours = row["ours"]
    peers = [
        f"{number(found['value'])} {found['raw']}{found['within_se']}" if (found := row["peers"].get(name)) else ""
        for name in systems
    ]
    return [
        row["set"], row["metric"], number(ours["score"]), f"{number(ours['low'])} to {number(ours['high'])}", *peers,
        f"{row['normalised_loss'][OURS]:.2f}" if peers else "", f"{row['finalized_s']:.1f}", f"{row['wall_s']:.1f}",
        f"{row['peak_mb']:.0f}", f"{row['model_mb']:.2f}", f"{row['predict_1row_ms']:.2f}",
        f"{row['predict_rows_per_s']:,.0f}", _against_member(row["members"]), row["winner"],
    ]  # fmt: skip


def _against_member(found: Row | None) -> str:
    if found is None:
        return "one member"
    said = "+" if found["at_least_best_member"] else "=" if found["within_interval"] else "-"
    not_worse = found["log_loss_not_worse"]
    return said if not_worse is None else f"{said} {'+' if not_worse else '-'}"


def number(value: float) -> str:
    """Return a score with five digits that matter.

    Example:
        >>> number(0.8123456), number(536.1172), number(12345.6)
        ('0.81235', '536.12', '12346')
    """
    return f"{value:.5f}" if abs(value) < 10 else f"{value:.2f}" if abs(value) < 10_000 else f"{value:.0f}"


def _said(summed: Row, budget_s: float) -> list[str]:
    done = summed["sets"] - summed["failed"]
    lines = [f"{done} of {summed['sets']} sets ran."]
    for name, record in summed["against"].items():
        words = [
            f"{way} {found['wins']} won, {found['ties']} tied, {found['losses']} lost: {found['win_rate']:.0%}"
            for way, found in (("as measured", record["raw"]), ("within one standard error", record["within_se"]))
        ]
        lines.append(f"Against {name}: {'; '.join(words)}.")
    if summed["against"]:
        means = sorted(summed["normalised_loss"].items(), key=lambda pair: pair[1]["mean"])
        told = ", ".join(f"{name} {found['mean']:.3f} ({found['sets']} sets)" for name, found in means)
        lines.append(f"Mean normalised loss: {told}.")
        strong = summed["where_strong_beats_defaults"]
        lines.append(
            f"Where {STRONG} beats {DEFAULTS} ({len(strong['sets'])} sets), we beat {DEFAULTS} on {len(strong['won'])}."
        )
    if done:
        lines.append(
            f"The model was there within 5 s of the {budget_s:g} s budget on {summed['budget_kept']} of {done} sets; "
            f"latest {summed['largest_overrun_s']:+.1f} s."
        )
    joined = summed["ensembles"]
    if joined["sets"]:
        lines.append(
            f"An ensemble won {joined['sets']} sets. On test it is at least its best member on "
            f"{joined['at_least_best_member']}, within its interval on {joined['within_interval']}, not significantly "
            f"worse (paired) on {joined['not_significantly_worse']}; its log loss is not worse on "
            f"{joined['log_loss_not_worse']} of {joined['classification_sets']}."
        )
        lines.append(
            f"Against the member that was best out of fold it is at least as good on "
            f"{joined['at_least_trusted_member']}; its log loss is not worse on {joined['trusted_log_loss_not_worse']} "
            f"of {joined['classification_sets']}."
        )
    return lines
