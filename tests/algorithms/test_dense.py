"""The dense network: what its files may hold, what it learns, and what it leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from assay.algorithms._network import Silence, steps
from assay.algorithms.dense import Dense
from assay.batch import Batch, from_matrix
from assay.errors import ArtifactFault
from assay.parts import Files
from assay.training.muon import orthogonal

BRIEF = Dense.Params(num_epochs=2, width=8, num_blocks=1)


def table(num_rows: int = 400) -> Batch:
    x_NF = np.random.default_rng(0).uniform(-2, 2, (num_rows, 2)).astype(np.float32)
    return from_matrix(x_NF, 1e6 + 1e3 * np.sin(3 * x_NF[:, 0]).astype(np.float64))


@cache
def files() -> Files:
    return Dense(BRIEF).fit(table(), seed=0).files()


def with_weight(name: str, array: np.ndarray) -> Files:
    return {**files(), "weights.safetensors": save({**load(files()["weights.safetensors"]), name: array})}


def with_shape(**changes: object) -> Files:
    return {**files(), "network.json": json.dumps({**json.loads(files()["network.json"]), **changes}).encode()}


CORRUPTIONS = {
    "a layer of another shape": lambda: with_weight("head.bias", np.zeros((4, 2), np.float32)),
    "a layer of another type": lambda: with_weight("head.bias", np.zeros((4, 1), np.float64)),
    "a layer that is not known": lambda: with_weight("extra.bias", np.zeros(8, np.float32)),
    "a weight that is not finite": lambda: with_weight("head.bias", np.full((4, 1), np.nan, np.float32)),
    "a step of a feature that is not there": lambda: with_weight("staircase.column_S", np.full(32, 2)),
    "a wider network than its weights": lambda: with_shape(width=16),
    "more members than its weights": lambda: with_shape(num_members=8),
    "more features than its weights": lambda: with_shape(num_features=1_000_000),
    "a network without bounds": lambda: with_shape(width=10**9),
    "an unknown word": lambda: with_shape(code="import os"),
    "no shape": lambda: {"weights.safetensors": files()["weights.safetensors"]},
    "no weights": lambda: {"network.json": files()["network.json"]},
    "weights that are not safetensors": lambda: {**files(), "weights.safetensors": b"\x80\x04."},
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_files_that_do_not_fit_together_are_refused(name: str) -> None:
    with pytest.raises(ArtifactFault):
        Dense().load(CORRUPTIONS[name]())


def test_it_learns_a_bent_relation_of_a_label_far_from_zero() -> None:
    prediction_N = Dense(Dense.Params(dropout=0.0)).fit(table(1_000), seed=0).predict(table(1_000))[:, 0]
    y_N = table(1_000).label_N
    assert np.mean((prediction_N - y_N) ** 2) < 0.05 * y_N.var()


def test_fitting_leaves_torchs_chance_and_threads_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state(), torch.get_num_threads()
    Dense(BRIEF).fit(table(), seed=0, threads=2)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]


def test_a_feature_of_two_values_has_no_steps() -> None:
    x_NF = np.column_stack([np.arange(10) % 2, np.arange(10)]).astype(np.float32)
    column_S, low_S, height_S = steps(x_NF, 3)
    assert column_S.tolist() == [1, 1, 1]
    np.testing.assert_allclose(low_S + height_S, [3, 6, 9])


def test_a_prediction_is_the_mean_of_what_the_members_say() -> None:
    batch = replace(table(), y_N=np.arange(400) % 3, num_classes=3)
    fitted = Dense(BRIEF).fit(batch, seed=0)
    with torch.inference_mode():
        logit_NMK = fitted.network(torch.from_numpy(batch.matrix())).double()
    assert logit_NMK.std(dim=1).mean() > 0.01  # members differ
    np.testing.assert_allclose(fitted.predict(batch), logit_NMK.softmax(dim=2).mean(dim=1).numpy(), atol=1e-6)


def test_a_loss_that_is_no_longer_a_number_is_said() -> None:
    far = Dense.Params(learning_rate=1.0, weight_decay=10.0)
    with pytest.raises(ValueError, match=r"the loss is \w+ in pass \d+; use a learning_rate below 1"):
        Dense(far).fit(table(), seed=0)


def test_the_last_fit_takes_the_passes_that_the_folds_found_over_all_rows() -> None:
    last = Dense().settled([{"num_epochs": 3.0}, {"num_epochs": 6.0}])
    assert last.fit(table(), seed=0).facts["num_epochs"] == 4
    assert (last.params.num_epochs, last.params.patience) == (4, 0)


def test_weights_that_say_nothing_change_nothing() -> None:
    heavy = replace(table(), weight_N=np.full(400, 7.0))
    np.testing.assert_array_equal(
        Dense(BRIEF).fit(heavy, seed=0).predict(table()), Dense(BRIEF).fit(table(), seed=0).predict(table())
    )


def test_few_rows_are_held_back_from_being_learned_by_heart() -> None:
    draw = np.random.default_rng(1)
    noise = from_matrix(draw.normal(size=(150, 20)).astype(np.float32), draw.integers(0, 2, 150), num_classes=2)
    unseen = from_matrix(draw.normal(size=(500, 20)).astype(np.float32))

    def surprise(params: Dense.Params) -> float:
        return float(-np.log(Dense(params).fit(noise, seed=0).predict(unseen)).mean())

    assert surprise(Dense.Params()) < 0.7 * surprise(Dense.Params(weight_decay=0.03))


def test_silencing_keeps_the_mean_and_the_share() -> None:
    torch.manual_seed(0)
    units = Silence(0.25)(torch.ones(500, 4, 8))
    assert abs(float((units == 0).float().mean()) - 0.25) < 0.02
    assert abs(float(units.mean()) - 1) < 0.03


@pytest.mark.parametrize("shape", [(6, 30), (30, 6)])
def test_a_step_is_about_as_long_in_every_direction(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    lengths = torch.linalg.svdvals(orthogonal(torch.randn(shape) * torch.logspace(-1, 1, shape[1])))
    assert 0.6 < float(lengths.min()) < float(lengths.max()) < 1.3


@pytest.mark.parametrize(("num_rows", "num_epochs"), [(150, 20), (2_000, 40), (20_000, 7), (200_000, 6)])
def test_many_rows_get_fewer_passes(num_rows: int, num_epochs: int) -> None:
    assert Dense()._plan(num_rows, judged=num_rows > 150).num_epochs == num_epochs


def test_more_steps_are_more_passes_up_to_a_bound() -> None:
    plans = [Dense(Dense.Params(num_steps=steps))._plan(20_000, judged=True) for steps in (600, 1_600, 10**6)]
    assert [plan.num_epochs for plan in plans] == [7, 20, 40]
