"""Data sets as they lie in a folder, and the experiment that is made of one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.spec.rendering import to_yaml

KIND = "tabular"
NEEDED = ("kind", "task", "target", "metric")


@dataclass(frozen=True)
class DataSet:
    """One folder: train.parquet, test.parquet, and meta.json that says what they are."""

    folder: Path
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that peers know it by too."""
        return str(self.meta.get("name", self.folder.name))

    @property
    def test(self) -> Path:
        """The rows that nothing is learned from."""
        return self.folder / "test.parquet"

    @property
    def unusable(self) -> str:
        """Why it cannot be run, in words; empty when it can."""
        lacking = [key for key in NEEDED if key not in self.meta]
        lacking += [file for file in ("train.parquet", "test.parquet") if not (self.folder / file).is_file()]
        return f"lacks {', '.join(lacking)}" if lacking else ""


def read_sets(data_dir: Path, only: list[str]) -> tuple[list[DataSet], list[str]]:
    """Return the tabular sets of a folder by name, and a word about each that is skipped."""
    found, skipped = [], []
    for meta_file in sorted(data_dir.glob("*/meta.json")):
        data = DataSet(meta_file.parent, json.loads(meta_file.read_text(encoding="utf-8")))
        if only and data.name not in only:
            continue
        if data.meta.get("kind", KIND) == KIND:
            found.append(data)
        else:
            skipped.append(f"{data.name}: skipped, its kind is {data.meta['kind']}")
    missing = set(only) - {data.name for data in found} - {word.partition(":")[0] for word in skipped}
    return found, skipped + [f"{name}: no such set in {data_dir}" for name in sorted(missing)]


def experiment_text(data: DataSet, budget_s: float, trials: int | None, preset: str | None, seed: int) -> str:
    """Return the experiment file: what the meta file says, the budget, and otherwise what `auto` chooses."""
    folder, meta = data.folder.absolute(), data.meta
    rows = {"train": str(folder / "train.parquet"), "test": str(folder / "test.parquet"), "label": meta["target"]}
    if meta.get("positive") is not None:
        rows["positive"] = str(meta["positive"])
    return to_yaml(
        {
            "experiment": re.sub(r"[^A-Za-z0-9_.-]+", "-", data.name).strip("-.") or "set",
            **({} if preset is None else {"preset": preset}),
            "seed": seed,
            "data": rows,
            "task": meta["task"],
            "metric": meta["metric"],
            "search": {"time_budget_s": budget_s, **({} if trials is None else {"trials": trials})},
            "register": {"promote": "never"},
        }
    )
