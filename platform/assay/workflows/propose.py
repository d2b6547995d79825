"""Look at the head of the data without starting Ray: write an experiment file, or say what a file would do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import catalog
from assay.cells import MissingValues, missing_labels
from assay.engines import cluster, loading
from assay.engines.reading import Reading, needed_keys
from assay.errors import SpecFault, did_you_mean
from assay.notices import listening
from assay.parts import Json, Kind
from assay.profile import ColumnSummary, Profile
from assay.seeds import child
from assay.spec import Experiment, preset_names
from assay.spec.rendering import to_yaml
from assay.vocabulary import Shelf
from assay.workflows import choices
from assay.workflows.column_choices import KeyChoice, column_choices, words_as_classes
from assay.workflows.long_series import whole_series
from assay.workflows.networks import check_gpus
from assay.workflows.prepare import check_columns, divided, not_images
from assay.workflows.ready import check_parts, make_plan, make_ready, settled, slots
from assay.workflows.time_choices import time_choices

HEAD_ROWS = 20_000
SERIES_ROWS = 1_000_000  # of a forecast: fewer may hold no series whole


def head(paths: list[str], reading: Reading) -> pa.Table:
    """Return about the first HEAD_ROWS rows."""
    return loading.peek(paths, reading, HEAD_ROWS)


def profile_head(experiment: Experiment, table: pa.Table) -> Profile:
    """Profile the head as if it were the training rows."""
    summaries = _summaries(experiment, table)
    kind: Kind = catalog.make(Shelf.KINDS, choices.kind_of(experiment, table))
    missing, data = MissingValues.told_by(experiment), experiment.data
    return kind.profile(summaries, data.label, experiment.task, experiment.columns, data.positive, missing)


def initial(data: list[str], label: str, declared: str | None = None, preset: str = "balanced") -> tuple[str, str]:
    """Return a name and an experiment file for the data, as YAML with what was inferred.

    Raises:
        SpecFault: there is no such preset.
        DataFault: the data cannot be read or learned from.
    """
    if preset not in preset_names():
        raise SpecFault.at("preset", f"there is none named '{preset}'", did_you_mean(preset, preset_names()))
    train: Any = data[0] if len(data) == 1 else data
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data[0].rstrip("/")).name.split(".")[0]).strip("-.") or "experiment"
    plain: Json = {"experiment": name, "preset": preset, "seed": 0, "data": {"train": train, "label": label}}
    if declared is not None:
        plain["data"]["format"] = declared
    reasons = []
    if loading.source_key(data, declared) == "delimited":
        for key, value, reason in needed_keys(loading.files_of(data, declared)):
            plain["data"][key] = value
            reasons.append(f"data.{key}: {reason}")
    experiment = Experiment.model_validate(plain)
    table = head(data, Reading.of(experiment.data))
    check_columns(table, experiment)
    loading.check_image_paths(table, data, Reading.of(experiment.data), {label})
    of_time = time_choices(table, label) if choices.kind_of(experiment, table) == "tabular" else []
    reasons += _write_down(plain, of_time)
    if "forecast" in plain:
        plain |= {"metric": "mase", "split": {"test_fraction": 0.2}}
        return name, to_yaml(plain) + _reasons(reasons) + _warnings(Experiment.model_validate(plain))
    without = missing_labels(table.column(label), None)
    num_without = pc.sum(without).as_py() or 0
    if 0 < num_without < table.num_rows:
        plain["data"]["missing_label"] = "drop"
        reasons.append(f"data.missing_label: {num_without:,} of the first {table.num_rows:,} rows have no label")
        table = table.filter(pc.invert(without))
    experiment = Experiment.model_validate(plain)
    summaries = _summaries(experiment, table)
    reasons += _write_down(plain, column_choices(summaries, label))
    experiment = Experiment.model_validate(plain)
    profile = profile_head(experiment, table)
    task = profile.label.task
    plain |= {
        "task": task.value,
        "metric": choices.METRIC_OF[task],
        "split": {"test_fraction": 0.2},
    }
    words = words_as_classes(summaries[label], profile.label.classes)
    reasons += [f"label {label}: {words}; `data.missing_values` lists other words"] if words else []
    warned = _warnings(Experiment.model_validate(plain))
    return name, to_yaml(plain) + _reasons(reasons) + warned + _remarks(profile)


def _write_down(plain: Json, decisions: Iterable[KeyChoice]) -> list[str]:
    """Write decisions into the plain data of an experiment file, and return their reasons."""
    reasons = []
    for choice in decisions:
        reasons.append(f"{'.'.join(choice.path)}: {choice.reason}")
        place = plain
        for key in choice.path[:-1]:
            place = place.setdefault(key, {})
        place[choice.path[-1]] = choice.value
    return reasons


def _warnings(experiment: Experiment) -> str:
    """Return what a run of the file would warn of, as comments; its faults end `init`.

    Raises:
        AssayError: what a run would stumble over.
    """
    warned = planned(experiment)["warnings"]
    return "\n".join(["", "# Warnings:", *(f"#   {' '.join(text.split())}" for text in warned), ""]) if warned else ""


def _reasons(reasons: list[str]) -> str:
    """Return why keys were written, as comments."""
    return "\n".join(["", "# Why:", *(f"#   {reason}" for reason in reasons), ""]) if reasons else ""


def _summaries(experiment: Experiment, table: pa.Table) -> Mapping[str, ColumnSummary]:
    check_columns(table, experiment)
    kind: Kind = catalog.make(Shelf.KINDS, choices.kind_of(experiment, table))
    missing = MissingValues.told_by(experiment)
    return kind.summarise(table, np.arange(table.num_rows), child(experiment.seed, "profile"), missing)


def _remarks(profile: Profile) -> str:
    """Return what was inferred, as comments; to change one, write it under `columns`."""
    lines = [""]
    if profile.label.classes:
        counts = zip(profile.label.classes, profile.label.class_counts, strict=True)
        lines.append(f"# Classes in the first rows: {', '.join(f'{name} {count:,}' for name, count in counts)}.")
    lines.append("# What the columns look like in the first rows; write `columns: {NAME: {kind: …}}` to say otherwise.")
    for column in profile.columns:
        missing = f", {column.num_missing / column.num_rows:.1%} missing" if column.num_missing else ""
        missing += f"; {column.note}" if column.note else ""
        lines.append(
            f"#   {' '.join(column.name.split())}: "
            f"{'dropped, ' + column.dropped if column.dropped else column.kind.value + missing}"
        )
    return "\n".join([*lines, "# `assay render FILE` shows every setting with its default.", ""])


def planned(experiment: Experiment) -> Json:
    """Return what a run of the file would do, judged by the head of its data; starts nothing.

    The head goes through all that a run does with its rows before it writes anything.

    Raises:
        DataFault, SpecFault, ClusterFault: what a run would stumble over, as far as the head shows it.
    """
    if experiment.compute.gpus_per_fit and cluster.is_local(experiment.compute.address):
        check_gpus(experiment, cluster.gpus_of_this_machine(), lambda *_: None)
    num_cpus = experiment.compute.cpus or os.cpu_count() or 1
    warned: list[str] = []
    with listening(warned.append):
        table, num_skipped = _head_of(experiment.data.train, experiment)
        test = None if experiment.data.test is None else _head_of(experiment.data.test, experiment)[0]
        rows = divided(experiment, table, test, slots(experiment, num_cpus), num_skipped, here=True)
        experiment = settled(experiment, rows)
        if rows.kind == "tabular":
            plan = make_ready(experiment, rows, num_cpus).plan
        else:  # pictures and texts take long to turn into numbers; that their values can be read is checked already
            check_parts(experiment, rows.profile)
            plan = make_plan(experiment, rows, num_cpus)
    label, profile = rows.profile.label, rows.profile
    ensembles = choices.ensembles_for(experiment, label)
    return {
        "experiment": experiment.experiment,
        "rows_seen": table.num_rows,
        "train_rows": rows.train.num_rows,
        "test_rows": rows.test.num_rows,
        "task": label.task.value,
        "classes": dict(zip(label.classes, label.class_counts, strict=True)),
        "metric": choices.metric_key(experiment, label.task),
        "split": choices.split_key(experiment, bool(label.classes)),
        "folds": rows.folds.per_repeat,
        "repeats": len(rows.folds.fold_RN),
        "trials": experiment.search.trials,
        "fits": experiment.search.trials * rows.folds.num,
        "time_budget_s": experiment.search.time_budget_s,
        "algorithms": {
            candidate.key: {"settings_to_try_first": len(candidate.portfolio), "searched": list(candidate.space)}
            for candidate in plan.candidates
        },
        "ensembles": [spec.model_dump(exclude_defaults=True) for spec in ensembles],
        "columns": {column.name: column.kind.value for column in profile.used},
        "dropped": {column.name: column.dropped for column in profile.columns if column.dropped},
        "warnings": warned,
    }


def _head_of(paths: str | list[str], experiment: Experiment) -> tuple[pa.Table, int]:
    listed = [paths] if isinstance(paths, str) else paths
    most = HEAD_ROWS if experiment.forecast is None else SERIES_ROWS
    table = loading.peek(listed, Reading.of(experiment.data), most)
    loading.check_image_paths(table, listed, Reading.of(experiment.data), not_images(experiment))
    return whole_series(table, experiment)
