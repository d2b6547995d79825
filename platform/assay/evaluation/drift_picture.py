"""A picture of drift: each column then and now, those that drifted first, as one SVG that needs nothing else."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from assay.evaluation.drift import ColumnDrift, Drift
from assay.evaluation.observed import UNSEEN, Pair

MOST = 24  # columns in a picture
MOST_LEVELS = 12  # the most frequent
NUM_BINS, WIDE = 24, 4
THEN, NOW, ALARM = "#9aa5b1", "#1f6feb", "#c0392b"


def svg(drift: Drift, title: str) -> bytes:
    """Return the picture; the same bytes for the same comparison."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    shown = [column for column in (*drift.beside.values(), *drift.columns) if column.compared]
    shown = sorted(shown, key=lambda column: (not column.drifted, column.pair.name not in _beside(drift)))[:MOST]
    high = max(1, -(-len(shown) // WIDE))
    with mpl.rc_context({"svg.hashsalt": "assay", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(3.2 * WIDE, 2.4 * high + 0.6), layout="constrained")
        FigureCanvasSVG(figure)
        figure.suptitle(title)
        figure.supylabel("share of rows")
        axes = figure.subplots(high, WIDE, squeeze=False).ravel()
        for axis, column in zip(axes, shown, strict=False):
            _draw(axis, column)
        for axis in axes[len(shown) :]:
            axis.set_axis_off()
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        made = io.BytesIO()
        figure.savefig(made, format="svg", metadata={"Date": None, "Creator": None})
    return made.getvalue()


def _beside(drift: Drift) -> set[str]:
    return {column.pair.name for column in drift.beside.values()}


def _draw(axis: Any, column: ColumnDrift) -> None:
    pair = column.pair
    if pair.before.number_n is not None and pair.now.number_n is not None and len(pair.before.number_n):
        _numbers(axis, pair.before.number_n, pair.now.number_n)
    else:
        levels, before, now = _levels(pair)
        place_K = np.arange(len(levels))
        axis.bar(place_K - 0.2, before, 0.4, color=THEN, label="training")
        axis.bar(place_K + 0.2, now, 0.4, color=NOW, label="now")
        axis.set_xticks(place_K, [_short(level) for level in levels], rotation=60, ha="right")
    worst = min(column.findings, key=lambda finding: finding.adjusted_p)
    told = f"{worst.what.replace('_', '-')} {worst.distance:.2g}, p {worst.adjusted_p:.1g}"
    axis.set_title(f"{_short(pair.name, 28)}\n{told}", color=ALARM if column.drifted else "black")
    axis.set_yticks([])


def _numbers(axis: Any, before_n: np.ndarray, now_n: np.ndarray) -> None:
    both = [np.quantile(side_n, [0.01, 0.99]) for side_n in (before_n, now_n) if len(side_n)]
    low, high = min(ends[0] for ends in both), max(ends[1] for ends in both)
    edge_B = np.linspace(low, high if high > low else low + 1, NUM_BINS + 1)
    for side_n, colour, name in ((before_n, THEN, "training"), (now_n, NOW, "now")):
        count_B = np.histogram(np.clip(side_n, edge_B[0], edge_B[-1]), edge_B)[0]
        axis.stairs(count_B / max(len(side_n), 1), edge_B, fill=name == "training", color=colour, label=name)


def _levels(pair: Pair) -> tuple[list[str], list[float], list[float]]:
    """Return the most frequent levels, and the shares of the rows that they have then and now."""
    levels = sorted(pair.before.counts, key=lambda level: -pair.before.counts[level])[:MOST_LEVELS]
    then = max(sum(pair.before.counts.values()), 1)
    now = max(pair.now.num_present, 1)
    before_K = [pair.before.counts[level] / then for level in levels]
    now_K = [pair.now.counts.get(level, 0) / now for level in levels]
    if not pair.now.num_other:
        return levels, before_K, now_K
    return [*levels, UNSEEN], [*before_K, 0.0], [*now_K, pair.now.num_other / now]


def _short(text: str, most: int = 14) -> str:
    text = text.replace("$", r"\$")  # matplotlib reads formulas between dollars
    return text if len(text) <= most else text[: most - 1] + "…"
