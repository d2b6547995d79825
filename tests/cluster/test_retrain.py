"""A model that a real run made is fitted again: promoted where the world changed, refused where it did not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest

import assay
from assay.cli import main
from assay.errors import DataFault, SpecFault
from assay.store.registry import Registry
from assay.store.releases import Releases
from assay.store.retrainings import OUTCOME, RUN, Retrainings
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from assay.workflows import run
from assay.workflows.retraining.retrain import Asked, retrain
from assay.workflows.retraining.watch import look
from measuring.simulated import Stream

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory, ray_cluster: None) -> Storage:
    """A storage with the champion `clicks/1`."""
    home = tmp_path_factory.mktemp("retrain")
    assay.Experiment(
        experiment="clicks", data={"train": Stream(0).rows(1_000), "label": "y"}, split={"folds": 3},
        algorithms=["logistic_regression", "decision_tree"], search={"trials": 4}, ensembles=["vote"],
    ).run(home)  # fmt: skip
    return Storage(home)


@pytest.fixture(autouse=True)
def first_is_champion(storage: Storage) -> None:
    """Begin each test with the champion that the run made."""
    releases(storage).promote("clicks", 1)


@pytest.fixture(scope="module")
def kept(storage: Storage) -> dict[str, Any]:
    """The outcome of a retraining in a world that stayed as it was."""
    return assay.retrain("clicks", Stream(2).rows(400), storage.root, submission="nightly-1")


def releases(storage: Storage) -> Releases:
    return Releases(Registry(Tracking(None, storage.root)))


def champion(storage: Storage) -> str:
    return f"clicks/{releases(storage).roles('clicks')['champion']}"


def test_a_world_that_stayed_keeps_its_champion_and_says_why(storage: Storage, kept: dict[str, Any]) -> None:
    assert not kept["promoted"]
    assert kept["reasons"][0].startswith("gain: ")
    assert champion(storage) == "clicks/1"


def test_a_challenger_that_lost_is_a_version_all_the_same(storage: Storage, kept: dict[str, Any]) -> None:
    numbers = [str(one) for one in releases(storage).registry.versions("clicks")]
    assert kept["challenger"] in numbers


def test_the_search_begins_with_the_settings_of_the_champion(storage: Storage, kept: dict[str, Any]) -> None:
    result = storage.open_run(releases(storage).registry.version("clicks", "1").run).read_json("result.json")
    members = next(row for row in result["leaderboard"] if row["name"] == result["winner"])["members"]
    rows = [row for row in result["leaderboard"] if row["name"] in (members or [result["winner"]])]
    first = storage.open_run(kept["run"]).read_json("trials/generation-0000.json")["proposals"]
    assert [entry["params"] for entry in first[: len(rows[:2])]] == [row["params"] for row in rows[:2]]
    assert len({json.dumps(entry["params"]) + entry["algorithm"] for entry in first}) == len(first)


def test_the_same_submission_again_gives_the_recorded_outcome(storage: Storage, kept: dict[str, Any]) -> None:
    num_runs = len(storage.runs())
    assert assay.retrain("clicks", storage=storage.root, submission="nightly-1") == kept
    assert len(storage.runs()) == num_runs


def test_a_world_that_changed_promotes_and_the_next_retraining_starts_from_there(storage: Storage) -> None:
    first = assay.retrain("clicks", Stream(4).rows(700, "concept"), storage.root, window="490")
    assert first["promoted"], first["reasons"]
    assert champion(storage) == first["challenger"]
    second = assay.retrain("clicks", Stream(5).rows(400, "concept"), storage.root, min_gain=1.0)
    assert second["judged_against"] == first["challenger"]
    assert second["train"] == first["train"] + first["held"] + 280
    assert releases(storage).rollback("clicks") == 1


def interrupted(storage: Storage, stop: str, submission: str) -> str:
    """Retrain until something is told, and return the run that is left."""

    def tell(type: str, data: dict[str, Any]) -> None:
        if type == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrain(Asked("clicks", Stream(7).rows(400), submission=submission), run.Session(storage, tell))
    left = Retrainings(storage).open(submission, "clicks")
    assert left.read(OUTCOME) is None
    return str((left.read(RUN) or {})["run"])


def test_an_interrupted_retraining_goes_on_with_its_run(storage: Storage) -> None:
    left, num_runs = interrupted(storage, "searched", "nightly-2"), len(storage.runs())
    found = retrain(Asked("clicks", submission="nightly-2"), run.Session(storage))
    assert (found["run"], len(storage.runs())) == (left, num_runs)


def test_a_watch_first_goes_on_with_what_one_before_it_left(storage: Storage) -> None:
    left = interrupted(storage, "judging", "watch-clicks-0001")
    seen = look(Asked("clicks"), run.Session(storage))
    assert seen.outcome is not None
    assert seen.outcome["run"] == left


def test_a_new_class_is_learned_and_never_promoted_by_itself(storage: Storage) -> None:
    rows = Stream(9).rows(600)
    labels = ["maybe" if row % 4 == 0 else label for row, label in enumerate(rows.column("y").to_pylist())]
    new = rows.drop_columns(["y"]).append_column("y", pa.array(labels))
    found = assay.retrain("clicks", new, storage.root)
    assert not found["promoted"]
    assert any("answers with the classes maybe, no, yes, not" in why for why in found["reasons"])
    assert any("have a class that one of both does not know" in note for note in found["notes"])


def test_new_rows_that_lack_a_column_are_refused_by_its_name(storage: Storage) -> None:
    with pytest.raises(DataFault, match="column 'town': is missing from the new rows"):
        assay.retrain("clicks", Stream(10).rows(400).drop_columns(["town"]), storage.root)


def test_a_rule_out_of_bounds_is_a_fault_of_who_asks(storage: Storage) -> None:
    with pytest.raises(SpecFault, match=r"retrain\.holdout"):
        assay.retrain("clicks", Stream(10).rows(400), storage.root, holdout=2.0)


def test_too_few_new_rows_fit_nothing_and_say_so(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pacsv.write_csv(Stream(11).rows(120), tmp_path / "new.csv")
    words = ["retrain", "clicks", "--data", str(tmp_path / "new.csv"), "--storage", str(storage.root), "--json"]
    monkeypatch.setattr(sys, "argv", ["assay", *words, "--submission-id", "few"])
    num_runs = len(storage.runs())
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert (found["submission"], found["promoted"], found["challenger"]) == ("few", False, None)
    assert "60 labelled rows that neither model saw, at least 100 are needed" in found["reasons"][0]
    assert len(storage.runs()) == num_runs


def test_a_watch_retrains_on_an_alarm_and_not_again_on_the_same_rows(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "seen.csv"
    asked, session = Asked("clicks", [str(file)], rule={"min_gain": 1.0}), run.Session(storage)
    pacsv.write_csv(Stream(12).rows(400), file)
    assert look(asked, session).outcome is None
    pacsv.write_csv(Stream(13).rows(400, "concept"), file)
    first = look(asked, session)
    assert "score" in first.alarms
    assert first.outcome is not None
    assert not first.outcome["promoted"]
    again = look(asked, session)
    assert again.outcome is None
    assert again.said == "0 labelled rows that no retraining had yet; 200 are waited for"
