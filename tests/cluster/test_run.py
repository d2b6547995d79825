"""The main job on a small table, end to end: searched, combined, tested, packed, registered, taken up again."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import assay
from assay.cli import main
from assay.store import card
from assay.store.runs import Run, Storage
from assay.workflows.prepare import Rows, read_rows
from assay.workflows.ready import make_ready
from assay.workflows.run import Session, start

pytestmark = pytest.mark.cluster
NUM_ROWS, NUM_TRIALS, NUM_FOLDS = 300, 6, 3
ALGORITHMS = ["decision_tree", "logistic_regression", "k_nearest_neighbours"]
Verb = Callable[..., Any]


def table() -> pa.Table:
    """Return rows of every kind of column, with missing values, one identifier and one empty column."""
    draw = np.random.default_rng(0)
    age_N, spend_N = draw.integers(18, 80, NUM_ROWS), np.round(draw.lognormal(3, 1, NUM_ROWS), 2)
    plan_N, member_N = draw.choice(["basic", "plus", "pro"], NUM_ROWS), draw.random(NUM_ROWS) < 0.4
    pull_N = 0.08 * (age_N - 50) + 1.5 * (plan_N == "pro") - member_N + 0.7 * draw.normal(size=NUM_ROWS)
    gap_N = draw.random(NUM_ROWS) < 0.1
    words = ["came late but works", "all good with it", "broke after a day"]
    return pa.table(
        {
            "customer": [f"c{row:05d}" for row in range(NUM_ROWS)],
            "age": [None if gap else int(age) for gap, age in zip(gap_N, age_N, strict=True)],
            "spend": spend_N,
            "member": member_N,
            "plan": [None if gap else str(plan) for gap, plan in zip(gap_N[::-1], plan_N, strict=True)],
            "joined": pa.array(draw.integers(15 * 10**8, 16 * 10**8, NUM_ROWS) * 10**6, pa.timestamp("us")),
            "review": [f"{words[row % 3]} {row}" for row in range(NUM_ROWS)],
            "note": pa.nulls(NUM_ROWS, pa.string()),
            "house": draw.integers(0, 40, NUM_ROWS),
            "value": np.round(50 + 10 * pull_N, 3),
            "left": np.where(pull_N > 0, "yes", "no"),
        }
    )


def settings(train: Any, label: str = "left", **changed: Any) -> dict[str, Any]:
    data = {"train": train, "label": label, **changed.pop("data", {})}
    drop = {name: {"drop": True} for name in ("value", "left") if name != label}
    return {
        "experiment": "small",
        "seed": 5,
        "data": data,
        "columns": drop,
        "split": {"folds": NUM_FOLDS},
        "algorithms": ALGORITHMS,
        "search": {"trials": NUM_TRIALS},
        **changed,
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table as CSV; the storage lies beside it."""
    folder = tmp_path_factory.mktemp("small")
    pacsv.write_csv(table(), folder / "small.csv")
    return folder


@pytest.fixture(scope="module")
def result(home: Path, ray_cluster: None) -> assay.Result:
    """The run of the CSV file."""
    return assay.Experiment(**settings(str(home / "small.csv"))).run(home / "storage")


@pytest.fixture(scope="module")
def taken_up(home: Path, result: assay.Result) -> tuple[assay.Result, assay.Result, dict[str, bool]]:
    """A run of a DataFrame, broken off by hand and resumed: both results, and which fold files are as they were."""
    first = assay.Experiment(**settings(table().to_pandas())).run(home / "storage")
    run = Storage(home / "storage").open_run(first.json["run"])
    before = fold_files(run)
    for name in ("result.json", *list(before)[:2]):
        run.path(name).unlink()
    shutil.rmtree(run.model)
    second = assay.resume(run.id, home / "storage")
    after = fold_files(run)
    return first, second, {name: after.get(name) == time for name, time in before.items()}


def fold_files(run: Run) -> dict[str, int]:
    found = sorted(run.folder.glob("trials/*/fold-*"))
    return {str(path.relative_to(run.folder)): path.stat().st_mtime_ns for path in found if path.suffix == ".json"}


def scores(found: assay.Result) -> list[tuple[Any, ...]]:
    return [
        (row["name"], row["kind"], row["score"], row["low"], row["high"], row["params"])
        for row in found.json["leaderboard"]
    ]


