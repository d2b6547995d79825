"""Two real models on the same rows: what they say, of the classes of the champion, and how long one row takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.recipe import Recipe
from assay.spec.retraining import RetrainSpec
from assay.vocabulary import Shelf
from assay.workflows.retraining import judging
from measuring.simulated import METRIC, Stream, model_of


@pytest.fixture(scope="module")
def champion() -> Model:
    return replace(model_of(Stream(0).rows(400)), card={"metric": METRIC})


@pytest.mark.parametrize(("drift", "promotes"), [("none", False), ("concept", True)])
def test_a_challenger_of_the_world_as_it_is_now_wins_where_that_changed(
    champion: Model, drift: str, promotes: bool
) -> None:
    stream = Stream(1)
    challenger, held = model_of(stream.rows(400, drift)), stream.rows(300, drift)
    assert judging.verdict(champion, challenger, held, RetrainSpec(), seed=0).promote is promotes


def test_both_are_timed_on_single_rows(champion: Model) -> None:
    alone_ms, other_ms = judging.latencies_ms(champion, champion, Stream(2).rows(50))
    assert 0.5 < alone_ms / other_ms < 2
    assert 0.01 < alone_ms < 1_000


class Slow(Model):
    """A model that takes its time."""

    def predict(self, table: pa.Table) -> np.ndarray:
        for _ in range(60):
            found = super().predict(table)
        return found


def test_a_slow_challenger_is_told_by_its_time(champion: Model) -> None:
    slow = Slow(**vars(model_of(Stream(3).rows(400, "concept"))))
    judged = judging.verdict(champion, slow, Stream(4).rows(300, "concept"), RetrainSpec(), seed=0)
    assert [check.name for check in judged.checks if not check.passed] == ["latency"]


def test_probabilities_are_those_of_the_classes_of_the_champion(champion: Model) -> None:
    more = replace(champion.profile.label, classes=("maybe", *reversed(champion.classes)))
    other = replace(champion, profile=replace(champion.profile, label=more))
    found = judging.of_classes(np.array([[0.5, 0.4, 0.1], [1.0, 0.0, 0.0]]), other, champion)
    np.testing.assert_allclose(found, [[0.2, 0.8], [0.5, 0.5]])


def regression(rows: pa.Table) -> Model:
    kind = catalog.make(Shelf.KINDS, "tabular")
    profile = kind.profile(kind.summarise(rows, np.arange(rows.num_rows), 0), "y", None, {}, None)
    learned = catalog.make(Shelf.ALGORITHMS, "ridge", {}).fit(kind.to_batch(rows, profile).packed(), seed=0)
    member = Member("ridge", "ridge", {}, "dense", learned)
    return Model("tabular", profile, {"dense": Recipe(())}, (member,), card={"metric": "rmse"})


def numbers(seed: int, slope: float) -> pa.Table:
    draw = np.random.default_rng(seed)
    x_N = draw.normal(size=300)
    return pa.table({"x": x_N, "y": slope * x_N + 0.3 * draw.normal(size=300)})


@pytest.mark.parametrize(("slope", "promotes"), [(1.0, False), (2.0, True)])
def test_numbers_are_judged_alike(slope: float, promotes: bool) -> None:
    models = regression(numbers(0, 1.0)), regression(numbers(1, slope))
    judged = judging.verdict(*models, numbers(2, slope), RetrainSpec(), seed=0)
    assert judged.promote is promotes, judged.reasons
