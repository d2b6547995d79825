"""Promises of every ensemble on the shelf; a new file is held to them without a word here."""

from __future__ import annotations

import hashlib
import json
import runpy
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch
from assay.engines.fleet import Task as Order
from assay.engines.fleet import begun, done, judged
from assay.engines.folds import Folds
from assay.engines.growing import Ground
from assay.ensembles.greedy import weigh
from assay.errors import SpecFault
from assay.fitting import loaded
from assay.model import Combination
from assay.parts import Call, Ensemble, Evidence, Fit, Grow, Job, Learned
from assay.vocabulary import Shelf, Task

tiny = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["tiny"]
NUM_MEMBERS, NUM_ROWS = 6, 150
NUM_CLASSES = {Task.BINARY: 2, Task.MULTICLASS: 3, Task.REGRESSION: 1}
METRIC = {Task.BINARY: "log_loss", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
KEYS = catalog.keys(Shelf.ENSEMBLES)
PAIRS = [(key, task) for key in KEYS for task in Task if task in catalog.find(Shelf.ENSEMBLES, key).tasks]
every_ensemble = pytest.mark.parametrize("key", KEYS)
every_pair = pytest.mark.parametrize(("key", "task"), PAIRS)


def made(key: str) -> Ensemble:
    return catalog.make(Shelf.ENSEMBLES, key)


def truth(task: Task) -> np.ndarray:
    return np.array(tiny(task, "codes", num_rows=NUM_ROWS).label_N)


def evidence(task: Task) -> Evidence:
    """Return what members of falling quality said; read-only, as it is in the object store."""
    draw, y_N = np.random.default_rng(1), truth(task)
    shape = (NUM_ROWS, NUM_CLASSES[task])
    said = []
    for noise in np.linspace(1.0, 2.5, NUM_MEMBERS):
        if task is Task.REGRESSION:
            said.append(y_N[:, None] + 4 * noise * draw.normal(size=shape))
        else:
            score_NK = np.exp(np.eye(shape[1])[y_N] + noise * draw.normal(size=shape))
            said.append(score_NK / score_NK.sum(axis=1, keepdims=True))
    prediction_MNK = np.array(said, np.float32)
    fold_N = np.arange(NUM_ROWS) % 3
    for array in (prediction_MNK, y_N, fold_N):
        array.setflags(write=False)
    names = tuple(f"member-{place:02d}" for place in range(NUM_MEMBERS))
    metric = catalog.make(Shelf.METRICS, METRIC[task])
    return Evidence(names, prediction_MNK, y_N, fold_N, task, metric, (("decision_tree", {}),) * NUM_MEMBERS)


def ground(task: Task) -> Ground:
    """Return the rows that members are grown on; the same rows prove what they predict."""
    batches = {wants: tiny(task, wants, num_rows=NUM_ROWS) for wants in ("codes", "dense")}
    found = {key: catalog.find(Shelf.ALGORITHMS, key) for key in catalog.keys(Shelf.ALGORITHMS)}
    recipe_of = {key: cls.wants for key, cls in found.items() if cls.wants in batches}
    num_features = {key: len(batches[recipe].features) for key, recipe in recipe_of.items()}
    split = catalog.make(Shelf.SPLITS, "shuffled")
    folds = Folds(split, evidence(task).fold_N[None], 3)
    return Ground(batches, recipe_of, num_features, batches, truth(task), folds)


@cache
def rounds_of(key: str, task: Task) -> tuple[list[Sequence[Job]], Learned]:
    """Drive the generator to its end; returns the jobs of each round, and what was learned."""
    order, known, rows = Order(key, {}), evidence(task), ground(task)
    (drive,), asked = begun([order], known, 3, rows), []
    while not drive.ended:
        asked.append(drive.jobs)
        for index, job in enumerate(drive.jobs):
            batch: Batch | None = rows.batch(job.algorithm) if isinstance(job, Grow) else None
            drive.take(index, done(order, job, drive.evidence, 1, rows, batch))
    assert isinstance(drive.outcome, Learned), drive.outcome
    return asked, drive.outcome


def learned(key: str, task: Task) -> Learned:
    return rounds_of(key, task)[1]


def said(key: str, task: Task) -> np.ndarray:
    """Return what the members predict that an ensemble joins: those it uses, or those it had grown."""
    state = learned(key, task)
    used = made(key).used(state, NUM_MEMBERS)
    prediction_mNK = judged(state) if made(key).grows else evidence(task).prediction_MNK[used]
    prediction_mNK.setflags(write=False)
    return prediction_mNK


def combined(key: str, task: Task, state: Learned | None = None) -> np.ndarray:
    return made(key).combine(learned(key, task) if state is None else state, said(key, task))


def digest(key: str, task: Task) -> str:
    return hashlib.sha256(np.ascontiguousarray(combined(key, task)).tobytes()).hexdigest()


@cache
def other_process() -> dict[str, str]:
    script = f"""
import json, runpy
contract = runpy.run_path({str(__file__)!r})
print(json.dumps({{f"{{key}} {{task}}": contract["digest"](key, task) for key, task in contract["PAIRS"]}}))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))


@every_pair
def test_the_same_seed_combines_to_the_same_bits_in_another_process(key: str, task: Task) -> None:
    assert digest(key, task) == other_process()[f"{key} {task}"]


@every_pair
def test_rounds_ask_for_jobs_that_travel_to_an_actor(key: str, task: Task) -> None:
    asked, _ = rounds_of(key, task)
    for job in (job for jobs in asked for job in jobs):
        assert isinstance(job, Call | Fit | Grow)
        json.dumps(job.arguments if isinstance(job, Call) else job.params)
        if isinstance(job, Call):
            assert getattr(sys.modules[job.function.__module__], job.function.__name__) is job.function


@every_pair
def test_rounds_end_with_what_was_learned(key: str, task: Task) -> None:
    _, state = rounds_of(key, task)
    assert isinstance(state, Learned)
    json.dumps(state.values, allow_nan=False)


@every_pair
def test_a_combination_is_one_finite_row_for_each_row(key: str, task: Task) -> None:
    assert combined(key, task).shape == (NUM_ROWS, NUM_CLASSES[task])
    assert np.isfinite(combined(key, task)).all()


@pytest.mark.parametrize(("key", "task"), [(key, task) for key, task in PAIRS if task.is_classification])
def test_probabilities_are_not_negative_and_sum_to_one(key: str, task: Task) -> None:
    assert combined(key, task).min() >= 0
    np.testing.assert_allclose(combined(key, task).sum(axis=1), 1, atol=1e-6)


@every_pair
def test_combining_some_rows_gives_those_rows_of_combining_all(key: str, task: Task) -> None:
    order_n = np.random.default_rng(2).permutation(NUM_ROWS)[:31]
    some_nK = made(key).combine(learned(key, task), said(key, task)[:, order_n])
    np.testing.assert_allclose(some_nK, combined(key, task)[order_n], rtol=1e-6, atol=1e-7)


@every_pair
def test_used_names_members_once_in_order(key: str, task: Task) -> None:
    used = made(key).used(learned(key, task), NUM_MEMBERS)
    assert used
    assert used == sorted(set(used))
    assert set(used) <= set(range(NUM_MEMBERS))


@every_pair
def test_what_it_learned_survives_json_and_files(key: str, task: Task) -> None:
    state = learned(key, task)
    models = {
        name: (fit, loaded(catalog.make(Shelf.ALGORITHMS, fit.algorithm, fit.params), fitted.files()))
        for name, (fit, fitted) in state.models.items()
    }
    again = combined(key, task, Learned(json.loads(json.dumps(state.values)), models))
    np.testing.assert_array_equal(again, combined(key, task))


@every_pair
def test_grown_members_predict_the_same_from_their_files(key: str, task: Task) -> None:
    for member in learned(key, task).grown:
        assert member.fitted is not None
        assert member.prediction_NK.size == 0
        batch = ground(task).batch(member.algorithm)
        batch = batch if member.features is None else batch.of_features(member.features)
        fitted = loaded(catalog.make(Shelf.ALGORITHMS, member.algorithm, member.params), member.fitted.files())
        np.testing.assert_array_equal(fitted.predict(batch), member.judged_nK)


@every_pair
def test_the_order_of_members_matters_only_to_what_learned_it(key: str, task: Task) -> None:
    state = learned(key, task)
    if state.values or state.models:
        return
    turned = made(key).combine(state, said(key, task)[::-1])
    np.testing.assert_allclose(turned, combined(key, task), rtol=1e-5)


@every_pair
def test_a_combination_is_better_than_the_worst_member(key: str, task: Task) -> None:
    known = evidence(task)
    gain = known.metric.gain(known.metric.score(known.y_N, combined(key, task)))
    joined_MNK = said(key, task) if made(key).grows else known.prediction_MNK
    worst = min(known.metric.gain(known.metric.score(known.y_N, one_NK)) for one_NK in joined_MNK)
    assert gain > worst


def without(key: str, task: Task, *missing: int) -> np.ndarray:
    """Return what is said when these of the members do not answer."""
    said_MNK = said(key, task)
    present_m = [place for place in range(len(said_MNK)) if place not in missing]
    joins = Combination(key, {}, learned(key, task))
    return joins.join(said_MNK[present_m], present_m, len(said_MNK), None)


@every_pair
def test_no_member_missing_changes_no_bit(key: str, task: Task) -> None:
    np.testing.assert_array_equal(without(key, task), combined(key, task))


@every_pair
def test_any_member_may_be_missing(key: str, task: Task) -> None:
    for place in range(len(said(key, task)) if len(said(key, task)) > 1 else 0):
        found_NK = without(key, task, place)
        assert found_NK.shape == combined(key, task).shape
        assert np.isfinite(found_NK).all()
        if task.is_classification:
            assert found_NK.min() >= 0
            np.testing.assert_allclose(found_NK.sum(axis=1), 1, atol=1e-6)


@every_pair
def test_one_member_alone_is_listened_to(key: str, task: Task) -> None:
    num_members = len(said(key, task))
    for present in range(num_members):
        found_NK = without(key, task, *(place for place in range(num_members) if place != present))
        assert np.isfinite(found_NK).all()
        assert np.ptp(found_NK, axis=0).max() > 0


@every_pair
def test_a_partial_vote_is_better_than_the_worst_member(key: str, task: Task) -> None:
    known, joined_MNK = evidence(task), said(key, task)
    worst = min(known.metric.gain(known.metric.score(known.y_N, one_NK)) for one_NK in joined_MNK)
    for place in range(len(joined_MNK) if len(joined_MNK) > 2 else 0):
        assert known.metric.gain(known.metric.score(known.y_N, without(key, task, place))) > worst


@every_ensemble
def test_an_unknown_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(SpecFault, match=rf"{key}\.params\.votnig: unknown setting 'votnig'"):
        catalog.make(Shelf.ENSEMBLES, key, {"votnig": "hard"})


@every_ensemble
def test_a_wrong_value_names_its_setting(key: str) -> None:
    for name in made(key).Params.model_fields:
        with pytest.raises(SpecFault, match=rf"{key}\.params\.{name}\S*: got"):
            catalog.make(Shelf.ENSEMBLES, key, {name: [{"no": "setting"}]})


@every_ensemble
def test_every_setting_is_described(key: str) -> None:
    assert all(setting.description for setting in made(key).Params.model_fields.values())


def test_greedy_weights_sum_to_one_and_beat_the_best_member() -> None:
    known = evidence(Task.REGRESSION)
    assert sum(learned("greedy", Task.REGRESSION).values["weights"]) == pytest.approx(1)
    best = known.metric.score(known.y_N, known.prediction_MNK[0])
    assert known.metric.score(known.y_N, combined("greedy", Task.REGRESSION)) < best


def test_greedy_leaves_out_a_member_that_only_harms() -> None:
    known = evidence(Task.BINARY)
    liar_NK = np.eye(2, dtype=np.float32)[1 - known.y_N]
    misled = Evidence(
        known.names, np.stack([*known.prediction_MNK[:5], liar_NK]), known.y_N, known.fold_N, known.task, known.metric
    )
    weights = weigh(misled, num_draws=25, bags=1, bag_fraction=1.0, start=0, by="loss", seed=0)
    assert weights[5] == 0.0


def test_a_hard_vote_counts_heads_and_breaks_ties_by_confidence() -> None:
    part = catalog.make(Shelf.ENSEMBLES, "vote", {"voting": "hard"})
    three_against_one = np.array([[[0.51, 0.49]], [[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]]])
    assert part.combine(Learned(), three_against_one).argmax(axis=1).tolist() == [0]
    tie = np.array([[[0.6, 0.4]], [[0.1, 0.9]]])
    assert part.combine(Learned(), tie).argmax(axis=1).tolist() == [1]
