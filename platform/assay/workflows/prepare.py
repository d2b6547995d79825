"""From an experiment to what the search needs: rows read, divided, profiled, and turned into batches once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay import catalog
from assay.batch import ROUGH, Batch, Pending
from assay.cells import MissingValues, missing_labels, stored, type_word
from assay.engines import loading, objects
from assay.engines.folds import Folds
from assay.engines.reading import Reading
from assay.errors import DataFault, Fault, did_you_mean, raise_all
from assay.forecasting.clock import time_ranks
from assay.kinds._label import infer_task, without_missing
from assay.parts import Kind, Split
from assay.profile import Profile
from assay.recipe import Recipe, StepState, learn_steps
from assay.seeds import child
from assay.spec import ColumnSpec, Experiment, PartSpec
from assay.vocabulary import ColumnKind, Shelf, Task
from assay.workflows.choices import kind_of, split_key
from assay.workflows.dividing import folds_of, tell_of_empty_test
from assay.workflows.forecasts import Frames, frame
from assay.workflows.imbalance import weighted
from assay.workflows.long_series import whole_series
from assay.workflows.wordless import with_words

ROUNDING = 4.0  # of the last bit, that sums of equal numbers may differ by
REHEARSAL_ROWS = 256  # enough for every step to say which columns it makes


@dataclass(frozen=True)
class Rows:
    """The rows of an experiment, divided: training rows in memory, test rows kept apart until the end."""

    train: pa.Table
    test: pa.Table
    train_row_N: np.ndarray  # ids in file order
    test_row_N: np.ndarray
    train_ref: Any  # the training table in the object store; None where no cluster is asked
    folds: Folds
    profile: Profile
    kind: str
    frames: Frames | None = None  # of a forecast: what made the rows, and what turns numbers back
    num_skipped: int = 0  # rows left out since their images are broken, or their texts empty


@dataclass(frozen=True)
class Prepared:
    """The recipes of a run, and references to the training rows as each recipe makes them."""

    recipes: Mapping[str, Recipe]
    refs: Mapping[str, Any]


def read_rows(experiment: Experiment, num_slots: int, memory: Mapping[str, Any] | None = None) -> Rows:
    """Read, divide and profile the rows of an experiment, of which `num_slots` fits will run at once.

    `memory` gives `train` (and `test`) as DataFrames, Arrow tables or Ray Datasets instead of files.

    Raises:
        DataFault: the data cannot be read, or cannot be learned from.
    """
    memory = memory or {}
    table, num_skipped = _table(memory.get("train"), experiment.data.train, experiment)
    given = memory.get("test") is not None or experiment.data.test is not None
    test = None
    if given:
        test, num_more = _table(memory.get("test"), experiment.data.test or "", experiment)
        num_skipped += num_more
    objects.check_room(table.nbytes, experiment.compute.memory_fraction)
    return divided(experiment, table, test, num_slots, num_skipped)


def divided(
    experiment: Experiment,
    table: pa.Table,
    test: pa.Table | None,
    num_slots: int,
    num_skipped: int = 0,
    *,
    here: bool = False,
) -> Rows:
    """Divide and profile rows: what a run does with all of them on the cluster, and `assay plan` with the first `here`.

    Raises:
        DataFault: the rows cannot be learned from.
    """
    table, num_wordless = with_words(table, experiment, "training rows")
    num_skipped += num_wordless
    table = labelled(table, experiment)
    frames = None
    if experiment.forecast is not None:
        frames = frame(experiment, table, None if test is None else labelled(test, experiment))
        table, test = frames.train.table, frames.test.table
    experiment = experiment.model_copy(update={"kind": kind_of(experiment, table)})
    if test is not None:
        test, num_wordless = with_words(test, experiment, "test rows")
        num_skipped += num_wordless
    row_N = np.arange(table.num_rows)
    key = split_key(experiment, looks_like_classes(table, experiment))
    reach = {} if experiment.forecast is None else {"horizon": experiment.forecast.horizon}
    split: Split = catalog.make(Shelf.SPLITS, key, reach)
    test_mask_N = np.zeros(len(row_N), bool)
    guide_N = _guide(table, split, experiment) if frames is None else frames.train.origin_N
    if test is None:
        seed = child(experiment.seed, "test")
        test_mask_N = split.test_rows(row_N, guide_N, experiment.split.test_fraction, seed)
        tell_of_empty_test(test_mask_N, experiment)
        test = table.filter(pa.array(test_mask_N))
    elif frames is None:
        test = labelled(test, experiment)
    train = table.filter(pa.array(~test_mask_N)).combine_chunks()
    train_row_N = row_N[~test_mask_N]
    train_ref = None if here else objects.put(train)
    profile = profile_rows(experiment, train if here else train_ref, train_row_N)
    fold_guide_N = None if guide_N is None else guide_N[~test_mask_N]
    filled_N = None if frames is None else frames.train.filled_N
    folds = folds_of(experiment, profile, split, train, train_row_N, fold_guide_N, num_slots, filled_N)
    test_row_N = row_N[test_mask_N] if test_mask_N.any() else np.arange(test.num_rows)
    _check_test(test, test_row_N, profile, experiment)
    kind = experiment.kind or "tabular"
    return Rows(train, test, train_row_N, test_row_N, train_ref, folds, profile, kind, frames, num_skipped)


def _check_test(test: pa.Table, row_N: np.ndarray, profile: Profile, experiment: Experiment) -> None:
    """Check that the test rows can be read as the training rows were, hours before they are opened."""
    try:
        catalog.make(Shelf.KINDS, experiment.kind or "tabular").to_batch(test, profile, row_N)
    except DataFault as error:
        raise DataFault(*(replace(fault, place=f"test rows, {fault.place}") for fault in error.faults)) from None


def _table(given: Any, paths: str | list[str], experiment: Experiment) -> tuple[pa.Table, int]:
    if given is not None:
        return whole_series(loading.from_memory(given), experiment)
    listed = [paths] if isinstance(paths, str) else paths
    table, num_skipped = loading.load_whole(listed, Reading.of(experiment.data))
    loading.check_image_paths(table, listed, Reading.of(experiment.data), not_images(experiment))
    table, num_more = whole_series(table, experiment)
    return table, num_skipped + num_more


def not_images(experiment: Experiment) -> set[str]:
    """Return the columns that no image is read from, whatever they hold."""
    said = {name for name, told in experiment.columns.items() if told.drop or told.kind not in (None, ColumnKind.IMAGE)}
    return said | {experiment.data.label}


def labelled(table: pa.Table, experiment: Experiment) -> pa.Table:
    """Return the rows that have a label; all of them where a forecast has values that lack filled in.

    Raises:
        DataFault: a column with a role is not there, or rows have no label and the file does not say to drop them.
    """
    check_columns(table, experiment)
    label = experiment.data.label
    if stored(table.column(label)).type == "other":
        found = f"holds {type_word(table.column(label).type)}, expected classes or numbers"
        raise DataFault.at(f"label '{label}'", found, "choose another label, or turn it into text or numbers")
    forecast = experiment.forecast
    if forecast is not None and forecast.gaps != "error":
        return table
    regression = True if forecast else None if experiment.task is None else experiment.task is Task.REGRESSION
    missing = missing_labels(table.column(label), regression, MissingValues.told_by(experiment).rules(label))
    count = pc.sum(missing).as_py() or 0
    if count == 0:
        return table
    if count == table.num_rows:
        raise DataFault.at(f"label '{label}'", "every row is missing", "choose another label")
    if experiment.data.missing_label == "error":
        first = int(np.flatnonzero(np.asarray(missing))[0])
        word = _shown(table.column(label)[first])
        raise DataFault.at(
            f"label '{label}'",
            f"{count:,} of {table.num_rows:,} rows are missing (first: {word}row {first})",
            "fill them in, or write `data: {missing_label: drop}`"
            if forecast is None
            else "fill them in, or have them filled in: `forecast: {gaps: zero}` or `last`",
        )
    return table.filter(pc.invert(missing))


def _shown(value: pa.Scalar) -> str:
    """Return a word that was read as missing, for a message; nothing for an empty cell."""
    text = value.as_py()
    return f"{text!r} in " if isinstance(text, str) and text.strip() else ""


def check_columns(table: pa.Table, experiment: Experiment) -> None:
    """Check that the columns with a role are there, and that no two columns share a name.

    Raises:
        DataFault: naming every one that is not.
    """
    data, names = experiment.data, table.column_names
    roles = (("label", data.label), ("group", data.group), ("time", data.time))
    faults = [
        Fault(f"data.{word}", f"no column is named '{name}'", did_you_mean(name, names))
        for word, name in roles
        if name is not None and name not in names
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults += [Fault(f"column '{name}'", "is there twice", "give every column a name of its own") for name in twice]
    raise_all(DataFault, faults)


def looks_like_classes(table: pa.Table, experiment: Experiment) -> bool:
    """Whether the label holds classes, so that folds should hold them in proportion: as the profile will tell them."""
    if experiment.task is not None:
        return experiment.task is not Task.REGRESSION
    if experiment.forecast is not None:
        return False
    label, missing = experiment.data.label, MissingValues.told_by(experiment)
    part: Kind = catalog.make(Shelf.KINDS, "tabular")
    summary = part.summarise(table.select([label]), np.arange(table.num_rows), experiment.seed, missing)[label]
    return infer_task(without_missing(summary, None, missing.rules(label))).is_classification


def _guide(table: pa.Table, split: Split, experiment: Experiment) -> np.ndarray | None:
    """Return what a split looks at, as sortable numbers."""
    if not split.needs:
        return None
    name = {"label": experiment.data.label, "group": experiment.data.group, "time": experiment.data.time}[split.needs]
    assert name is not None, "checking.py asks for the column"
    column = table.column(name).combine_chunks()
    if split.needs == "time":
        return time_ranks(column, f"column '{name}'")
    codes: np.ndarray = pc.fill_null(pc.dictionary_encode(column).indices, -1).to_numpy(zero_copy_only=False)
    return codes


def profile_rows(experiment: Experiment, rows: Any, row_N: np.ndarray) -> Profile:
    """Profile training rows: a table here, a reference to one in one parallel pass."""
    kind = experiment.kind or "tabular"
    missing, seed = MissingValues.told_by(experiment), child(experiment.seed, "profile")
    if isinstance(rows, pa.Table):
        summaries = catalog.make(Shelf.KINDS, kind).summarise(rows, row_N, seed, missing)
    else:
        summaries = loading.summarise(kind, rows, len(row_N), row_N, seed, missing)
    declared = dict(experiment.columns)
    if experiment.forecast is not None:  # columns of the file that a forecast does not read are not in its rows
        declared = {name: told for name, told in declared.items() if name in experiment.forecast.known}
    if experiment.data.group is not None:  # which group a row belongs to says nothing about rows of new groups
        declared[experiment.data.group] = ColumnSpec(drop=True)
    part: Kind = catalog.make(Shelf.KINDS, kind)
    data = experiment.data
    return part.profile(summaries, data.label, experiment.task, declared, data.positive, missing)


def recipe_for(wants: str, experiment: Experiment) -> str:
    """Return the name of the recipe that feeds algorithms which want this.

    Steps of the file's own feed all of them alike in tables; with other kinds each family's usual steps follow them.
    """
    return wants if experiment.steps == "auto" or experiment.kind not in (None, "tabular") else "steps"


def make_batches(
    experiment: Experiment, rows: Rows, wanted: Sequence[str]
) -> tuple[dict[str, Recipe], dict[str, Batch]]:
    """Learn each recipe on the training rows and apply it, once for all trials."""
    kind: Kind = catalog.make(Shelf.KINDS, experiment.kind or "tabular")
    raw = kind.to_batch(rows.train, rows.profile, rows.train_row_N)
    raw = weighted(raw, experiment, rows.profile.label)
    recipes, batches = {}, {}
    for wants in wanted:
        name = recipe_for(wants, experiment)
        if name in recipes:
            continue
        steps = _steps(experiment, kind, wants)
        seed = child(experiment.seed, "steps")
        recipes[name], batches[name] = learn_recipe(steps, raw, seed, rough=wants == "raw")
        made_bytes = sum(array.nbytes for batch in batches.values() for array in batch.columns.values())
        if rows.train_ref is not None:  # on the cluster
            objects.check_room(rows.train.nbytes + made_bytes, experiment.compute.memory_fraction)
    return recipes, batches


def _steps(experiment: Experiment, kind: Kind, wants: str) -> list[PartSpec]:
    usual = [PartSpec(name=key) for key in kind.default_steps(wants)]
    if experiment.steps == "auto":
        return usual
    return list(experiment.steps) + (usual if recipe_for(wants, experiment) != "steps" else [])


def learn_recipe(specs: Sequence[PartSpec], batch: Batch, seed: int, *, rough: bool = False) -> tuple[Recipe, Batch]:
    """Learn steps in order and apply them; the first that looks at the label, and all after it, are left to the fits.

    Steps that find no column to change are left out. `rough` says that algorithms read images, series and texts.

    Raises:
        DataFault: columns are left that no algorithm can read, or none that tells rows apart.
    """
    learned: list[StepState] = []
    for place, spec in enumerate(specs):
        step = StepState(spec.name, spec.params, None)
        if step.part.looks_at_label and step.part.columns(batch):
            learned += [StepState(late.name, late.params, None) for late in specs[place:]]
            break
        found, batch = learn_steps([Pending(spec.name, spec.params)], batch, child(seed, place))
        learned += found
    recipe = Recipe(tuple(learned))
    if rough:
        return recipe, recipe.packed(batch)
    _check_rough(recipe, batch, seed)
    packed = recipe.packed(batch)
    if not packed.pending and _all_alike(packed.matrix()):
        raise DataFault.at(
            "columns",
            f"hold no feature that differs between the {len(batch):,} training rows",
            "see whether the rows are what they should be, or write `steps` that keep more of them",
        )
    return recipe, packed


def _all_alike(x_NF: np.ndarray) -> bool:
    """Whether no feature differs between rows by more than rounding; a few rows tell it, or else all of them."""
    for every in (max(1, len(x_NF) // REHEARSAL_ROWS), 1):
        x_nF = np.nan_to_num(x_NF[::every], nan=np.inf)
        low_F, high_F = x_nF.min(axis=0, initial=np.inf), x_nF.max(axis=0, initial=-np.inf)
        if (high_F > low_F + ROUNDING * np.finfo(x_nF.dtype).eps * np.abs(low_F)).any():
            return False
    return True


def _check_rough(recipe: Recipe, batch: Batch, seed: int) -> None:
    waiting = [Pending(step.key, step.params) for step in recipe.steps if step.state is None]
    if waiting:  # what they leave is seen on a few rows; a fit would find it out too late
        _, batch = learn_steps(waiting, batch.take(np.arange(min(len(batch), REHEARSAL_ROWS))), seed)
    rough = batch.names(*ROUGH)
    if rough:
        raise DataFault.at(
            "steps",
            f"leave columns that are not numbers: {', '.join(rough)}",
            "add `datetime_parts` or `tfidf_text`, or drop the columns",
        )
