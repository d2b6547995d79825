"""Streams whose drift is known, and a model of theirs with its reference, as a run would leave it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from assay import catalog
from assay.model import Member, Model
from assay.parts import Json
from assay.recipe import Recipe
from assay.store import reference
from assay.vocabulary import Shelf
from assay.workflows.finalize import scores

NUMBERS = ("a", "b", "c", "d", "e", "f")
SHIFTED = ("a", "b", "c")  # by a standard deviation, in the covariate stream
TOWNS, TOWN_SHARES = ("Lima", "Oslo", "Rome"), (0.5, 0.3, 0.2)
METRIC, NUM_FOLDS = "roc_auc", 5


class Stream:
    """Rows drawn from a seed: six numbers (a tenth of `f` is missing), a town and a label of two classes."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)

    def rows(self, num_rows: int, drift: str = "none") -> pa.Table:
        """Draw rows; `drift` is none, covariate (three numbers move), label (its share) or concept (its law)."""
        drawn = self._drawn(num_rows * (8 if drift == "label" else 1), drift)
        if drift != "label":
            return drawn
        yes_N = np.array(drawn["y"]) == "yes"
        num_yes = int(0.8 * num_rows)
        kept = [*np.flatnonzero(yes_N)[:num_yes], *np.flatnonzero(~yes_N)[: num_rows - num_yes]]
        return drawn.take(self.chance.permutation(kept))

    def _drawn(self, num_rows: int, drift: str) -> pa.Table:
        x_NF = self.chance.normal(size=(num_rows, len(NUMBERS)))
        town_N = self.chance.choice(TOWNS, num_rows, p=TOWN_SHARES)
        if drift == "covariate":
            x_NF[:, : len(SHIFTED)] += 1
        sign = -1 if drift == "concept" else 1
        odds_N = 1.5 * sign * x_NF[:, 0] + x_NF[:, 3] + 0.8 * (town_N == "Rome") - 0.2
        yes_N = self.chance.random(num_rows) < 1 / (1 + np.exp(-odds_N))
        gone_N = self.chance.random(num_rows) < 0.1
        columns = {name: pa.array(x_NF[:, place]) for place, name in enumerate(NUMBERS)}
        columns["f"] = pa.array(x_NF[:, -1], mask=gone_N)
        return pa.table({**columns, "town": town_N, "y": np.where(yes_N, "yes", "no")})


@dataclass(frozen=True)
class Trained:
    """A model whose card holds its score out of fold, and the file of its reference."""

    model: Model
    reference: dict[str, bytes]

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that a version is registered with."""
        score: Json = self.model.card["out_of_fold"]
        ends = {f"assay.score_{end}": repr(score[end]) for end in ("low", "high")}
        return {"assay.metric": METRIC, "assay.score": repr(score["score"]), **ends}


def fitted(rows: pa.Table, test_rows: pa.Table) -> Trained:
    """Return LightGBM fitted on rows, with its score out of fold and what it says of test rows."""
    row_N = np.arange(rows.num_rows)
    said_NK = np.zeros((rows.num_rows, 2))
    for fold in range(NUM_FOLDS):
        held_N = row_N % NUM_FOLDS == fold
        said_NK[held_N] = model_of(rows.filter(pa.array(~held_N))).predict(rows.filter(pa.array(held_N)))
    model = model_of(rows)
    y_N = model.batch(rows).label_N
    score = scores(model, y_N, said_NK, METRIC, seed=0)[METRIC]
    card = {"metric": METRIC, "out_of_fold": score}
    return Trained(replace(model, card=card), reference.content(model.predict(test_rows), y_N, 0))


def model_of(rows: pa.Table) -> Model:
    """Return LightGBM fitted on rows."""
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(rows.num_rows), 0), "y", None, {}, "yes")
    params = {"num_trees": 60, "num_leaves": 8, "learning_rate": 0.1}
    batch = kind.to_batch(rows, profile)
    learned = catalog.make(Shelf.ALGORITHMS, "lightgbm", params).fit(batch.packed(), seed=0)
    member = Member("lightgbm", "lightgbm", params, "codes", learned)
    return Model("tabular", profile, {"codes": Recipe(())}, (member,))
