"""scikit-learn models: what their files may hold, threads, and estimators named by their path."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io

from assay import catalog
from assay.algorithms._estimator import adapted
from assay.batch import Batch, from_matrix
from assay.errors import ArtifactFault, SpecFault
from assay.parts import Algorithm
from assay.vocabulary import Shelf, Task


def table(num_classes: int = 2, num_rows: int = 200) -> Batch:
    draw = np.random.default_rng(0)
    x_NF = draw.normal(size=(num_rows, 4))
    signal_N = x_NF[:, 0] - x_NF[:, 1]
    y_N = np.digitize(signal_N, np.linspace(-1, 1, num_classes - 1)) if num_classes else signal_N
    return from_matrix(x_NF, y_N, num_classes)


def algorithm(key: str, **params: Any) -> Algorithm:
    return catalog.make(Shelf.ALGORITHMS, key, params)


def packed(estimator: Any, num_classes: int = 2) -> dict[str, bytes]:
    return {"model.skops": skops.io.dumps(estimator), "shape.json": json.dumps({"num_classes": num_classes}).encode()}


def rewritten(model: bytes, change: Callable[[str], str]) -> bytes:
    """Return skops' file with a changed schema: what a forger would do."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(model)) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content.decode()) if name == "schema.json" else content)
    return written.getvalue()


def test_a_file_that_asks_for_a_foreign_type_is_refused() -> None:
    from sklearn.preprocessing import FunctionTransformer

    files = packed(FunctionTransformer(func=json.dumps))
    with pytest.raises(ArtifactFault, match=r"types that this algorithm does not write: json"):
        algorithm("ridge").load(files)


@pytest.mark.parametrize("name", ["os.remove", "sklearn.datasets._base.remove", "sklearn.datasets._base.load_files"])
def test_an_estimator_by_path_trusts_classes_of_sklearn_only(name: str) -> None:
    module, _, function = name.rpartition(".")
    files = dict(algorithm("sklearn.naive_bayes:GaussianNB").fit(table(), seed=0).files())
    files["model.skops"] = rewritten(
        files["model.skops"],
        lambda schema: schema.replace('"GaussianNB"', f'"{function}"').replace("sklearn.naive_bayes", module),
    )
    with pytest.raises(ArtifactFault, match="does not write"):
        algorithm("sklearn.naive_bayes:GaussianNB").load(files)


def test_another_estimator_than_the_algorithms_own_is_refused() -> None:
    files = algorithm("logistic_regression").fit(table(), seed=0).files()
    with pytest.raises(ArtifactFault, match="holds a LogisticRegression"):
        algorithm("decision_tree").load(files)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_not_skops_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactFault, match="missing or broken"):
        algorithm("ridge").load({"model.skops": content, "shape.json": b'{"num_classes": 0}'})


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"num_classes": -1}', b'{"num_classes": "2"}', b'{"num_classes": 1}']
)
def test_a_broken_number_of_classes_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactFault, match=r"shape\.json"):
        algorithm("ridge").load({"shape.json": content})


def test_more_classes_in_the_model_than_in_the_shape_are_refused() -> None:
    files = {**algorithm("dummy").fit(table(3), seed=0).files(), "shape.json": b'{"num_classes": 2}'}
    with pytest.raises(ArtifactFault, match="does not know classes 0 to 1"):
        algorithm("dummy").load(files)


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**9), ("left_child", 0), ("feature", 99), ("feature", -9)]
)
def test_a_tree_that_points_outside_itself_is_refused(field: str, value: int) -> None:
    fitted = algorithm("decision_tree", min_samples_leaf=5).fit(table(), seed=0)
    tree = fitted.estimator.tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    with pytest.raises(ArtifactFault, match=r"a tree (points to nodes|splits on features)"):
        algorithm("decision_tree").load(fitted.files())


def test_a_tree_inside_a_forest_is_checked_too() -> None:
    fitted = algorithm("extra_trees", num_trees=3).fit(table(), seed=0)
    fitted.estimator.n_features_in_ = 1
    with pytest.raises(ArtifactFault, match="splits on features that rows do not have"):
        algorithm("extra_trees").load(fitted.files())


