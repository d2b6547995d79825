"""Networks as people write them: each trains, or is refused before training with what it returned and what is due."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from assay.algorithms.torch_module import TorchModule
from assay.batch import Batch, from_matrix
from assay.engines import cluster
from assay.errors import ClusterFault, SpecFault
from assay.workflows.checking import read_experiment
from assay.workflows.networks import check_gpus

NETWORKS = """
import torch
from torch import nn

class Good(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(input_shape[0], 8), nn.ReLU(), nn.Linear(8, num_outputs))
    def forward(self, x):
        return self.layers(x)

def saying(name, answer, outputs=None):
    def __init__(self, input_shape, num_outputs):
        Good.__init__(self, input_shape, outputs or num_outputs)
    def forward(self, x):
        return answer(self.layers(x))
    globals()[name] = type(name, (Good,), {"__init__": __init__, "forward": forward})

class Answer:
    def __init__(self, logits):
        self.logits = logits

saying("Pair", lambda y: (y, y.detach()))
saying("Listed", lambda y: [y])
saying("Named", lambda y: {"logits": y, "state": y.detach()})
saying("Object", Answer)
saying("One", lambda y: y, 1)
saying("Flat", lambda y: y[:, 0], 1)
saying("Wide", lambda y: y[:, :, None])
saying("Five", lambda y: y, 5)
saying("Nan", lambda y: y * float("nan"))
saying("Whole", lambda y: y.argmax(dim=1))
saying("Word", lambda y: "yes")
saying("Nothing", lambda y: None)
saying("Cut", lambda y: y.detach())
saying("Missing", lambda y: {"first": y, "second": y})

class Lazy(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(num_outputs))
    def forward(self, rows):
        return self.layers(rows)

class Double(Good):
    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape, num_outputs)
        self.double()

class Unused(Good):
    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape, num_outputs)
        self.spare = nn.Linear(3, 3)

class Fixed(nn.Module):
    def __init__(self):
        super().__init__()

class Empty(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
    def forward(self, x):
        return x[:, :2]

class Norm(Good):
    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape, num_outputs)
        self.layers = nn.Sequential(nn.BatchNorm1d(input_shape[0]), self.layers)
"""
WORKING = ["Good", "Pair", "Listed", "Named", "Object", "One", "Flat", "Wide", "Lazy", "Double", "Unused", "Norm"]
REFUSED = {
    "Five": "returns a tensor of shape (8, 5) for 8 rows; expected numbers of shape (8, 2)",
    "Nan": "returns NaN",
    "Whole": "expected numbers of shape (8, 2)",
    "Word": "returns str",
    "Nothing": "returns NoneType",
    "Cut": "no parameter has a part in",
    "Missing": "a mapping of first, second",
    "Fixed": "cannot be called with input_shape",
    "Empty": "has no parameters",
}


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_nets.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("own_nets", None)
    return "own_nets"


def rows(num_classes: int = 2) -> Batch:
    x_NF = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    signal_N = x_NF[:, 0]
    return from_matrix(x_NF, (signal_N > 0).astype(np.int64) if num_classes else signal_N, num_classes=num_classes)


def made(module: str, **settings: int) -> TorchModule:
    return TorchModule(TorchModule.Params(module=module, num_epochs=1, **settings))


@pytest.mark.parametrize("name", WORKING)
def test_a_network_of_this_form_trains_and_is_kept(networks: str, name: str) -> None:
    algorithm = made(f"{networks}:{name}")
    algorithm.rehearse(rows())
    fitted = algorithm.fit(rows(), seed=0)
    np.testing.assert_array_equal(algorithm.load(fitted.files()).predict(rows()), fitted.predict(rows()))


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_of_this_form_is_refused_with_what_is_expected(networks: str, name: str) -> None:
    with pytest.raises(ValueError) as error:
        made(f"{networks}:{name}").rehearse(rows())
    assert REFUSED[name] in str(error.value)


def test_a_number_for_each_row_may_lack_the_axis_of_outputs(networks: str) -> None:
    made(f"{networks}:Flat").rehearse(rows(num_classes=0))


def test_batches_of_one_row_are_refused_where_a_layer_normalises_over_them(networks: str) -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        made(f"{networks}:Norm", batch_size=1).rehearse(from_matrix(rows().columns["x"][:1], np.zeros(1, int), 2))


def test_parameters_without_a_gradient_are_found(networks: str) -> None:
    from assay.training.rehearsal import unused_parameters

    for name, expected in (("Good", []), ("Unused", ["network.spare.weight", "network.spare.bias"])):
        job = made(f"{networks}:{name}").job(rows(), seed=0)
        assert unused_parameters(job.build(job.shape), job) == expected


def written(folder: Path, module: str) -> Path:
    file = folder / "experiment.yaml"
    file.write_text(
        "experiment: own\ndata: {train: rows.csv, label: y}\n"
        f"algorithms: [{{name: torch_module, params: {{module: '{module}'}}}}]\n"
    )
    return file


def test_a_module_beside_the_experiment_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    (tmp_path / "nets_beside.py").write_text(NETWORKS)
    read_experiment(written(tmp_path, "nets_beside:Good"))


@pytest.mark.parametrize("module", ["absent_nets:Net", "json:dumps", "json:Absent"])
def test_a_module_that_cannot_be_had_is_refused_with_the_file(
    tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(SpecFault, match=f"'{module}'"):
        read_experiment(written(tmp_path, module))


@pytest.mark.parametrize(("asked", "has", "refused"), [(1, 0, True), (0.5, 0, True), (1, 1, False), (2, 1, True)])
def test_gpus_that_are_not_there_are_refused(
    tmp_path: Path, asked: float, has: float, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    file = written(tmp_path, "assay.algorithms._module:Layers")
    file.write_text(file.read_text() + f"compute: {{gpus_per_fit: {asked}}}\n")
    experiment, told = read_experiment(file), []
    assert cluster.is_local(experiment.compute.address)
    if refused:
        with pytest.raises(ClusterFault, match="the cluster has"):
            check_gpus(experiment, has, lambda name, _: told.append(name))
    else:
        check_gpus(experiment, has, lambda name, _: told.append(name))
    joined = experiment.model_copy(
        update={"compute": experiment.compute.model_copy(update={"address": "ray://head:10001"})}
    )
    check_gpus(joined, has, lambda name, _: told.append(name))
    assert told == (["waiting"] if refused else [])
