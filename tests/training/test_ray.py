"""Networks under Ray Train: the same function on several workers, whose state lies in the folder of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.algorithms.torch_module import FittedModule, TorchModule
from assay.batch import Batch, from_matrix
from assay.engines.fit_torch import (
    LAST_FITS,
    WARM_LAST,
    WARM_START,
    Place,
    Training,
    fit_torch,
    resources_of,
    trial_resources,
    workers_of,
)
from assay.parts import Fitted
from assay.store.runs import Storage

TWO = Training(2, 2)
PARAMS = TorchModule.Params(num_epochs=4, batch_size=40, patience=4)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(Storage(tmp_path).new_run("net").folder), "trials/0000")


def rows() -> Batch:
    """Return rows of two classes that a line divides."""
    x_ND = np.random.default_rng(0).normal(size=(600, 6))
    return from_matrix(x_ND, (x_ND @ [1, -1, 2, 0, 0.5, 0] > 0).astype(np.int64), num_classes=2)


def fitted(place: Place, training: Training, params: TorchModule.Params = PARAMS) -> tuple[Fitted, list[dict]]:  # type: ignore[type-arg]
    made = fit_torch(TorchModule(params), rows(), 0, 1, training, place)
    return made, place.run.read_json(place.epochs)


@pytest.mark.cluster
def test_two_workers_of_ray_train_have_the_loss_of_one(ray_cluster: None, place: Place) -> None:
    told: list[Mapping[str, float]] = []
    made = fit_torch(TorchModule(PARAMS), rows(), 0, 1, TWO, place, told.append)
    of_two = place.run.read_json(place.epochs)
    alone, of_one = fitted(replace(place, number=1), Training())
    for key in ("loss", "judged_loss"):
        np.testing.assert_allclose([one[key] for one in of_two], [one[key] for one in of_one], atol=1e-3)
    np.testing.assert_allclose(made.predict(rows()), alone.predict(rows()), atol=1e-2)
    assert all(one["epoch"] >= 1 for one in told)


@pytest.mark.cluster
def test_a_loss_that_is_no_number_reaches_the_trial_in_words(ray_cluster: None, place: Place) -> None:
    wild = PARAMS.model_copy(update={"learning_rate": 10.0, "optimizer": "sgd", "clip_norm": 0.0, "num_epochs": 400})
    huge = from_matrix(rows().matrix() * 1e30, rows().matrix()[:, 0] * 1e30)
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) in epoch"):
        fit_torch(TorchModule(wild), huge, 0, 1, TWO, place)


def test_a_kept_state_is_taken_up_and_forgotten_when_asked(place: Place) -> None:
    made, _ = fitted(place, Training(checkpoint_s=1e-6))
    assert place.run.exists(place.state)
    again, epochs = fitted(place, Training(checkpoint_s=1e-6))
    assert isinstance(made, FittedModule)
    assert (made.predict(rows()) == again.predict(rows())).all()
    assert len(epochs) == PARAMS.num_epochs
    place.forget()
    assert not place.run.exists(place.state)


def test_a_network_begins_with_the_weights_that_its_run_lends(place: Place) -> None:
    made, first = fitted(place, Training())
    place.forget()
    assert isinstance(made, FittedModule)
    lent = {f"torch_module/{name}": tensor.numpy() for name, tensor in made.network.state_dict().items()}
    place.run.write_arrays(WARM_START, {**lent, "cnn/layers.1.weight": np.zeros((2, 2), np.float32)})
    _, again = fitted(place, Training())
    assert again[0]["loss"] < 0.9 * first[0]["loss"]


def test_weights_for_the_last_fit_leave_the_fits_on_folds_alone(place: Place) -> None:
    made, first = fitted(place, Training())
    place.forget()
    assert isinstance(made, FittedModule)
    lent = {f"torch_module/{name}": tensor.numpy() for name, tensor in made.network.state_dict().items()}
    place.run.write_arrays(WARM_LAST, lent)
    assert fitted(place, Training())[1][0]["loss"] == first[0]["loss"]
    _, last = fitted(replace(place, stem=LAST_FITS), Training())
    assert last[0]["loss"] < 0.9 * first[0]["loss"]


def test_a_broken_state_is_no_state(place: Place) -> None:
    fitted(place, Training(checkpoint_s=1e-6))
    place.run.path(place.state).write_bytes(b"torn")
    _, epochs = fitted(place, Training())
    assert len(epochs) == PARAMS.num_epochs


def test_workers_are_fixed_on_this_machine_and_elastic_on_a_cluster() -> None:
    growing = Training(1, 8, held=False)
    assert workers_of(growing) == (1, 8)
    assert workers_of(Training(1, 8)) == 8
    assert resources_of(growing, 2)["CPU"] == 2
    assert "CPU" not in resources_of(TWO, 2)
    assert trial_resources(TWO, 2) == {"CPU": 4}
