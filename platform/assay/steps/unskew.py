"""Numbers with a heavy tail pulled in, so that a few far values do not outweigh all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from assay.batch import Batch
from assay.parts import Json, Step
from assay.spec.strict import Strict
from assay.steps import _sample
from assay.vocabulary import ColumnKind

NUM_KNOTS = 65
MIN_DISTINCT = 20


class Unskew(Step):
    """X."""

    takes = frozenset({ColumnKind.NUMERIC})

    class Params(Strict):
        to: Literal["normal", "yeo_johnson", "asinh"] = Field("normal", description="x")
        min_skew: float = Field(1.0, ge=0, description="x")
        sample_rows: int = Field(10_000, ge=10, le=1_000_000, description="x")

    def measure(self, batch: Batch) -> Json:
        return _sample.sampled(batch, batch.names(*self.takes), self.params.sample_rows)

    def merge(self, states: Sequence[Json]) -> Json:
        return _sample.merged(states, self.params.sample_rows)

    def finish(self, state: Json) -> Json:
        found = {}
        for name, values in state["values"].items():
            x_ND = np.array(values, float).reshape(len(values), -1)
            laws = [self._law(x_N[~np.isnan(x_N)]) for x_N in x_ND.T]
            if any(law is not None for law in laws):
                found[name] = laws
        return found

    def _law(self, x):
        from scipy.stats import norm, skew, yeojohnson_normmax

        if len(np.unique(x)) < MIN_DISTINCT or abs(skew(x)) < self.params.min_skew:
            return None
        if self.params.to == "normal":
            p = np.linspace(0, 1, NUM_KNOTS)
            q = np.quantile(x, p)
            z = norm.ppf(np.clip(p, 1e-3, 1 - 1e-3))
            u, inv = np.unique(q, return_inverse=True)
            zz = np.bincount(inv, z) / np.bincount(inv)
            return {"x": u.tolist(), "z": zz.tolist()}
        lo, mid, hi = np.quantile(x, [0.25, 0.5, 0.75])
        s = hi - lo or np.std(x)
        if self.params.to == "asinh":
            return {"mid": mid, "s": s / 2}
        lam = float(yeojohnson_normmax((x - mid) / s))
        return {"mid": mid, "s": s, "lam": lam}

    def apply(self, state: Json, batch: Batch) -> Batch:
        from scipy.stats import yeojohnson

        columns = {}
        for name, laws in state.items():
            x = batch.columns[name]
            out = np.array(x, float).reshape(len(batch), -1)
            for d, law in enumerate(laws):
                if law is None:
                    continue
                c = out[:, d]
                ok = ~np.isnan(c)
                if "x" in law:
                    c[ok] = np.interp(c[ok], law["x"], law["z"])
                elif "lam" in law:
                    c[ok] = yeojohnson((c[ok] - law["mid"]) / law["s"], law["lam"])
                else:
                    c[ok] = np.arcsinh((c[ok] - law["mid"]) / law["s"])
            columns[name] = out.reshape(x.shape)
        return batch.with_columns(columns, {name: batch.meaning[name] for name in columns})
