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
from assay.workflows.retrain import Asked, retrain
from assay.workflows.watch import look
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


def releases(storage: Storage) -> Releases:
    return Releases(Registry(Tracking(None, storage.root)))


def champion(storage: Storage) -> int | None:
    return releases(storage).roles("clicks")["champion"]  # type: ignore[no-any-return]


def test_a_world_that_changed_promotes_and_a_rollback_takes_it_back(storage: Storage) -> None:
    found = assay.retrain("clicks", Stream(1).rows(700, "concept"), storage.root, window="490")
    assert found["promoted"], found["reasons"]
    assert f"clicks/{champion(storage)}" == found["challenger"]
    assert releases(storage).rollback("clicks") == 1


def test_a_world_that_stayed_keeps_its_champion_and_says_why(storage: Storage) -> None:
    found = assay.retrain("clicks", Stream(2).rows(400), storage.root)
    assert not found["promoted"]
    assert found["reasons"][0].startswith("gain: ")
    assert champion(storage) == 1
    aliases = {one.number: one.aliases for one in releases(storage).registry.versions("clicks")}
    assert aliases[int(found["challenger"].partition("/")[2])] == ("challenger",)


def test_the_search_begins_with_the_settings_of_the_champion(storage: Storage) -> None:
    found = assay.retrain("clicks", Stream(3).rows(400), storage.root)
    before = storage.open_run(releases(storage).registry.version("clicks", "1").run)
    result, after = before.read_json("result.json"), storage.open_run(found["run"])
    members = next(row for row in result["leaderboard"] if row["name"] == result["winner"])["members"]
    settings = [row["params"] for row in result["leaderboard"] if row["name"] in (members or [result["winner"]])]
    first = after.read_json("trials/generation-0000.json")["proposals"]
    assert [entry["params"] for entry in first[: len(settings[:2])]] == settings[:2]
    assert len({json.dumps(entry["params"]) + entry["algorithm"] for entry in first}) == len(first)


def test_a_challenger_that_became_champion_is_retrained_on_all_rows_before(storage: Storage) -> None:
    first = assay.retrain("clicks", Stream(4).rows(700, "concept"), storage.root, window="490")
    second = assay.retrain("clicks", Stream(5).rows(400, "concept"), storage.root)
    assert second["judged_against"] == first["challenger"]
    assert second["train"] == first["train"] + first["held"] + 280


def test_the_same_submission_again_gives_the_recorded_outcome(storage: Storage) -> None:
    new, num_runs = Stream(6).rows(400), len(storage.runs())
    found = assay.retrain("clicks", new, storage.root, submission="nightly-1")
    assert assay.retrain("clicks", new, storage.root, submission="nightly-1") == found
    assert len(storage.runs()) == num_runs + 1


@pytest.mark.parametrize("stop", ["searched", "packed", "judging"])
def test_an_interrupted_retraining_goes_on_with_its_run(storage: Storage, stop: str) -> None:
    def interrupted(type: str, data: dict[str, Any]) -> None:
        if type == stop:
            raise KeyboardInterrupt

    asked = Asked("clicks", Stream(7).rows(400), submission=f"stopped-{stop}")
    with pytest.raises(KeyboardInterrupt):
        retrain(asked, run.Session(storage, interrupted))
    num_runs = len(storage.runs())
    left = Retrainings(storage).open(asked.submission, "clicks")
    assert left.read(OUTCOME) is None
    found = retrain(Asked("clicks", submission=asked.submission), run.Session(storage))
    assert found["run"] == left.read(RUN)["run"]  # type: ignore[index]
    assert len(storage.runs()) == num_runs


def test_too_few_new_rows_fit_nothing_and_say_so(storage: Storage) -> None:
    num_runs = len(storage.runs())
    found = assay.retrain("clicks", Stream(8).rows(120), storage.root)
    assert (found["promoted"], found["challenger"]) == (False, None)
    assert "60 labelled rows that neither model saw, at least 100 are needed" in found["reasons"][0]
    assert len(storage.runs()) == num_runs


def test_a_new_class_is_learned_and_never_promoted_by_itself(storage: Storage) -> None:
    new = Stream(9).rows(400).drop_columns(["y"])
    new = new.append_column("y", pa.array(["maybe" if row % 4 == 0 else ["no", "yes"][row % 2] for row in range(400)]))
    found = assay.retrain("clicks", new, storage.root)
    assert not found["promoted"]
    assert any("answers with the classes maybe, no, yes, not the classes no, yes" in why for why in found["reasons"])
    assert any("have a class that one of both does not know" in note for note in found["notes"])


def test_new_rows_that_lack_a_column_are_refused_by_its_name(storage: Storage) -> None:
    with pytest.raises(DataFault, match="column 'town': is missing from the new rows"):
        assay.retrain("clicks", Stream(10).rows(400).drop_columns(["town"]), storage.root)


def test_a_rule_out_of_bounds_is_a_fault_of_who_asks(storage: Storage) -> None:
    with pytest.raises(SpecFault, match=r"retrain\.holdout"):
        assay.retrain("clicks", Stream(10).rows(400), storage.root, holdout=2.0)


def test_the_command_line_reads_files_and_prints_the_outcome(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pacsv.write_csv(Stream(11).rows(400), tmp_path / "new.csv")
    words = ["retrain", "clicks", "--data", str(tmp_path / "new.csv"), "--storage", str(storage.root), "--json"]
    monkeypatch.setattr(sys, "argv", ["assay", *words, "--submission-id", "cli", "--min-gain", "0.5"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert (found["submission"], found["promoted"], found["held"]) == ("cli", False, 120)


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
