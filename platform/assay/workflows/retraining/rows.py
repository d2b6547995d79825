"""The rows of a retraining: all of the champion's run, and the new ones, read and divided; what is found is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from assay.errors import DataFault
from assay.model import Model
from assay.parts import Json
from assay.spec import Experiment
from assay.store.retrainings import GATHERED, RUN, Retraining
from assay.store.runs import Run
from assay.workflows.kept_rows import digest_of
from assay.workflows.prepare import read_rows
from assay.workflows.retraining.division import Gathered, classes_of, gather, of_classes
from assay.workflows.retraining.given import Given
from assay.workflows.windows import Window


def old_rows(kept: Run, experiment: Experiment, num_slots: int) -> pa.Table:
    """Return all rows of the run that made the champion, those of its test too, in their order.

    Raises:
        DataFault: they changed since.
    """
    rows = read_rows(experiment, num_slots)
    if digest_of(rows.train) != kept.read_json("rows.json")["train"]:
        raise DataFault.at(
            f"rows of run '{kept.id}'",
            "changed since the champion learned from them, so which rows are new to it cannot be told",
            "bring the old file back, and keep new rows in files of their own",
        )
    whole = pa.concat_tables([rows.train, rows.test], promote_options="permissive")
    if experiment.data.test is not None:
        return whole
    row_N = np.concatenate([rows.train_row_N, rows.test_row_N])
    return whole.take(pa.array(np.argsort(row_N)))


def divided(
    old: pa.Table, given: Given, experiment: Experiment, model: Model, window: str | None, earlier: Json | None
) -> Gathered:
    """Divide old rows and those given; rows that judge have classes that the champion and those who teach know.

    Rows of a log that the challenger before, `earlier`, was given may teach, and do not judge a second time.

    Raises:
        SpecFault: the window is none.
        DataFault: the new rows lack columns, or hold other types.
    """
    found = gather(
        old,
        given.table,
        experiment.data,
        experiment.retrain,
        [column.name for column in model.profile.used],
        None if window is None else Window.parse(window),
        given.time,
        given.num_after(earlier) if given.time else None,
    )
    found = replace(found, notes=(*given.notes, *found.notes))
    if not model.classes:
        return found
    label = experiment.data.label
    known = classes_of(found.train, label) & set(model.classes)
    held = of_classes(found.held, label, sorted(known))
    if held.num_rows == found.held.num_rows:
        return found
    note = f"{found.held.num_rows - held.num_rows:,} of the newest rows have a class that one of both does not know"
    return replace(found, held=held, notes=(*found.notes, note))


def earlier_of(retrainings: Sequence[Retraining], source: str, came_to: str = GATHERED) -> Json | None:
    """Return what the last retraining on rows of this source was given, of those that came so far; None without one."""
    come = [one for one in retrainings if one.read(came_to) is not None]
    found = [gathered for one in come if (gathered := one.read(GATHERED)) and gathered["source"] == source]
    return found[-1] if found else None


def judged_before(retrainings: Sequence[Retraining], source: str) -> Json | None:
    """Return what the last retraining that fits, or fitted, a challenger was given: its newest rows judge that.

    Of one that had too few rows nothing was judged, so those may judge together with the next ones.
    """
    return earlier_of(retrainings, source, RUN)