def test_a_histogram_tree_that_points_outside_itself_is_refused() -> None:
    boosted = algorithm("sklearn.ensemble:HistGradientBoostingClassifier", max_iter=3)
    fitted = boosted.fit(table(), seed=0)
    fitted.estimator._predictors[1][0].nodes["left"][0] = 4_000_000
    with pytest.raises(ArtifactFault, match="points to nodes"):
        boosted.load(fitted.files())


@pytest.mark.parametrize("key", ["decision_tree", "random_forest", "extra_trees"])
def test_threads_do_not_change_a_bit_of_a_forest(key: str) -> None:
    one, two = (algorithm(key).fit(table(3), seed=0, threads=threads).predict(table(3)) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_leaves_grow_with_the_rows_so_that_a_forest_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.algorithms._forest.MAX_LEAVES", 10)
    fitted = algorithm("random_forest", num_trees=2, min_samples_leaf=1).fit(table(), seed=0)
    assert all(tree.get_n_leaves() <= 10 for tree in fitted.estimator.estimators_)


@pytest.mark.parametrize(
    ("key", "num_classes"),
    [
        ("sklearn.svm:SVC", 3),
        ("sklearn.svm:LinearSVC", 2),
        ("sklearn.ensemble.HistGradientBoostingRegressor", 0),
        ("sklearn.ensemble.AdaBoostClassifier", 2),
        ("sklearn.neural_network:MLPRegressor", 0),
        ("sklearn.gaussian_process:GaussianProcessClassifier", 2),
        ("sklearn.linear_model:RidgeClassifier", 2),
        ("sklearn.cross_decomposition:PLSRegression", 0),
    ],
)
def test_an_estimator_of_sklearn_is_an_algorithm_as_it_is(key: str, num_classes: int) -> None:
    batch = table(num_classes)
    fitted = algorithm(key).fit(batch, seed=1)
    prediction_NK = fitted.predict(batch)
    np.testing.assert_array_equal(algorithm(key).load(fitted.files()).predict(batch), prediction_NK)
    if num_classes:
        np.testing.assert_allclose(prediction_NK.sum(axis=1), 1)
        assert (prediction_NK.argmax(axis=1) == batch.y_N).mean() > 0.8


def test_tasks_follow_from_what_the_estimator_is() -> None:
    assert catalog.find(Shelf.ALGORITHMS, "sklearn.svm:SVR").tasks == {Task.REGRESSION}
    assert catalog.find(Shelf.ALGORITHMS, "sklearn.svm:SVC").tasks == {Task.BINARY, Task.MULTICLASS}


def test_a_transformer_is_not_an_algorithm() -> None:
    from sklearn.preprocessing import StandardScaler

    with pytest.raises(SpecFault, match="neither classifies nor predicts numbers"):
        adapted(StandardScaler)


def test_a_setting_of_an_estimator_reaches_it() -> None:
    assert algorithm("sklearn.svm:SVC", C=7.5).fit(table(), seed=0).estimator.C == 7.5


def test_the_seed_is_the_experiments() -> None:
    forest = algorithm("sklearn.ensemble:RandomForestClassifier", n_estimators=3)
    assert forest.fit(table(), seed=5).estimator.random_state == 5
    with pytest.raises(SpecFault, match="unknown setting 'random_state'"):
        algorithm("sklearn.ensemble:RandomForestClassifier", random_state=1)


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SpecFault, match="did you mean 'max_iter'"):
        algorithm("sklearn.svm:SVC", max_itr=5)


def test_a_setting_out_of_bounds_says_what_sklearn_allows() -> None:
    with pytest.raises(SpecFault, match=r"params\.C: got -1.*float in the range \(0\.0, inf\]"):
        algorithm("sklearn.svm:SVC", C=-1)


def test_an_estimator_that_cannot_be_kept_safely_says_so_when_it_is_fitted() -> None:
    with pytest.raises(SpecFault, match="set algorithm: brute"):
        algorithm("sklearn.neighbors:KNeighborsClassifier", algorithm="kd_tree").fit(table(), seed=0)


def test_no_class_is_impossible_because_no_neighbour_has_it() -> None:
    x_N = np.repeat([0.0, 10.0], 50)
    batch = from_matrix(x_N[:, None], (x_N > 5).astype(np.int64), num_classes=2)
    assert algorithm("k_nearest_neighbours").fit(batch, seed=0).predict(batch).min() == pytest.approx(0.5 / 21)
