"""An explanation of a row: who plays, what the model is asked, and what its answers say.

`explain` does no I/O: it yields batches and is sent their predictions, so that a server can predict them between other
requests, and a script at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from assay.batch import Batch
from assay.errors import SpecFault, did_you_mean
from assay.explaining import shapley
from assay.explaining.grounds import ground_rows, spread
from assay.explaining.rows import Row, of_forecast, of_table
from assay.forecasting.framing import Framed, Framing
from assay.forecasting.requests import framing_of
from assay.model import Model
from assay.seeds import generator

EVALUATIONS = 2_048  # of the model for each row, about
FEWEST_EVALUATIONS = 64
MOST_EVALUATIONS = 1 << 16
BLOCK_ROWS = 512  # that the model is asked about at a time, so that others get their turn
BLOCK_BYTES = 32 << 20
Asking = Generator[Batch, np.ndarray, "Explanation"]


@dataclass(frozen=True)
class Contribution:
    """What one column, patch, stretch or word adds to an answer, in the answer's scale."""

    column: str
    value: Any  # in this row, as JSON; None where it is missing or is more than one number
    contribution: float
    standard_error: float | None  # of sampling orders and training rows; None where nothing was sampled


@dataclass(frozen=True)
class Explanation:
    """Contributions, the greatest first: base + their sum = value."""

    prediction: Any
    of: str | None  # the class whose probability is explained; None for a number
    scale: str  # probability or value
    base: float  # the mean answer for the rows that stand in
    value: float
    contributions: tuple[Contribution, ...]
    at: Mapping[str, Any] = field(default_factory=dict)  # which series and time, of a forecast or a long table

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        told = asdict(self)
        return told if self.at else {name: value for name, value in told.items() if name != "at"}


class Explainer:
    """Explains rows of one model; the same row gets the same explanation, whatever stands beside it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._said_RK: np.ndarray | None = None  # of the ground rows, once they were asked about

    @cached_property
    def framing(self) -> Framing | None:
        """How the model frames series; None of a model that does not forecast."""
        return framing_of(self.model.card)

    @cached_property
    def ground(self) -> Batch | None:
        """The training rows that stand in for columns."""
        return ground_rows(self.model)

    def rows(self, table: pa.Table, batch: Batch, framed: Framed | None = None) -> list[Row]:
        """Return the rows of a batch, which was made of `table`, or of `framed` for a forecast."""
        if framed is not None:
            assert self.framing is not None
            return [of_forecast(self.framing, framed, batch, self.ground, place) for place in range(len(batch))]
        whole_texts = self.model.kind != "text"
        return [of_table(table, batch, self.ground, place, whole_texts) for place in range(len(batch))]

    def cost(self, row: Row, evaluations: int = EVALUATIONS) -> int:
        """Return how many coalitions the model is asked about for a row, at most, beside nobody and everybody."""
        z_MP = self._plan(row, evaluations).z_MP
        return int((z_MP.any(axis=1) & ~z_MP.all(axis=1)).sum())

    def explained_class(self, name: str | None) -> int | None:
        """Return the column of a prediction that holds a class; None for the predicted one, or for a number.

        Raises:
            SpecFault: the model knows no such class.
        """
        classes = self.model.classes
        if name is None:
            return None
        if name not in classes:
            fix = did_you_mean(name, classes) if classes else "leave it out"
            raise SpecFault.at("class", f"'{name}' is no class of this model", fix)
        return classes.index(name)

    def explain(self, row: Row, of: int | None = None, evaluations: int = EVALUATIONS) -> Asking:
        """Yield batches to predict, be sent prediction_NK of each, and return the explanation of a row."""
        if self._stratified(row) and self._said_RK is None:
            assert self.ground is not None
            self._said_RK = yield from _asked(row.num_bytes, len(self.ground), self.ground.take)
        own_1K = yield row.batch
        answer = self.model.answer(own_1K)[0]
        if of is None:
            of = self.model.classes.index(str(answer)) if self.model.classes else 0
        plan = self._plan(row, evaluations)
        z_MP, ground_M = plan.z_MP, self._grounds(row, plan, of)[plan.ground_M]
        first_U, index_M = row.distinct(z_MP, ground_M)
        z_UP, ground_U = z_MP[first_U], ground_M[first_U]
        said_UK = yield from _asked(row.num_bytes, len(z_UP), lambda at_n: row.shown(z_UP[at_n], ground_U[at_n]))
        value_M = row.level + row.unit * said_UK[:, of].astype(np.float64)[index_M]
        value_M[z_MP.all(axis=1)] = value = row.level + row.unit * float(own_1K[0, of])
        return self._told(row, answer, of, value, plan.shares(value_M))

    def explained(self, row: Row, of: int | None = None, evaluations: int = EVALUATIONS) -> Explanation:
        """Return the explanation of a row at once."""
        asking = self.explain(row, of, evaluations)
        batch = next(asking)
        while True:
            try:
                batch = asking.send(self.model.predict_batch(batch))
            except StopIteration as done:
                found: Explanation = done.value
                return found

    def _told(self, row: Row, answer: Any, of: int, value: float, shares: shapley.Shares) -> Explanation:
        mean_P, error_P = shares.mean_P, shares.error_P
        names = [name for some in row.playing for name in some.names]
        values = [shown for some in row.playing for shown in some.values]
        errors = [None] * len(names) if error_P is None else error_P.tolist()
        found = [
            Contribution(name, shown, share, error)
            for name, shown, share, error in zip(names, values, mean_P.tolist(), errors, strict=True)
        ]
        found.sort(key=lambda one: -abs(one.contribution))
        classes = self.model.classes
        if not classes:
            answer = value
        scale = "probability" if classes else "value"
        named = classes[of] if classes else None
        return Explanation(answer, named, scale, shares.base, value, tuple(found), row.at)

    def _plan(self, row: Row, evaluations: int) -> shapley.Plan:
        on_ground = row.on_ground
        num_grounds = 1 if on_ground is None else len(on_ground.ground)
        return shapley.plan(row.num_players, num_grounds, evaluations)

    def _stratified(self, row: Row) -> bool:
        """Whether training rows stand in for all that the model reads, so that it can be asked about them."""
        return row.on_ground is not None and len(row.playing) == 1

    def _grounds(self, row: Row, plan: shapley.Plan, of: int) -> np.ndarray:
        """Return the training row of each ground of a plan: spread over the answers, in an order that is chance."""
        on_ground, count = row.on_ground, plan.num_grounds
        if on_ground is None:
            return np.zeros(count, np.int64)
        if not self._stratified(row):
            return np.arange(count) % len(on_ground.ground)  # the sample is in an order that is chance already
        assert self._said_RK is not None
        found = spread(self._said_RK[:, of], count)
        return np.asarray(found[generator(0, "grounds", count).permutation(count)])


def _asked(
    row_bytes: int, num_rows: int, block: Callable[[np.ndarray], Batch]
) -> Generator[Batch, np.ndarray, np.ndarray]:
    """Yield rows in blocks, made as they are asked for, and return prediction_NK of all of them."""
    size, found = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, row_bytes))), []
    for start in range(0, num_rows, size):
        found.append((yield block(np.arange(start, min(start + size, num_rows)))))
    return np.concatenate(found)
