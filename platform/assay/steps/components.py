"""Hundreds of numbers as fewer: the directions in which rows differ most, all wide columns taken together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from assay.batch import Batch, Column
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.steps._content import from_text, to_text
from assay.vocabulary import ColumnKind

NAME = "components"
LEAST = 1e-6  # of the first direction's variance; what is below is rounding


class Components(Step):
    """Replaces columns of many features by their leading components, float32; each column weighs the same before.

    For kernels, neighbours and linear models, whose time grows with the features: of 9,000 pictures seen as pixels and
    edges a radial kernel learned the same from 128 components in a tenth of the time.

    Source: Pearson 1901; Abdi, Williams and Valentin 2013, "Multiple factor analysis" (columns that weigh the same).

    Example:
        >>> wide_ND = np.random.default_rng(0).normal(size=(50, 40))
        >>> column = Column(ColumnKind.NUMERIC, features=tuple(f"f{place}" for place in range(40)))
        >>> batch = Batch({"x": wide_ND}, {"x": column}, np.arange(50))
        >>> _, changed = Components(Components.Params(num_components=5)).learn(batch, 0)
        >>> changed.columns["components"].shape
        (50, 5)
    """

    takes = frozenset({ColumnKind.NUMERIC})

    class Params(Strict):
        """Settings of the step."""

        num_components: int = Field(128, ge=1, le=4_096, description="numbers for each row, at most")
        min_features: int = Field(33, ge=2, description="features that a column must have to be taken")

    def columns(self, batch: Batch) -> list[str]:
        wide = (name for name in batch.names(*self.takes))
        return [name for name in wide if len(batch.meaning[name].features) >= self.params.min_features]

    def measure(self, batch: Batch) -> Json:
        from threadpoolctl import threadpool_limits

        x_ND = _side_by_side(batch, names := self.columns(batch))
        widths = [len(batch.meaning[name].features) for name in names]
        with threadpool_limits(1):  # the same bits on a machine with other CPUs to share the sums
            products_DD = x_ND.T @ x_ND
        sums = {"sum": to_text(x_ND.sum(axis=0)), "products": to_text(products_DD)}
        return {"count": len(x_ND), "names": names, "widths": widths, **sums}

    def merge(self, states: Sequence[Json]) -> Json:
        count = sum(state["count"] for state in states)
        sums = {
            name: to_text(np.sum([_numbers(state[name]) for state in states], axis=0)) for name in ("sum", "products")
        }
        return {**states[0], "count": count, **sums}

    def finish(self, state: Json) -> Json:
        if not state["names"]:
            return {"names": [], "mean": "", "projection": ""}
        from scipy.linalg import eigh
        from threadpoolctl import threadpool_limits

        count, mean_D = max(state["count"], 1), _numbers(state["sum"]) / max(state["count"], 1)
        spread_DD = _numbers(state["products"]).reshape(len(mean_D), -1) / count - np.outer(mean_D, mean_D)
        weight_D = np.concatenate([_weight(part) for part in _parts(np.diag(spread_DD), state["widths"])])
        kept = min(self.params.num_components, len(mean_D), count)
        with threadpool_limits(1):
            size_C, axis_DC = eigh(
                weight_D[:, None] * spread_DD * weight_D, subset_by_index=(len(mean_D) - kept, len(mean_D) - 1)
            )
        size_C, axis_DC = size_C[::-1], axis_DC[:, ::-1]
        axis_DC = axis_DC[:, size_C > LEAST * max(size_C[0], 1e-12)]
        largest = np.abs(axis_DC).argmax(axis=0)
        axis_DC = axis_DC * np.sign(axis_DC[largest, np.arange(axis_DC.shape[1])])  # else either sign would do
        projection_DC = weight_D[:, None] * axis_DC
        return {
            "names": state["names"],
            "mean": to_text(mean_D.astype("<f4")),
            "projection": to_text(projection_DC.astype("<f4")),
        }

    def apply(self, state: Json, batch: Batch) -> Batch:
        if not state["names"]:
            return batch
        mean_D = from_text(state["mean"], "<f4")
        projection_DC = from_text(state["projection"], "<f4").reshape(len(mean_D), -1).astype(np.float64)
        x_ND = _side_by_side(batch, state["names"]) - mean_D
        # In double precision, so that a row says the same among any others once it is rounded.
        component_NC = (x_ND @ projection_DC).astype(np.float32)
        features = tuple(f"component {place}" for place in range(component_NC.shape[1]))
        meaning = {NAME: Column(ColumnKind.NUMERIC, features=features)}
        return batch.with_columns({NAME: component_NC}, meaning, without=state["names"])


def _numbers(text: str) -> np.ndarray:
    return from_text.__wrapped__(text, "<f8")  # read once: not to be remembered


def _side_by_side(batch: Batch, names: Sequence[str]) -> np.ndarray:
    arrays = [batch.columns[name].astype(np.float64) for name in names]
    return np.hstack(arrays) if arrays else np.zeros((len(batch), 0))


def _parts(array: np.ndarray, widths: Sequence[int]) -> list[np.ndarray]:
    return np.split(array, np.cumsum(widths)[:-1])


def _weight(variance_D: np.ndarray) -> np.ndarray:
    """Return one weight for a column's features, so that their variance is 1 together."""
    return np.full(len(variance_D), 1 / np.sqrt(max(float(variance_D.sum()), 1e-12)))