def test_the_leaderboard_has_baseline_trials_and_ensembles_with_intervals(result: assay.Result) -> None:
    board = result.leaderboard
    assert board["kind"].value_counts().to_dict() == {"trial": NUM_TRIALS, "ensemble": 4, "baseline": 1}
    assert (board["low"] <= board["score"]).all()
    assert (board["score"] <= board["high"]).all()
    assert board["score"].is_monotonic_decreasing


def test_something_was_learned_and_the_dummy_is_last(result: assay.Result) -> None:
    board = result.leaderboard
    assert board.iloc[-1]["kind"] == "baseline"
    assert board.iloc[-1]["score"] == pytest.approx(0.5, abs=0.05)
    assert board.iloc[0]["score"] > 0.85


def test_no_ensemble_that_was_chosen_is_significantly_worse_than_the_best_trial(result: assay.Result) -> None:
    ensembles = result.leaderboard.query("kind == 'ensemble'")
    assert ensembles.iloc[0]["ties_with_best"]
    assert all(set(members) <= set(result.leaderboard["name"]) and members for members in ensembles["members"])


def test_the_test_is_scored_by_every_metric_with_an_interval(result: assay.Result) -> None:
    assert next(iter(result.test)) == "roc_auc"
    assert {"accuracy", "log_loss", "f1"} <= set(result.test)
    assert all(found["low"] <= found["score"] <= found["high"] for found in result.test.values())
    assert result.json["test_rows"] == NUM_ROWS // 5


def test_the_model_is_champion_and_loads_to_the_same_predictions(home: Path, result: assay.Result) -> None:
    assert result.json["model"] == "small/1"
    loaded = assay.load_model("small/1", home / "storage")
    np.testing.assert_array_equal(loaded.predict(table()), result.model.predict(table()))
    assert loaded.predict(table()).sum(axis=1) == pytest.approx(np.ones(NUM_ROWS), abs=1e-6)


def test_the_model_carries_rows_of_the_file_as_a_client_sends_them_and_its_scores(
    home: Path, result: assay.Result
) -> None:
    folder = Storage(home / "storage").open_run(result.json["run"]).model
    told = card.of(folder, result.model)
    assert (told["test"], told["test_rows"]) == (result.json["test"], result.json["test_rows"])
    rows = [row for (row,) in told["example"]["requests"]]
    assert (told["example"]["from"], len(rows)) == ("training", 3)
    plain = [name for name in rows[0] if name != "joined"]  # whose text is that of the file
    known = table().select(plain).to_pylist()
    assert all({name: row[name] for name in plain} in known for row in rows)


def test_columns_that_cannot_help_are_told_in_the_log(home: Path, result: assay.Result) -> None:
    events = Storage(home / "storage").open_run(result.json["run"]).events.read()
    (profiled,) = [event.data for event in events if event.type == "profiled"]
    assert profiled["dropped"] == {
        "customer": "nearly every value is different, like an identifier",
        "note": "every value is missing",
        "value": "left out by the experiment file",
    }
    assert profiled["columns"]["review"] == "text"


def test_one_free_cpu_gives_the_same_leaderboard(home: Path, result: assay.Result) -> None:
    import ray

    @ray.remote(num_cpus=3)
    class Occupant:
        def here(self) -> None:
            """Answer once the CPUs are taken."""

    held: list[Any] = []

    def tell(type: str, data: dict[str, Any]) -> None:
        if type == "searching":
            held.append(Occupant.remote())
            ray.get(held[0].here.remote())
        if type == "searched":
            ray.kill(held.pop())

    spec = assay.Experiment(**settings(str(home / "small.csv"))).spec
    found = start(spec, Session(Storage(home / "other"), tell))
    assert scores(assay.Result(found)) == scores(result)
    assert found["test"] == result.test


def test_a_data_frame_gives_the_same_leaderboard_as_the_file(
    result: assay.Result, taken_up: tuple[assay.Result, assay.Result, dict[str, bool]]
) -> None:
    assert scores(taken_up[0]) == scores(result)


def test_a_run_that_is_taken_up_fits_only_what_is_missing_and_ends_the_same(
    taken_up: tuple[assay.Result, assay.Result, dict[str, bool]],
) -> None:
    first, second, untouched = taken_up
    assert list(untouched.values()).count(False) == 2
    assert scores(second) == scores(first)
    assert second.test == first.test


