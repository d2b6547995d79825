"""Steps that look at the label: learned inside each fit, blind to a row's own label, kept with the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.batch import Batch
from assay.engines.trial import algorithm_of, fit_capped, fit_fold
from assay.model import Member, Model
from assay.profile import Profile
from assay.recipe import Recipe, WithSteps
from assay.spec import PartSpec
from assay.vocabulary import Shelf
from assay.workflows.prepare import learn_recipe

NUM_ROWS, NUM_TOWNS = 1_200, 150
every_step = pytest.mark.parametrize("key", catalog.keys(Shelf.STEPS))
SMALL = {"num_trees": 60, "num_leaves": 8, "early_stopping_rounds": 0}


def table(signal: float) -> pa.Table:
    """Return rows of every kind of column; `signal` is how much the town says about the label."""
    draw = np.random.default_rng(4)
    town_N = draw.integers(0, NUM_TOWNS, NUM_ROWS)
    logit_N = signal * draw.normal(size=NUM_TOWNS)[town_N]
    return pa.table(
        {
            "size": np.exp(draw.normal(0, 2, NUM_ROWS)),
            "town": [f"old {'abcdefgh'[town % 8] * 3} place {town}" for town in town_N],
            "sold": pa.array(draw.integers(10**15, 10**15 + 10**14, NUM_ROWS), pa.timestamp("us")),
            "note": [
                f"it is {' '.join(draw.choice(['good', 'bad', 'old', 'new'], 3))} {row}" for row in range(NUM_ROWS)
            ],
            "left": np.where(draw.random(NUM_ROWS) < 1 / (1 + np.exp(-logit_N)), "yes", "no"),
        }
    )


def batch_of(rows: pa.Table) -> tuple[Profile, Batch]:
    kind = catalog.make(Shelf.KINDS, "tabular")
    row_N = np.arange(rows.num_rows)
    profile = kind.profile(kind.summarise(rows, row_N, 0), "left", None, {}, None)
    return profile, kind.to_batch(rows, profile, row_N)


def fed(key: str, signal: float, flipped_N: np.ndarray | bool = False) -> Batch:
    """Return the training rows behind one step and what makes its columns numbers; some labels may be turned round."""
    _, batch = batch_of(table(signal))
    batch = replace(batch, y_N=np.where(flipped_N, 1 - batch.label_N, batch.label_N))
    steps = [key, *(name for name in ("datetime_parts", "hashed_text", "ordinal") if name != key)]
    return learn_recipe([PartSpec(name=name) for name in steps], batch, seed=0)[1]


def judged(batch: Batch) -> np.ndarray:
    """Return out-of-fold prediction_NK of boosted trees."""
    prediction_NK = np.zeros((len(batch), 2))
    for fold in range(3):
        held_N = batch.row_N % 3 == fold
        metric, algorithm = catalog.make(Shelf.METRICS, "roc_auc"), algorithm_of("lightgbm", SMALL)
        prediction_NK[held_N] = fit_fold(algorithm, batch, ~held_N, held_N, fold, fold, 1, metric)[1]
    return prediction_NK


def model_on(rows: pa.Table, wants: str, algorithm: str) -> tuple[Model, np.ndarray]:
    """Return a model with the default steps, and what it predicted for its rows before it was packed."""
    profile, batch = batch_of(rows)
    steps = [PartSpec(name=key) for key in catalog.make(Shelf.KINDS, "tabular").default_steps(wants)]
    recipe, fed_batch = learn_recipe(steps, batch, seed=0)
    fitted, _ = fit_capped(algorithm_of(algorithm, {}), fed_batch, seed=0, threads=1)
    return Model("tabular", profile, {wants: recipe}, (Member(algorithm, algorithm, {}, wants, fitted),)), (
        fitted.predict(fed_batch)
    )


@every_step
def test_labels_that_are_chance_are_predicted_like_chance(key: str) -> None:
    batch = fed(key, signal=0.0)
    score = catalog.make(Shelf.METRICS, "roc_auc").score(batch.label_N, judged(batch))
    positive = int(batch.label_N.sum())
    deviation = np.sqrt((len(batch) + 1) / (12 * positive * (len(batch) - positive)))
    assert abs(score - 0.5) < 3 * deviation


@every_step
def test_labels_of_held_out_rows_change_no_prediction(key: str) -> None:
    held_N = np.arange(NUM_ROWS) % 3 == 0
    known, turned = fed(key, signal=2.0), fed(key, signal=2.0, flipped_N=held_N)
    np.testing.assert_array_equal(judged(known)[held_N], judged(turned)[held_N])


def test_target_means_lift_the_score_where_levels_matter() -> None:
    metric = catalog.make(Shelf.METRICS, "roc_auc")
    plain, helped = fed("ordinal", signal=2.0), fed("target_mean", signal=2.0)
    assert metric.score(helped.label_N, judged(helped)) > metric.score(plain.label_N, judged(plain)) + 0.05


def test_a_training_row_is_not_encoded_by_its_own_label() -> None:
    _, batch = batch_of(table(signal=2.0))
    code_N = batch.columns["town"].copy()
    code_N[0] = NUM_TOWNS - 1
    alone = batch.with_columns({"town": np.where(code_N == NUM_TOWNS - 1, -1, code_N).astype(np.int32)}, {})
    alone.columns["town"][0] = NUM_TOWNS - 1
    step = catalog.make(Shelf.STEPS, "target_mean")
    state, learned = step.learn(alone, seed=0)
    assert step.apply(state, alone).columns["town mean"][0] != 0
    assert learned.columns["town mean"][0] == 0


def test_copies_of_a_row_do_not_tell_each_other_their_label() -> None:
    _, batch = batch_of(table(signal=2.0))
    code_N = np.where(batch.columns["town"] == 0, 1, batch.columns["town"]).astype(np.int32)
    code_N[0] = 0
    drawn_n = np.array([*range(NUM_ROWS), 0, 0, 0])
    _, learned = catalog.make(Shelf.STEPS, "target_mean").learn(
        batch.with_columns({"town": code_N}, {}).take(drawn_n), seed=0
    )
    assert learned.columns["town mean"][drawn_n == 0].tolist() == [0.0] * 4


def test_without_a_step_that_looks_at_the_label_the_matrix_is_not_copied() -> None:
    rows = table(signal=2.0).drop_columns(["town"])
    _, batch = learn_recipe([PartSpec(name="datetime_parts"), PartSpec(name="tfidf_text")], batch_of(rows)[1], seed=0)
    assert batch.pending == ()
    assert np.shares_memory(batch.matrix(), next(iter(batch.columns.values())))


@pytest.mark.parametrize(("wants", "algorithm"), [("codes", "lightgbm"), ("dense", "logistic_regression")])
def test_a_model_with_steps_of_its_own_is_the_same_after_it_was_kept(wants: str, algorithm: str) -> None:
    rows = table(signal=2.0)
    model, before_NK = model_on(rows, wants, algorithm)
    assert isinstance(model.members[0].fitted, WithSteps)
    np.testing.assert_array_equal(Model.from_files(model.files()).predict(rows), before_NK)


@pytest.mark.parametrize(("wants", "algorithm"), [("codes", "lightgbm"), ("dense", "logistic_regression")])
def test_one_row_of_unseen_missing_and_empty_values_is_predicted(wants: str, algorithm: str) -> None:
    model = Model.from_files(model_on(table(signal=2.0), wants, algorithm)[0].files())
    strange = pa.table({"size": [None], "town": ["Xanadu"], "sold": [None], "note": [""]})
    for row in (strange, strange.set_column(1, "town", [[None]])):
        assert np.isfinite(model.predict(row)).all()


def test_a_recipe_says_which_steps_are_learned_inside_fits() -> None:
    recipe, batch = learn_recipe(
        [PartSpec(name=key) for key in ("datetime_parts", "tfidf_text", "target_mean", "ordinal")],
        batch_of(table(signal=2.0))[1],
        seed=0,
    )
    assert isinstance(recipe, Recipe)
    assert [step.key for step in recipe.steps if step.state is None] == ["target_mean", "ordinal"]
    assert [step.key for step in batch.pending] == ["target_mean", "ordinal"]
