"""The ensembles with their settings: weights, ranks, bags, layers, skip connections, temperatures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay import catalog
from assay.batch import from_matrix
from assay.engines.fleet import Failure
from assay.engines.fleet import Task as Job
from assay.engines.local_fleet import LocalFleet
from assay.ensembles._selection import MAX_ROWS, thinned
from assay.errors import SpecFault
from assay.parts import Evidence, Learned
from assay.vocabulary import Shelf, Task

NUM_ROWS, NUM_MEMBERS = 240, 6
NUM_CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 1}
METRIC = {Task.BINARY: "log_loss", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("vote", {"voting": "hard", "weights": "learned"}),
    ("vote", {"weights": "learned"}),
    ("vote", {"weights": [3, 0, 1], "members": 3}),
    ("average", {"by": "rank"}),
    ("average", {"by": "median"}),
    ("average", {"weights": "learned"}),
    ("average", {"weights": [1, 2], "members": 2}),
    ("greedy", {"bags": 5, "start": 2}),
    ("greedy", {"by": "metric"}),
    ("stack", {"layers": 2}),
    ("stack", {"layers": 3, "lower": ["decision_tree", "k_nearest_neighbours"]}),
    ("stack", {"learner": "lightgbm"}),
]
CASES = [(*case, task) for case in SETTINGS for task in Task if task in catalog.find(Shelf.ENSEMBLES, case[0]).tasks]
every_case = pytest.mark.parametrize(("key", "params", "task"), CASES)


def evidence(task: Task, noise: tuple[float, ...] = (1.0, 1.2, 1.4, 1.6, 2.0, 3.0), rows: int = NUM_ROWS) -> Evidence:
    """Return what members with these noises said, the best first."""
    draw = np.random.default_rng(4)
    num_classes = NUM_CLASSES[task]
    y_N = draw.normal(50, 10, rows) if task is Task.REGRESSION else draw.integers(0, num_classes, rows)
    said = []
    for level in noise:
        apart_NK = level * draw.normal(size=(rows, num_classes))
        if task is Task.REGRESSION:
            said.append(y_N[:, None] + 4 * apart_NK)
        else:
            odds_NK = np.exp(1.5 * np.eye(num_classes)[y_N] + apart_NK)
            said.append(odds_NK / odds_NK.sum(axis=1, keepdims=True))
    names = tuple(f"member-{place}" for place in range(len(noise)))
    metric = catalog.make(Shelf.METRICS, METRIC[task])
    return Evidence(names, np.array(said, np.float32), y_N, np.arange(rows) % 4, task, metric)


def learned(key: str, params: dict[str, Any], known: Evidence) -> Learned:
    (found,) = LocalFleet().learn([Job(key, params)], known, seed=1)
    assert isinstance(found, Learned), found
    return found


def combined(key: str, params: dict[str, Any], known: Evidence, state: Learned | None = None) -> np.ndarray:
    part, state = catalog.make(Shelf.ENSEMBLES, key, params), state or learned(key, params, known)
    return part.combine(state, known.prediction_MNK[part.used(state, len(known.names))])


def score(known: Evidence, prediction_NK: np.ndarray) -> float:
    return known.metric.score(known.y_N, prediction_NK)


@every_case
def test_it_is_better_than_the_mean_member_and_probabilities_sum_to_one(
    key: str, params: dict[str, Any], task: Task
) -> None:
    known = evidence(task)
    prediction_NK = combined(key, params, known)
    gain = known.metric.gain(score(known, prediction_NK))
    assert gain > np.mean([known.metric.gain(score(known, said_NK)) for said_NK in known.prediction_MNK])
    if task is not Task.REGRESSION:
        np.testing.assert_allclose(prediction_NK.sum(axis=1), 1, atol=1e-6)
        assert prediction_NK.min() >= 0


@every_case
def test_a_single_row_gets_what_it_gets_among_others_and_no_row_gets_none(
    key: str, params: dict[str, Any], task: Task
) -> None:
    known = evidence(task)
    state = learned(key, params, known)
    state = replace(state, values=json.loads(json.dumps(state.values, allow_nan=False)))
    single = combined(key, params, known.rows(np.array([17])), state)
    np.testing.assert_allclose(single[0], combined(key, params, known, state)[17], rtol=1e-6)
    nothing = combined(key, params, known.rows(np.zeros(NUM_ROWS, bool)), state)
    assert nothing.shape == (0, NUM_CLASSES[task])


@pytest.mark.parametrize(
    ("key", "params", "task"),
    [
        ("vote", {"weights": "learned"}, Task.MULTICLASS),
        ("average", {"weights": "learned"}, Task.REGRESSION),
        ("vote", {"voting": "hard", "weights": "learned"}, Task.BINARY),
    ],
)
def test_learned_weights_sum_to_one_and_drop_a_member_of_noise(key: str, params: dict[str, Any], task: Task) -> None:
    known = evidence(task, noise=(0.5, 0.6, 30.0))
    weights = learned(key, params, known).values["weights"]
    assert sum(weights) == pytest.approx(1)
    assert min(weights) >= 0
    assert weights[2] < 0.05


def test_learned_weights_of_numbers_are_the_best_on_the_simplex() -> None:
    known = evidence(Task.REGRESSION)
    params = {"weights": "learned", "members": NUM_MEMBERS}
    best = score(known, combined("average", params, known))
    draw = np.random.default_rng(0)
    for weight_M in draw.dirichlet(np.ones(NUM_MEMBERS), 200):
        assert score(known, np.tensordot(weight_M, known.prediction_MNK, axes=1)) >= best - 1e-6


def test_learned_weights_of_a_vote_have_the_smallest_log_loss() -> None:
    known = evidence(Task.MULTICLASS)
    best = score(known, combined("vote", {"weights": "learned", "members": NUM_MEMBERS}, known))
    draw = np.random.default_rng(0)
    for weight_M in draw.dirichlet(np.ones(NUM_MEMBERS), 200):
        assert score(known, np.tensordot(weight_M, known.prediction_MNK, axes=1)) >= best - 1e-5


def test_given_weights_are_used_as_they_are_given() -> None:
    known = evidence(Task.REGRESSION)
    found = combined("average", {"weights": [3, 1], "members": 2}, known)
    np.testing.assert_allclose(found, 0.75 * known.prediction_MNK[0] + 0.25 * known.prediction_MNK[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([1, 2], "give as many weights as members"),
        ([1, -1, 1, 1, 1], "not negative"),
        ([0, 0, 0, 0, 0], "one is more than 0"),
        ("lerned", "write equal, learned, or a list"),
        ([True] * 5, "a list of numbers"),
    ],
)
@pytest.mark.parametrize("key", ["vote", "average"])
def test_weights_that_make_no_sense_are_refused_in_words(key: str, weights: Any, told: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.weights: got .*{told}"):
        catalog.make(Shelf.ENSEMBLES, key, {"weights": weights})


def test_weights_of_a_median_are_refused() -> None:
    with pytest.raises(SpecFault, match="only the mean has weights"):
        catalog.make(Shelf.ENSEMBLES, "average", {"by": "median", "weights": "learned"})


def test_a_weighted_hard_vote_outvotes_more_heads() -> None:
    part = catalog.make(Shelf.ENSEMBLES, "vote", {"voting": "hard", "members": 3, "weights": [5, 2, 2]})
    two_against_one = np.array([[[0.6, 0.4]], [[0.1, 0.9]], [[0.1, 0.9]]])
    assert part.combine(Learned({"weights": [5 / 9, 2 / 9, 2 / 9]}), two_against_one).argmax(axis=1).tolist() == [0]


def test_ranks_do_not_mind_a_member_that_speaks_in_another_scale() -> None:
    known = replace(evidence(Task.BINARY, noise=(1.0, 1.0)), metric=catalog.make(Shelf.METRICS, "roc_auc"))
    squeezed = known.prediction_MNK.copy()
    squeezed[1, :, 1] = 0.4 + 0.2 * squeezed[1, :, 1] ** 3
    squeezed[1, :, 0] = 1 - squeezed[1, :, 1]
    shrunk = replace(known, prediction_MNK=squeezed)
    plain = score(known, combined("average", {"by": "rank"}, known))
    assert score(shrunk, combined("average", {"by": "rank"}, shrunk)) == pytest.approx(plain, abs=0.003)


def test_a_median_of_members_that_are_sure_of_different_classes_is_their_mean() -> None:
    part = catalog.make(Shelf.ENSEMBLES, "average", {"by": "median"})
    np.testing.assert_allclose(part.combine(Learned(), np.eye(3)[:, None, :]), [[1 / 3, 1 / 3, 1 / 3]])


def test_greedy_starts_from_the_best_members_when_told_to() -> None:
    known = evidence(Task.REGRESSION, noise=(0.1, 5.0, 5.0))
    assert learned("greedy", {"num_draws": 1}, known).values["weights"] == [1.0, 0.0, 0.0]
    assert learned("greedy", {"num_draws": 3, "start": 3}, known).values["weights"][2] > 0


def test_bags_of_members_spread_the_weight() -> None:
    known = evidence(Task.BINARY, noise=(1.0, 1.0, 1.0, 1.0))
    once, often = (learned("greedy", {"bags": bags, "num_draws": 2}, known).values["weights"] for bags in (1, 30))
    assert max(often) < max(once)
    assert sum(often) == pytest.approx(1)


def test_selection_looks_at_a_sample_of_very_many_rows_the_same_each_time() -> None:
    known = evidence(Task.REGRESSION, noise=(1.0, 2.0), rows=MAX_ROWS + 10_000)
    assert len(thinned(known, 3).y_N) == MAX_ROWS
    np.testing.assert_array_equal(thinned(known, 3).y_N, thinned(known, 3).y_N)


def test_greedy_keeps_probabilities_good_when_the_metric_only_ranks() -> None:
    known = evidence(Task.BINARY)
    ranks = replace(known, metric=catalog.make(Shelf.METRICS, "roc_auc"))
    best = min(score(known, said_NK) for said_NK in known.prediction_MNK)
    assert score(known, combined("greedy", {}, ranks)) < best


def test_a_stack_repairs_members_that_are_too_sure() -> None:
    known = evidence(Task.BINARY, noise=(1.0, 1.0, 1.0))
    sure_MNK = known.prediction_MNK.astype(np.float64) ** 4
    sure = replace(known, prediction_MNK=(sure_MNK / sure_MNK.sum(axis=2, keepdims=True)).astype(np.float32))
    assert score(sure, combined("stack", {}, sure)) < 0.8 * score(sure, combined("vote", {}, sure))


def test_a_stack_of_trees_is_less_sure_after_its_temperature_is_set() -> None:
    known = evidence(Task.BINARY)
    params = {"learner": "decision_tree", "params": {"max_depth": 12, "min_samples_leaf": 1}}
    assert learned("stack", params, known).values["temperature"] > 1.5
    assert learned("stack", {**params, "recalibrate": False}, known).values["temperature"] is None


def test_a_stack_with_skip_connections_learns_from_the_original_columns() -> None:
    known = evidence(Task.REGRESSION, noise=(3.0, 3.0))
    secret = from_matrix(known.y_N[:, None] ** 2)
    part = catalog.make(Shelf.ENSEMBLES, "stack", {"skip": True, "learner": "decision_tree"})
    seeing = replace(known, columns={part.reads: secret})
    state = learned("stack", {"skip": True, "learner": "decision_tree"}, seeing)
    found = part.combine_rows(state, known.prediction_MNK, secret)
    assert score(known, found) < 0.5 * score(known, combined("stack", {"learner": "decision_tree"}, known))


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"learner": "ridgee"}, "no part named 'ridgee'"),
        ({"learner": "ridge", "params": {"alfa": 1}}, "unknown setting 'alfa'"),
        ({"params": {"alpha": 1}}, "say whose settings they are"),
        ({"lower": ["lightgmb"]}, "no part named 'lightgmb'"),
    ],
)
def test_a_stack_of_learners_that_do_not_exist_is_refused_before_anything_starts(
    params: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecFault, match=told):
        catalog.make(Shelf.ENSEMBLES, "stack", params)


def test_a_stack_whose_learner_is_for_another_task_fails_in_words() -> None:
    (found,) = LocalFleet().learn([Job("stack", {"learner": "ridge"})], evidence(Task.BINARY), seed=1)
    assert found == Failure("ValueError: 'ridge' is not for this task")
