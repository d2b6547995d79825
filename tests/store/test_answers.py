"""A model that calibrates and decides says the same wherever it is asked, and a broken entry is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay.decision import Curve, Decision, Isotonic, Temperature
from assay.engines.batch_predict import Predictor
from assay.errors import ArtifactFault
from assay.model import Model
from assay.store import artifact
from assay.store.pyfunc import _load_pyfunc
from assay.store.verify import Prover

TEMPERATURE = {"method": "temperature", "slope": 0.5, "bias": [0.0, 0.2], "floor": 1e-6}
CURVE = {"said": [0.0, 1.0], "true": [0.1, 0.9]}
HOSTILE: dict[str, dict[str, Any]] = {
    "a way that is not known": {"calibration": {**TEMPERATURE, "method": "magic"}},
    "a key that is not known": {"calibration": {**TEMPERATURE, "run": "me"}},
    "a slope that turns the order": {"calibration": {**TEMPERATURE, "slope": -1.0}},
    "a number that is not finite": {"calibration": {**TEMPERATURE, "slope": float("nan")}},
    "a bias that overflows": {"calibration": {**TEMPERATURE, "bias": [0.0, 1e308]}},
    "another number of classes": {"calibration": {**TEMPERATURE, "bias": [0.0, 0.1, 0.2]}},
    "no floor": {"calibration": {**TEMPERATURE, "floor": 0.0}},
    "a curve that falls": {"calibration": {"method": "isotonic", "curves": [{**CURVE, "true": [0.9, 0.1]}]}},
    "a curve with a knot too few": {"calibration": {"method": "isotonic", "curves": [{**CURVE, "true": [0.9]}]}},
    "a curve above 1": {"calibration": {"method": "isotonic", "curves": [{**CURVE, "true": [0.1, 7.0]}]}},
    "a curve too many": {"calibration": {"method": "isotonic", "curves": [CURVE, CURVE]}},
    "text": {"calibration": "none"},
    "a weight of nothing": {"decision": {"weights": [0.0, 1.0]}},
    "weights for other classes": {"decision": {"weights": [1.0, 1.0, 1.0]}},
    "a decision that is a list": {"decision": [0.5]},
}


@pytest.fixture
def deciding(model: Model) -> Model:
    """The small model, too sure by half, that says yes from a probability of 0.7 on."""
    return replace(
        model,
        calibration=Temperature(slope=0.5, bias=(0.0, 0.2), floor=1e-6),
        decision=Decision.at_threshold(0.7),
    )


def test_a_reloaded_model_calibrates_and_decides_as_before(tmp_path: Path, deciding: Model, table: pa.Table) -> None:
    artifact.pack(tmp_path / "model", deciding)
    loaded = artifact.load(tmp_path / "model")
    assert (loaded.calibration, loaded.decision) == (deciding.calibration, deciding.decision)
    assert loaded.answer_table(table).equals(deciding.answer_table(table))


def test_the_answer_changes_with_the_threshold_and_the_probability_does_not(deciding: Model, table: pa.Table) -> None:
    strict, plain = deciding.answer_table(table), replace(deciding, decision=None).answer_table(table)
    yes_N = np.asarray(plain["probability_yes"])
    assert strict.drop(["prediction"]).equals(plain.drop(["prediction"]))
    assert strict["prediction"].to_pylist() == np.where(yes_N > 0.7, "yes", "no").tolist()
    assert strict["prediction"] != plain["prediction"]


def test_pyfunc_files_and_a_fresh_process_give_the_same(tmp_path: Path, deciding: Model, table: pa.Table) -> None:
    folder = tmp_path / "model"
    artifact.pack(folder, deciding)
    expected = deciding.answer_table(table)
    assert Predictor(str(folder))(table).equals(expected)
    assert pa.Table.from_pandas(_load_pyfunc(str(folder)).predict(table.to_pandas()), expected.schema).equals(expected)
    np.testing.assert_array_equal(
        Prover().verify(folder, table, deciding.predict(table))[:, 1], expected["probability_yes"]
    )


def test_curves_are_kept_too(model: Model, table: pa.Table) -> None:
    bent = replace(model, calibration=Isotonic(curves=(Curve(said=(0.0, 0.4, 1.0), true=(0.1, 0.1, 0.7)),)))
    assert Model.from_files(bent.files()).answer_table(table).equals(bent.answer_table(table))


@pytest.mark.parametrize("what", HOSTILE)
def test_a_broken_entry_is_refused(what: str, model: Model) -> None:
    content = model.files()
    described = {**json.loads(content["model.json"]), **HOSTILE[what]}
    with pytest.raises(ArtifactFault, match=r"model\.json (calibration|decision)"):
        Model.from_files({**content, "model.json": json.dumps(described).encode()})


def test_a_model_of_numbers_has_no_calibration(fit: Callable[[int], Model]) -> None:
    model = fit(2)
    numbers = replace(model.profile, label=replace(model.profile.label, classes=()))
    with pytest.raises(ArtifactFault, match="0 classes"):
        Model.from_files(
            replace(model, profile=numbers, calibration=Temperature(slope=1, bias=(0, 0), floor=1e-6)).files()
        )
