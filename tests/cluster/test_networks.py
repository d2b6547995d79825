"""Networks in a whole run: one that fails says why, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import assay

pytestmark = pytest.mark.cluster
WILD = {"num_epochs": 30, "learning_rate": 10, "weight_decay": 10, "schedule": "constant", "patience": 0}


@pytest.fixture
def frame() -> pd.DataFrame:
    x_ND = np.random.default_rng(0).normal(size=(300, 3))
    return pd.DataFrame(x_ND, columns=[*"abc"]).assign(y=np.where(x_ND[:, 0] > 0, "yes", "no"))


def test_a_network_whose_loss_is_no_number_fails_in_words_and_the_run_goes_on(
    ray_cluster: None, frame: pd.DataFrame, tmp_path: Path
) -> None:
    result = assay.Experiment(
        experiment="wild",
        data={"train": frame, "label": "y"},
        algorithms=["logistic_regression", {"name": "torch_module", "params": WILD}],
        ensembles=[],
        search={"trials": 2},
        split={"folds": 2, "repeats": 1},
    ).run(tmp_path)
    assert result.json["winner"] == "logistic_regression-00"
    (failed,) = (tmp_path / "runs").glob("*/trials/*/failed.json")
    assert "use a learning_rate below 10" in failed.read_text()
