"""Random convolutions: what is kept of them is what was fitted, to the last digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.algorithms import _ridge_head
from assay.vocabulary import Shelf


@pytest.mark.parametrize("sureness", [2.0**-0.75, 1.0, 2.0**0.25])
def test_a_loaded_model_predicts_what_was_fitted(
    model: Any, rows: pa.Table, monkeypatch: pytest.MonkeyPatch, sureness: float
) -> None:
    monkeypatch.setattr(_ridge_head, "SURENESS", (sureness,))
    algorithm = catalog.make(Shelf.ALGORITHMS, "random_convolutions", {"num_features": 84})
    batch = model.recipes["raw"].packed(model.batch(rows))
    fitted = algorithm.fit(batch, seed=0)
    np.testing.assert_array_equal(algorithm.load(fitted.files()).predict(batch), fitted.predict(batch))
