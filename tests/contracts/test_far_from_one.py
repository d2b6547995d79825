"""Promises of every algorithm for numbers that float32 does not hold well: it learns as much as from numbers near 1."""

from __future__ import annotations

import numpy as np
import pytest

from assay import catalog
from assay.batch import Batch, from_matrix
from assay.engines.trial import fit_capped
from assay.fitting import loaded
from assay.vocabulary import Shelf, Task

FAST = {"dense": {"num_epochs": 2}, "torch_module": {"num_epochs": 4}, "xgboost": {"num_trees": 40}}
FAST |= {"catboost": {"num_trees": 40}, "lightgbm": {"num_trees": 40}, "random_forest": {"num_trees": 20}}
FAST |= {"extra_trees": {"num_trees": 20}}
TABULAR = [key for key in catalog.keys(Shelf.ALGORITHMS) if "tabular" in catalog.find(Shelf.ALGORITHMS, key).kinds]
REGRESSORS = [key for key in TABULAR if Task.REGRESSION in catalog.find(Shelf.ALGORITHMS, key).tasks]
# The others are given columns that the step `scale` made, whose own tests stand below.
CODES = [key for key in TABULAR if catalog.find(Shelf.ALGORITHMS, key).wants == "codes"]
# What computes in float32 from its own draw follows every last digit of the label.
LABELS = [(1e-12, 0.0), (1e12, 0.0), (2.0, 1e8), (20.0, 1.7e9), (100.0, 1e15)]
FEATURES = [(1e-12, 0.0), (1e-140, 0.0), (1.0, 1.7e9), (1.0, 1.7e12), (1e-3, 1e6)]


def rows(classes: bool) -> Batch:
    draw = np.random.default_rng(0)
    x_NF = draw.normal(size=(120, 2))
    y_N = 2 * x_NF[:, 0] - x_NF[:, 1] + 0.1 * draw.normal(size=120)
    return from_matrix(x_NF, (y_N > 0).astype(np.int64) if classes else y_N, num_classes=2 if classes else 0)


def predicted(key: str, batch: Batch) -> np.ndarray:
    algorithm = catalog.make(Shelf.ALGORITHMS, key, FAST.get(key, {}))
    fitted, _ = fit_capped(algorithm, batch.take(np.arange(80)), 3, 1)
    fresh = batch.take(np.arange(80, 120))
    prediction_NK = fitted.predict(fresh)
    np.testing.assert_array_equal(loaded(algorithm, fitted.files()).predict(fresh), prediction_NK)
    return prediction_NK


def error(prediction_NK: np.ndarray, y_N: np.ndarray) -> float:
    """Return the error as a share of the label's deviation."""
    return float(np.sqrt(np.mean(((prediction_NK[:, 0] - y_N[80:]) / y_N.std()) ** 2)))


@pytest.mark.parametrize("key", REGRESSORS)
def test_a_label_far_from_one_is_learned_as_one_near_it(key: str) -> None:
    batch = rows(classes=False)
    plain = error(predicted(key, batch), batch.label_N)
    for scale, offset in LABELS:
        y_N = scale * batch.label_N + offset
        found = predicted(key, from_matrix(batch.columns["x"], y_N))
        assert found.dtype == np.float64
        assert error(found, y_N) < 1.1 * plain + 0.02, (scale, offset)


@pytest.mark.parametrize("key", CODES)
def test_features_far_from_one_are_learned_as_those_near_it(key: str) -> None:
    classes = key not in REGRESSORS
    batch = rows(classes)

    def found(x_NF: np.ndarray) -> float:
        return error(predicted(key, from_matrix(x_NF, batch.label_N)), batch.label_N)

    plain = found(batch.columns["x"])
    for scale, offset in FEATURES:
        assert found(scale * batch.columns["x"] + offset) < 1.1 * plain + 0.02, (scale, offset)


@pytest.mark.parametrize(("scale", "offset"), FEATURES)
def test_scaled_columns_are_the_same_at_any_scale_and_offset(scale: float, offset: float) -> None:
    x_NF = np.random.default_rng(0).normal(size=(50, 1))
    step = catalog.make(Shelf.STEPS, "scale")
    plain_NF = step.learn(from_matrix(x_NF), 0)[1].matrix()
    np.testing.assert_allclose(step.learn(from_matrix(scale * x_NF + offset), 0)[1].matrix(), plain_NF, atol=1e-3)


def test_one_value_in_many_digits_is_still_constant_once_scaled() -> None:
    step = catalog.make(Shelf.STEPS, "scale")
    assert not step.learn(from_matrix(np.full((1_000, 1), 0.1)), 0)[1].matrix().any()


def test_a_column_that_varies_is_never_constant_for_catboost() -> None:
    x_NF = np.full((100, 1), 1.7e12)
    x_NF[50:] += 1
    batch = from_matrix(x_NF, np.repeat([0.0, 1.0], 50))
    fitted, _ = fit_capped(catalog.make(Shelf.ALGORITHMS, "catboost", {"num_trees": 20}), batch, 0, 1)
    prediction_N = fitted.predict(batch)[:, 0]
    assert prediction_N[-1] - prediction_N[0] > 0.5


def test_a_loss_for_positive_labels_gets_them_as_they_are() -> None:
    batch = from_matrix(np.linspace(0, 1, 60)[:, None], 1e-9 * np.exp(np.linspace(0, 1, 60)))
    algorithm = catalog.make(Shelf.ALGORITHMS, "sklearn.linear_model:PoissonRegressor", {"alpha": 0.0})
    assert (fit_capped(algorithm, batch, 0, 1)[0].predict(batch) > 0).all()