def test_resuming_a_finished_run_gives_its_result(home: Path, result: assay.Result) -> None:
    assert assay.resume(result.json["run"], home / "storage").json == result.json


def rows_of(train: Any, **changed: Any) -> Rows:
    memory = {} if isinstance(train, str) else {"train": train}
    return read_rows(assay.Experiment(**settings(train, **changed)).spec, 2, memory)


def test_every_form_of_the_rows_gives_the_same_batches_and_folds(home: Path, ray_cluster: None) -> None:
    import ray

    spec = assay.Experiment(**settings(str(home / "small.csv"))).spec
    expected = make_ready(spec, rows_of(str(home / "small.csv")), 2)
    frame = pl.from_arrow(table())
    for train in (table(), table().to_pandas(), frame, frame.lazy(), ray.data.from_arrow(table())):
        found = make_ready(spec, rows_of(train), 2)
        np.testing.assert_array_equal(found.rows.folds.fold_RN, expected.rows.folds.fold_RN)
        np.testing.assert_array_equal(found.rows.test_row_N, expected.rows.test_row_N)
        for name, batch in expected.batches.items():
            np.testing.assert_array_equal(found.batches[name].matrix(), batch.matrix(), err_msg=str(type(train)))
            np.testing.assert_array_equal(found.batches[name].label_N, batch.label_N)


def test_times_in_a_csv_file_are_ordered_as_numbers_and_dates(tmp_path: Path, ray_cluster: None) -> None:
    hour_N = np.random.default_rng(1).permutation(NUM_ROWS)
    for name, times in (("number", hour_N), ("date", np.datetime64("2024-01-01") + hour_N)):
        timed = table().append_column("when", pa.array(times))
        pacsv.write_csv(timed, tmp_path / f"{name}.csv")
        rows = rows_of(str(tmp_path / f"{name}.csv"), data={"time": "when"})
        assert hour_N[rows.test_row_N].min() > hour_N[rows.train_row_N].max()


def test_regression_over_time_is_searched_combined_and_tested(home: Path, ray_cluster: None) -> None:
    changed: dict[str, Any] = {"data": {"time": "joined"}, "search": {"trials": 3}, "experiment": "value"}
    algorithms = ["decision_tree", "ridge", "k_nearest_neighbours"]
    found = assay.Experiment(**settings(table(), "value", algorithms=algorithms, **changed)).run(home / "storage")
    assert found.json["task"] == "regression"
    assert found.leaderboard["score"].is_monotonic_increasing  # rmse: the least is the best
    assert {"rmse", "mae", "r2"} <= set(found.test)
    assert found.test["r2"]["score"] > 0.4
    assert found.model.predict(table()).shape == (NUM_ROWS, 1)


def test_many_classes_by_group_are_searched_combined_and_tested(home: Path, ray_cluster: None) -> None:
    three = np.array(["low", "middle", "high"])[np.digitize(table().column("value").to_numpy(), [45, 55])]
    rows = table().set_column(table().column_names.index("left"), "left", pa.array(three.tolist()))
    changed: dict[str, Any] = {"data": {"group": "house"}, "search": {"trials": 3}, "experiment": "level"}
    found = assay.Experiment(**settings(rows.to_pandas(), **changed)).run(home / "storage")
    assert (found.json["task"], found.json["metric"]) == ("multiclass", "log_loss")
    assert found.model.classes == ("high", "low", "middle")
    assert "house" not in [column.name for column in found.model.profile.used]
    assert found.test["log_loss"]["score"] < np.log(3)


@pytest.fixture(scope="module")
def deciding(home: Path, ray_cluster: None) -> assay.Result:
    """A run with weighted classes, for the metric f1."""
    changed: dict[str, Any] = {"metric": "f1", "class_weight": "balanced", "threshold": 0.8, "experiment": "strict"}
    rows = table().slice(0, NUM_ROWS)
    spec = settings(rows, search={"trials": 3}, algorithms=ALGORITHMS[:2], calibration="temperature", **changed)
    return assay.Experiment(**spec).run(home / "storage")


def test_the_test_judges_calibrated_probabilities_and_decided_answers(deciding: assay.Result) -> None:
    assert deciding.json["calibration"]["method"] == "temperature"
    assert deciding.json["decision"]["threshold"] == pytest.approx(0.8)
    assert deciding.json["decision"] == deciding.model.card["decision"]
    rows = deciding.model.answer_table(table())
    positive_N = rows["probability_yes"].to_numpy() > 0.8
    assert rows["prediction"].to_pylist() == np.where(positive_N, "yes", "no").tolist()


