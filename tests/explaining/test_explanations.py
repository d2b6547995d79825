"""Explanations of real models, held against what is known of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from assay.errors import SpecFault
from assay.explaining.explanation import Explainer, Explanation
from assay.explaining.grounds import ground_rows
from assay.model import Model

ALL_GROUNDS = 16 * 200  # evaluations that cover every coalition of four columns on every one of 200 training rows


def explained(model: Model, rows: pa.Table, **wishes: int) -> list[Explanation]:
    explainer = Explainer(model)
    return [explainer.explained(row, **wishes) for row in explainer.rows(rows, model.batch(rows))]


def parts(explanation: Explanation) -> dict[str, float]:
    return {part.column: part.contribution for part in explanation.contributions}


def test_a_linear_model_is_explained_by_its_weights(fit: Callable[..., Model], additive: pa.Table) -> None:
    model = fit(additive.drop_columns(["jump", "noise"]), "ridge", {"alpha": 1.0})
    base = pa.table({"up": [0.0, 1.0, 0.0], "down": [0.0, 0.0, 1.0]})
    zero, up, down = model.predict(base)[:, 0]
    means = {name: additive.column(name).to_numpy().mean() for name in ("up", "down")}
    (found,) = explained(model, pa.table({"up": [0.7], "down": [-0.2]}))
    assert parts(found) == pytest.approx(
        {"up": (up - zero) * (0.7 - means["up"]), "down": (down - zero) * (-0.2 - means["down"])}
    )


def test_an_additive_model_of_trees_is_explained_as_lightgbm_itself_explains_it(
    fit: Callable[..., Model], additive: pa.Table
) -> None:
    all_rows = {"bagging_fraction": 1.0, "early_stopping_rounds": 0}  # trees count the rows that they learned from
    model = fit(additive, "lightgbm", {"num_leaves": 2, "num_trees": 60, **all_rows})
    rows = additive.slice(0, 5)
    booster = model.members[0].fitted.booster  # type: ignore[attr-defined]
    fed = model.recipes["codes"].apply(model.batch(rows)).matrix()
    names = list(model.batch(rows).columns)
    for found, told_F in zip(
        explained(model, rows, evaluations=ALL_GROUNDS), booster.predict(fed, pred_contrib=True), strict=True
    ):
        assert [parts(found)[name] for name in names] == pytest.approx(told_F[:-1].tolist(), abs=1e-6)
        assert found.base == pytest.approx(told_F[-1], abs=1e-6)


@pytest.mark.parametrize("algorithm", ["lightgbm", "random_forest", "logistic_regression"])
def test_contributions_add_up_to_the_probability(fit: Callable[..., Model], people: pa.Table, algorithm: str) -> None:
    model, rows = fit(people, algorithm, {}), people.slice(0, 25)
    for found, said_K in zip(explained(model, rows), model.predict(rows), strict=True):
        assert found.of == found.prediction
        assert found.value == pytest.approx(said_K.max(), abs=1e-6)
        assert found.base + sum(parts(found).values()) == pytest.approx(found.value, abs=1e-9)
        sizes = [abs(part.contribution) for part in found.contributions]
        assert sizes == sorted(sizes, reverse=True)


def test_what_a_column_adds_to_all_classes_together_is_nothing(fit: Callable[..., Model], additive: pa.Table) -> None:
    y_N = additive.column("y").to_numpy()
    bands = additive.set_column(4, "y", pa.array(np.array(["low", "middle", "high"])[np.digitize(y_N, [-1, 2])]))
    model, row = fit(bands, "decision_tree", {"max_depth": 5}), bands.slice(4, 1)
    each = [parts(explained(model, row, of=place, evaluations=ALL_GROUNDS)[0]) for place in range(3)]
    assert max(map(abs, each[0].values())) > 0.02
    for name in each[0]:
        assert sum(one[name] for one in each) == pytest.approx(0, abs=1e-9)


def test_what_is_sampled_is_near_what_many_more_evaluations_say(fit: Callable[..., Model], people: pa.Table) -> None:
    model, rows = fit(people, "lightgbm", {}), people.slice(0, 6)
    long = [parts(one) for one in explained(model, rows, evaluations=1 << 16)]
    score = [
        (part.contribution - there[part.column]) / (part.standard_error or np.inf)
        for here, there in zip(explained(model, rows), long, strict=True)
        for part in here.contributions
    ]
    assert 0.2 < np.sqrt(np.mean(np.square(score))) < 1.5


def test_a_column_that_the_model_ignores_adds_nothing(fit: Callable[..., Model], additive: pa.Table) -> None:
    constant = additive.set_column(3, "noise", pa.array([0.0, 1e-9] * 100))
    model = fit(constant, "decision_tree", {"max_depth": 2})
    for found in explained(model, constant.slice(0, 10)):
        assert parts(found)["noise"] == 0


def test_the_base_is_the_mean_answer_for_training_rows(fit: Callable[..., Model], people: pa.Table) -> None:
    model = fit(people, "lightgbm", {})
    (found,) = explained(model, people.slice(3, 1), of=0)
    assert found.base == pytest.approx(model.predict(people)[:, 0].mean(), abs=0.01)


def test_the_rows_that_stand_in_are_whole_training_rows(fit: Callable[..., Model], people: pa.Table) -> None:
    model = fit(people, "decision_tree", {})
    ground, there = ground_rows(model), model.batch(people)
    assert ground is not None

    def rows(columns: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
        return sorted(zip(*(map(str, column.tolist()) for column in columns.values()), strict=True))

    assert rows(dict(ground.columns)) == rows(dict(there.columns))


def test_values_are_shown_as_they_were_sent(fit: Callable[..., Model], people: pa.Table) -> None:
    model = fit(people, "decision_tree", {})
    (found,) = explained(model, people.slice(0, 1))
    shown = {part.column: part.value for part in found.contributions}
    assert shown == people.drop_columns(["y"]).slice(0, 1).to_pylist()[0]
    assert (shown["age"], shown["plan"], shown["pays"] in (True, False)) == (None, None, True)


def test_a_class_that_the_model_does_not_know_is_refused(fit: Callable[..., Model], people: pa.Table) -> None:
    explainer = Explainer(fit(people, "decision_tree", {}))
    assert explainer.explained_class("stays") == explainer.model.classes.index("stays")
    with pytest.raises(SpecFault, match=r"'stay' is no class of this model.*'stays'"):
        explainer.explained_class("stay")
