from __future__ import annotations

import time
from pathlib import Path

import pytest

from assay.errors import ClusterFault
from assay.store.tracking import Tracking, TrialRecord

TRIALS = [
    TrialRecord(f"lightgbm-{index}", {f"leaves {leaf}": leaf for leaf in range(8)}, {"roc_auc": index / 40})
    for index in range(40)
]


def runs(tracking: Tracking, experiment: str) -> list:  # type: ignore[type-arg]
    client = tracking.client()
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def test_a_run_is_recorded_with_what_was_tried(tracking: Tracking) -> None:
    tracking.record_run("a-1", "whole", params={"seed": 7}, metrics={"roc_auc": 0.9}, tags={"data": "adult"})
    (run,) = runs(tracking, "whole")
    assert (run.data.params, run.data.metrics, run.data.tags["data"]) == ({"seed": "7"}, {"roc_auc": 0.9}, "adult")
    assert run.info.status == "FINISHED"


def test_forty_trials_are_recorded_below_their_run(tracking: Tracking) -> None:
    parent = tracking.record_run("b-1", "forty", trials=TRIALS)
    children = [run for run in runs(tracking, "forty") if run.data.tags.get("mlflow.parentRunId") == parent]
    assert sorted(child.info.run_name for child in children) == sorted(trial.name for trial in TRIALS)


def test_the_epochs_of_a_network_are_metrics_with_a_step(tracking: Tracking) -> None:
    epochs = [{"loss": 1 / epoch, "judged_loss": None} for epoch in range(1, 251)]
    for _ in range(2):  # recorded again, nothing is doubled
        parent = tracking.record_run("b-3", "epochs", trials=[TrialRecord("cnn-00", epochs=epochs)])
    (child,) = [run for run in runs(tracking, "epochs") if run.data.tags.get("mlflow.parentRunId") == parent]
    kept = tracking.client().get_metric_history(child.info.run_id, "epoch.loss")
    assert [entry.step for entry in kept][:2] == [1, 4]
    assert kept[-1].step == 250
    assert kept[-1].value == 1 / 250
    assert len(kept) <= 101


def test_recording_forty_trials_takes_less_than_two_seconds_of_cpu(tracking: Tracking) -> None:
    tracking.client()
    start_s = time.process_time()
    tracking.record_run("b-2", "forty", trials=TRIALS)
    assert time.process_time() - start_s < 2


def test_recording_a_run_again_brings_it_up_to_date(tracking: Tracking) -> None:
    for score in (0.5, 0.6):
        tracking.record_run("c-1", "again", params={"seed": 7}, metrics={"roc_auc": score}, trials=TRIALS[:2])
    found = runs(tracking, "again")
    assert len(found) == 3
    assert next(run.data.metrics for run in found if "assay.run" in run.data.tags) == {"roc_auc": 0.6}


def test_files_are_kept_below_the_storage(tracking: Tracking, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("fine")
    mlflow_run = tracking.record_run("d-1", "files", artifacts=[tmp_path / "report.html"])
    assert [file.read_text() for file in tracking.artifacts.rglob(f"{mlflow_run}/artifacts/report.html")] == ["fine"]


def test_nothing_is_written_into_the_working_folder(
    tracking: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Tracking(None, tracking.root).record_run("e-1", "elsewhere", metrics={"rmse": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_down_is_a_fault_that_a_retry_may_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ClusterFault, match=r"http://127\.0\.0\.1:9: failed .*nothing is lost") as fault:
        Tracking("http://me:secret@127.0.0.1:9", tmp_path).record_run("f-1", "down")
    assert fault.value.retry