@pytest.fixture
def verb(home: Path, result: assay.Result, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Return a function that runs a verb with --json beside the run's storage and returns what it printed."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("ASSAY_STORAGE", str(home / "storage"))

    def run(*words: object) -> Any:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, words), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert not ended.value.code, told.err
        return json.loads(told.out)

    return run


def test_predict_writes_a_row_for_each_row_in_order(verb: Verb, home: Path, result: assay.Result) -> None:
    assert verb("predict", "small/1", "small.csv", "--out", home / "said.csv")["rows"] == NUM_ROWS
    said = pd.read_csv(home / "said.csv")
    assert list(said.columns) == ["row", "prediction", "probability_no", "probability_yes"]
    assert said["row"].tolist() == list(range(NUM_ROWS))
    np.testing.assert_allclose(said["probability_yes"], result.model.predict(table())[:, 1], atol=1e-6)


def test_predict_evaluate_and_pyfunc_decide_as_the_model_does(verb: Verb, home: Path, deciding: assay.Result) -> None:
    import mlflow

    verb("predict", "strict/1", "small.csv", "--out", home / "strict.parquet")
    said, expected = pd.read_parquet(home / "strict.parquet"), deciding.model.answer_table(table()).to_pandas()
    assert said["prediction"].tolist() == expected["prediction"].tolist()
    mlflow.set_tracking_uri(f"sqlite:///{home / 'storage'}/mlflow.db")
    loaded = mlflow.pyfunc.load_model("models:/strict@champion")
    assert loaded.predict(table().to_pandas())["prediction"].tolist() == expected["prediction"].tolist()
    right = (expected["prediction"] == table()["left"].to_pandas()).mean()
    assert verb("evaluate", "strict/1", "small.csv")["scores"]["accuracy"]["score"] == pytest.approx(right)


def test_evaluate_scores_the_metric_that_is_asked_for_first(verb: Verb) -> None:
    found = verb("evaluate", "small/1", "small.csv", "--metric", "accuracy")
    assert (found["model"], found["rows"], next(iter(found["scores"]))) == ("small/1", NUM_ROWS, "accuracy")
    assert found["scores"]["accuracy"]["score"] > 0.8


def test_leaderboard_prints_what_the_run_gave(verb: Verb, result: assay.Result) -> None:
    assert verb("leaderboard", result.json["run"]) == result.json


def test_models_promote_and_rollback_move_the_champion(
    verb: Verb, taken_up: tuple[assay.Result, assay.Result, dict[str, bool]]
) -> None:
    def champion() -> int:
        (found,) = [m for m in verb("models") if m["name"] == "small" and "champion" in m["aliases"]]
        return int(found["version"])

    assert champion() == 1  # the second scores the same, and only a better one takes over
    alone = {"model": "small", "canary": None, "shadow": None, "canary_share": None, "problem": None}
    assert verb("promote", "small", 2) == {**alone, "champion": 2}
    assert champion() == 2
    assert verb("rollback", "small") == {**alone, "champion": 1}
    assert champion() == 1


def test_init_writes_a_file_that_plan_and_render_read(verb: Verb, home: Path) -> None:
    assert verb("init", "small.csv", "--label", "left", "--force") == {"file": "small.yaml", "experiment": "small"}
    plan = verb("plan", "small.yaml")
    assert (plan["task"], plan["split"], plan["rows_seen"]) == ("binary", "stratified", NUM_ROWS)
    assert plan["dropped"]["note"] == "every value is missing"
    assert verb("render", "small.yaml")["search"]["trials"] == 40


def test_parts_lists_every_shelf_with_settings(verb: Verb) -> None:
    assert {row["shelf"] for row in verb("parts")} >= {"algorithms", "metrics", "steps"}
    (tree,) = [row for row in verb("parts", "algorithms") if row["name"] == "decision_tree"]
    assert all(setting["meaning"] for setting in tree["settings"])


def test_doctor_looks_at_everything_it_names(verb: Verb) -> None:
    found = verb("doctor")
    assert {"python", "ray", "storage", "leftovers of crashes"} <= {row["check"] for row in found}
    assert all(row["ok"] for row in found if row["check"] != "free memory")
