"""Progress of a run for people, on stderr: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from assay.workflows.settle import words


def talk() -> Console:
    """Return the console for talk; wide where it is not a terminal, so that no line is cut."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else 160, highlight=False)


class Progress:
    """Says what a run is doing: one live line on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet, self.console, self.started = quiet, talk(), time.monotonic()
        self.live = self.console.is_terminal and "NO_COLOR" not in os.environ and not quiet
        self.status = self.console.status("starting") if self.live else None
        self.run, self.num_trials, self.num_folds, self.folds_done = "", 0, 0, 0

    def __enter__(self) -> Progress:
        if self.status:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def __call__(self, type: str, data: Mapping[str, Any]) -> None:
        """Take in one thing that happened; `type` names it."""
        line = getattr(self, f"_{type}", lambda _: "")(data)
        if self.quiet or not line:
            return
        if self.status and type in ("fold", "epoch", "connecting", "reading"):
            self.status.update(line)
        elif type not in ("fold", "epoch"):
            self.console.print(f"[dim]{time.monotonic() - self.started:6.1f} s[/dim]  {line}", soft_wrap=True)

    def _waiting(self, data: Mapping[str, Any]) -> str:
        return str(data["for"])

    def _connecting(self, data: Mapping[str, Any]) -> str:
        return "starting Ray on this machine" if data["address"] == "local" else f"joining Ray at {data['address']}"

    def _reading(self, data: Mapping[str, Any]) -> str:
        return f"reading {data['data']}"

    def _retraining(self, data: Mapping[str, Any]) -> str:
        return f"retraining {data['model']}, submission {data['submission']}"

    def _judging(self, data: Mapping[str, Any]) -> str:
        return f"judging beside {data['champion']}, on rows that neither saw"

    def _profiled(self, data: Mapping[str, Any]) -> str:
        dropped = "".join(f"\n          column '{name}' is not used: {why}" for name, why in data["dropped"].items())
        noted = "".join(f"\n          column '{name}': {note}" for name, note in data.get("notes", {}).items())
        if num_skipped := data.get("skipped_rows", 0):
            noted += f"\n          {num_skipped:,} rows are left out: their images are broken, or their texts empty"
        return (
            f"{data['train_rows']:,} training rows, {data['test_rows']:,} test rows, {len(data['columns'])} columns; "
            f"{data['task']} on '{data['label']}'{_counts(data['classes'])}{dropped}{noted}"
        )

    def _searching(self, data: Mapping[str, Any]) -> str:
        self.run, self.num_trials, self.num_folds = data["run"], data["trials"], data["folds"]
        budget = f", {data['time_budget_s']:g} s at most" if data["time_budget_s"] else ""
        return (
            f"run {data['run']}: {data['trials']} trials x {data['folds']} folds on {data['cpus']} CPUs{budget}, over "
            + ", ".join(data["algorithms"])
        )

    def _fold(self, data: Mapping[str, Any]) -> str:
        self.folds_done += 1
        score = "one class, no score" if data["score"] is None else f"{data['score']:.5f}"
        return f"{self.folds_done} folds of at most {self.num_trials * self.num_folds}; {data['name']} {score}"

    def _epoch(self, data: Mapping[str, Any]) -> str:
        judged = f", {data['judged_loss']:.4f} on the judging rows" if data.get("judged_loss") is not None else ""
        return f"{data['name']}, fold {data['fold'] + 1}, epoch {data['epoch']:.0f}: loss {data['loss']:.4f}{judged}"

    def _trial(self, data: Mapping[str, Any]) -> str:
        score = "" if data["score"] is None else f" {data['score']:.5f}"
        how = {
            "complete": "",
            "stopped": f"  (stopped after {data['folds']} of {self.num_folds} folds)",
            "failed": f"  (failed: {data['reason']})",
        }.get(data["ended"], "")
        return f"trial {data['trial'] + 1:>3}/{self.num_trials}  {data['name']:<28}{score}{how}"

    def _searched(self, data: Mapping[str, Any]) -> str:
        late = data["ended"].get("skipped", 0) + data["ended"].get("cut", 0)
        return f"{late} trials were left out, the time would not have sufficed" if late else ""

    def _ensemble(self, data: Mapping[str, Any]) -> str:
        said = f"failed: {data['failed']}" if "failed" in data else f"{data['score']:.5f}"
        return f"ensemble       {data['name']:<28} {said}"

    def _refit(self, data: Mapping[str, Any]) -> str:
        count = len(data["members"])
        how = "fitting {} on all training rows" if data["fit"] == "all_rows" else "taking up the folds' models of {}"
        return how.format(f"{count} member{'s' * (count > 1)}") + f": {', '.join(data['members'])}"

    def _settled(self, data: Mapping[str, Any]) -> str:
        return "\n          ".join(words(data, data["metric"]))

    def _packed(self, data: Mapping[str, Any]) -> str:
        return "packed; a fresh process predicts the same"

    def _registered(self, data: Mapping[str, Any]) -> str:
        return f"registered as {data['model']}, {data['as']}"

    def _tracking_failed(self, data: Mapping[str, Any]) -> str:
        return f"not registered: {data['reason']}\n          next: {data['next']}"


def _counts(classes: Mapping[str, int]) -> str:
    """Return the classes with their rows, the commonest first where there are many.

    Example:
        >>> _counts({"cat": 60, "dog": 40})
        ': cat 60, dog 40'
    """
    named = list(classes.items())
    if len(named) > MOST_CLASSES:
        named.sort(key=lambda pair: -pair[1])
    shown = ", ".join(f"{name[:LONGEST_NAME]} {count:,}" for name, count in named[:MOST_CLASSES])
    more = f" and {len(named) - MOST_CLASSES} more" if len(named) > MOST_CLASSES else ""
    return f": {shown}{more}" if named else ""


MOST_CLASSES, LONGEST_NAME = 10, 40
