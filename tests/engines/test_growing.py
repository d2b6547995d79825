"""Ensembles that fit their own members: what they may see, what they learn, and that it agrees with scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from assay import catalog
from assay.batch import Batch, from_matrix
from assay.engines.fleet import Failure, Task, judged, predictions_of
from assay.engines.folds import Folds
from assay.engines.growing import Ground, grow
from assay.engines.local_fleet import LocalFleet
from assay.errors import SpecFault
from assay.parts import Evidence, Grow, Learned
from assay.vocabulary import Shelf
from assay.vocabulary import Task as TaskWord

NUM_ROWS, NUM_FOLDS = 600, 3
METRIC = {0: "rmse", 2: "roc_auc", 3: "log_loss"}
EVERY = [
    ("bag", {}, 2),
    ("bag", {"by": "folds"}, 3),
    ("subspace", {"rows": 0.7}, 2),
    ("boost", {}, 2),
    ("boost", {"resample": True}, 3),
    ("boost", {}, 0),
    ("boost", {"by": "residual"}, 0),
]


def rows(num_classes: int, num_rows: int = NUM_ROWS, seed: int = 0) -> Batch:
    """Return rows of a label that bends and jumps, so that one small tree does not learn it."""
    draw = np.random.default_rng(seed)
    x_NF = draw.normal(size=(num_rows, 6))
    pull_N = (
        np.sin(2 * x_NF[:, 0]) + x_NF[:, 1] * x_NF[:, 2] + 0.5 * np.abs(x_NF[:, 3]) + 0.4 * draw.normal(size=num_rows)
    )
    if not num_classes:
        return from_matrix(x_NF, 10 * pull_N)
    bounds = np.quantile(pull_N, np.arange(1, num_classes) / num_classes)
    return from_matrix(x_NF, np.digitize(pull_N, bounds).astype(np.int64), num_classes)


def shuffled(batch: Batch) -> Batch:
    """Return the rows with labels that say nothing."""
    x_NF, y_N = batch.matrix(), np.random.default_rng(1).permutation(batch.label_N)
    return from_matrix(x_NF, y_N, batch.num_classes)


def ground_of(batch: Batch, split: str = "shuffled", fold_N: np.ndarray | None = None) -> Ground:
    fold_N = np.arange(len(batch)) % NUM_FOLDS if fold_N is None else fold_N
    recipe_of = dict.fromkeys(catalog.keys(Shelf.ALGORITHMS), "plain")
    num_features = dict.fromkeys(recipe_of, len(batch.features))
    made = catalog.make(Shelf.SPLITS, split)
    folds = Folds(made, fold_N[None], fold_N.max() + 1)
    return Ground({"plain": batch}, recipe_of, num_features, {"plain": batch}, batch.label_N, folds)


def evidence_of(batch: Batch, learner: tuple[str, Any] = ("decision_tree", {})) -> Evidence:
    task = {0: TaskWord.REGRESSION, 2: TaskWord.BINARY}.get(batch.num_classes, TaskWord.MULTICLASS)
    nothing_MNK = np.zeros((1, len(batch), max(batch.num_classes, 1)), np.float32)
    fold_N = np.arange(len(batch)) % NUM_FOLDS
    metric = catalog.make(Shelf.METRICS, METRIC[batch.num_classes])
    return Evidence(("best-07",), nothing_MNK, batch.label_N, fold_N, task, metric, (learner,))


def learned(key: str, params: dict[str, Any], batch: Batch, without_fold: int | None = None) -> Learned:
    """Return what an ensemble learns; all rows judge it when no fold is left out."""
    (found,) = LocalFleet().learn([Task(key, params, without_fold)], evidence_of(batch), 5, ground_of(batch))
    assert isinstance(found, Learned), found
    return found


def predicted(key: str, params: dict[str, Any], batch: Batch) -> np.ndarray:
    """Return what an ensemble learned from all rows predicts for them."""
    return predictions_of(Task(key, params), learned(key, params, batch), evidence_of(batch).prediction_MNK)


def out_of_fold(key: str, params: dict[str, Any], batch: Batch) -> np.ndarray:
    prediction_NK = np.zeros((len(batch), max(batch.num_classes, 1)))
    for fold in range(NUM_FOLDS):
        state = learned(key, params, batch, fold)
        prediction_NK[np.arange(len(batch)) % NUM_FOLDS == fold] = predictions_of(
            Task(key, params), state, prediction_NK[None]
        )
    return prediction_NK


@pytest.mark.parametrize(("key", "params", "num_classes"), EVERY)
def test_nothing_is_learned_out_of_fold_from_shuffled_labels(
    key: str, params: dict[str, Any], num_classes: int
) -> None:
    batch = shuffled(rows(num_classes))
    said_NK = out_of_fold(key, {"num_members": 8, **params}, batch)
    if num_classes:
        right = (said_NK.argmax(axis=1) == batch.label_N).mean()
        assert right == pytest.approx(1 / num_classes, abs=3 * np.sqrt(0.25 / NUM_ROWS))
    else:
        assert abs(np.corrcoef(said_NK[:, 0], batch.label_N)[0, 1]) < 3 / np.sqrt(NUM_ROWS)


@pytest.mark.parametrize(("key", "params", "num_classes"), EVERY)
def test_labels_of_the_fold_left_out_change_nothing(key: str, params: dict[str, Any], num_classes: int) -> None:
    batch, settings = rows(num_classes), {"num_members": 3, **params}
    y_N = batch.label_N.copy()
    y_N[::NUM_FOLDS] = y_N[::NUM_FOLDS][::-1]
    changed = from_matrix(batch.matrix(), y_N, num_classes)
    before, after = learned(key, settings, batch, 0), learned(key, settings, changed, 0)
    np.testing.assert_array_equal(judged(before), judged(after))
    assert before.values == after.values


@pytest.mark.parametrize("key", ["bag", "subspace", "boost"])
def test_members_join_the_past_only_where_rows_are_split_by_time(key: str) -> None:
    batch, fold_N = rows(2), np.arange(NUM_ROWS) * 4 // NUM_ROWS - 1
    ground = ground_of(batch, "by_time", fold_N)
    assert ground.evidence(evidence_of(batch), 1).fold_N.max() == 0
    (found,) = LocalFleet().learn([Task(key, {"num_members": 2}, 1)], evidence_of(batch), 5, ground)
    assert isinstance(found, Learned)
    assert all(member.num_rows <= (fold_N < 1).sum() for member in found.grown)
    assert judged(found).shape[1] == (fold_N == 1).sum()


def test_an_ensemble_from_all_rows_keeps_its_members_and_one_to_be_judged_does_not() -> None:
    batch, settings = rows(2), {"num_members": 2}
    assert all(member.fitted is not None for member in learned("bag", settings, batch).grown)
    assert all(member.fitted is None for member in learned("bag", settings, batch, 0).grown)


def test_samme_agrees_with_scikit_learn() -> None:
    for num_classes in (2, 3):
        batch = rows(num_classes)
        ours_NK = predicted("boost", {"num_members": 30, "params": {"max_depth": 2, "min_samples_leaf": 5}}, batch)
        tree = DecisionTreeClassifier(max_depth=2, min_samples_leaf=5, random_state=0)
        theirs = AdaBoostClassifier(tree, n_estimators=30, random_state=0).fit(batch.matrix(), batch.label_N)
        np.testing.assert_allclose(ours_NK, theirs.predict_proba(batch.matrix()), atol=0.02)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_r2_is_as_good_as_that_of_scikit_learn(loss: str) -> None:
    batch, fresh = rows(0, 2_000), rows(0, 2_000, seed=9)
    ours, theirs = [], []
    for seed in range(3):
        order = Task("boost", {"num_members": 30, "loss": loss, "resample": True})
        ground = ground_of(batch)
        ground.probes["plain"] = fresh  # type: ignore[index]
        (found,) = LocalFleet().learn([order], evidence_of(batch), seed, ground)
        assert isinstance(found, Learned)
        ours.append(rmse(order.part.combine(found, judged(found)), fresh))
        tree = DecisionTreeRegressor(max_depth=3, min_samples_leaf=5, random_state=seed)
        other = AdaBoostRegressor(tree, n_estimators=30, loss=loss, random_state=seed)  # type: ignore[arg-type]
        theirs.append(rmse(other.fit(batch.matrix(), batch.label_N).predict(fresh.matrix())[:, None], fresh))
    assert np.mean(ours) < 1.02 * np.mean(theirs)


def rmse(prediction_NK: np.ndarray, batch: Batch) -> float:
    return float(catalog.make(Shelf.METRICS, "rmse").score(batch.label_N, prediction_NK))


def beats_one(key: str, batch: Batch, tree: dict[str, int], **params: Any) -> bool:
    """Whether 25 trees, out of fold, are better than one."""
    metric = catalog.make(Shelf.METRICS, "accuracy" if batch.num_classes else "rmse")
    learner = {"learner": "decision_tree", "params": tree}
    one_NK = out_of_fold("bag", {**learner, "num_members": 2, "by": "all"}, batch)
    many_NK = out_of_fold(key, {**learner, "num_members": 25, **params}, batch)
    many, one = (metric.gain(metric.score(batch.label_N, said_NK)) for said_NK in (many_NK, one_NK))
    return bool(many > one)


@pytest.mark.parametrize("num_classes", [2, 3, 0])
def test_a_bag_of_deep_trees_beats_one(num_classes: int) -> None:
    assert beats_one("bag", rows(num_classes, 1_500), {"max_depth": 10, "min_samples_leaf": 2})


@pytest.mark.parametrize("num_classes", [2, 3, 0])
def test_boosted_small_trees_beat_one(num_classes: int) -> None:
    assert beats_one("boost", rows(num_classes, 1_500), {"max_depth": 4})


@pytest.mark.parametrize("num_classes", [2, 3, 0])
def test_trees_on_some_of_many_noisy_features_beat_one_on_all(num_classes: int) -> None:
    plain = rows(num_classes)
    noise_NF = np.random.default_rng(3).normal(size=(NUM_ROWS, 24))
    noisy = from_matrix(np.tile(plain.matrix(), 4) + noise_NF, plain.label_N, num_classes)
    assert beats_one("subspace", noisy, {"max_depth": 10, "min_samples_leaf": 2})


def test_residuals_get_smaller_with_every_member() -> None:
    batch = rows(0)
    error = [rmse(predicted("boost", {"by": "residual", "num_members": count}, batch), batch) for count in (1, 10, 60)]
    assert error[0] > error[1] > error[2]


def test_a_bootstrap_by_weight_is_the_one_by_repetition() -> None:
    batch = rows(0)
    (by_weight,), (by_repetition,) = (asked("bag", name, batch)[:1] for name in ("ridge", "k_nearest_neighbours"))
    assert by_repetition.weight_N is None
    np.testing.assert_array_equal(np.bincount(by_repetition.row_n, minlength=NUM_ROWS), by_weight.weight_N)


def asked(key: str, learner: str, batch: Batch, **params: Any) -> list[Any]:
    """Return the jobs of the first round."""
    part = catalog.make(Shelf.ENSEMBLES, key, {"learner": learner, **params})
    return list(next(part.rounds(ground_of(batch).evidence(evidence_of(batch), None), 3)))


def test_bags_by_folds_leave_each_row_out_once_and_hold_each_class() -> None:
    batch = rows(3)
    left_out = [np.setdiff1d(np.arange(NUM_ROWS), job.row_n) for job in asked("bag", "dummy", batch, by="folds")]
    assert np.array_equal(np.sort(np.concatenate(left_out)), np.arange(NUM_ROWS))
    assert all(np.bincount(batch.label_N[row_n]).min() >= len(row_n) // 3 - 1 for row_n in left_out)


def test_members_take_the_learners_in_turn() -> None:
    batch = rows(0)
    found = learned("subspace", {"num_members": 3, "members": ["ridge", {"name": "decision_tree"}]}, batch)
    assert [member.algorithm for member in found.grown] == ["ridge", "decision_tree", "ridge"]
    assert all(len(member.features or ()) == 4 for member in found.grown)


def test_the_learner_of_the_best_trial_is_taken_under_its_name() -> None:
    assert [member.name for member in learned("bag", {"num_members": 2}, rows(2)).grown] == ["best-07", "best-07"]


@pytest.mark.parametrize(
    ("key", "params", "task", "said"),
    [
        ("boost", {"learner": "k_nearest_neighbours"}, "binary", r"params\.learner: .* weighted rows.*decision_tree"),
        ("boost", {"by": "residual"}, "binary", r"params\.by: 'residual' is for numbers"),
        ("bag", {"learner": "ridge"}, "multiclass", r"params\.learner: 'ridge' is not for the task multiclass"),
        ("bag", {"learner": "lightgmb"}, "binary", r"params\.learner: no part named 'lightgmb'.*'lightgbm'"),
        ("subspace", {"members": [{"name": "ridge", "params": {"alhpa": 1}}]}, "regression", "unknown setting 'alhpa'"),
        ("bag", {"members": ["ridge"], "learner": "ridge"}, "regression", r"params\.members: is set beside learner"),
        ("bag", {"params": {"alpha": 1}}, "regression", r"params\.params: has settings of no learner"),
    ],
)
def test_a_learner_that_cannot_be_used_is_refused(key: str, params: dict[str, Any], task: str, said: str) -> None:
    with pytest.raises(SpecFault, match=said):
        catalog.make(Shelf.ENSEMBLES, key, params).learners(TaskWord(task))


def test_a_learner_without_weights_is_boosted_by_resampling() -> None:
    params = {"learner": "k_nearest_neighbours", "resample": True, "num_members": 3}
    assert list(catalog.make(Shelf.ENSEMBLES, "boost", params).learners(TaskWord.BINARY)) == ["k_nearest_neighbours"]
    assert len(learned("boost", params, rows(2)).grown) >= 1


def test_a_member_that_cannot_be_fitted_fails_its_ensemble_with_the_reason() -> None:
    batch = rows(0)
    batch.columns["x"][5, 2] = np.inf
    task = Task("bag", {"learner": "ridge", "num_members": 3, "by": "all"})
    (found,) = LocalFleet().learn([task], evidence_of(batch), 5, ground_of(batch))
    assert isinstance(found, Failure)
    assert "infinity" in found.reason


def test_positions_and_weights_are_about_the_rows_that_are_known() -> None:
    batch = from_matrix(np.arange(6.0)[:, None], np.arange(6.0))
    ground = ground_of(batch)
    weight_N = np.array([0.0, 0.0, 0.0, 1.0])  # of the rows 1, 2, 4, 5: all but fold 0
    job = Grow("dummy", {}, 0, row_n=np.array([1, 3]), weight_N=weight_N)
    member = grow(job, ground, batch, 0, 1)
    assert member.prediction_NK.ravel().tolist() == [5.0] * 4
    assert member.judged_nK is not None
    assert member.judged_nK.ravel().tolist() == [5.0] * 2
