"""Several versions and models at work: who answers whom, and what a version beside the champion may cost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.model import Model
from assay.store import artifact
from assay_serving import shadow
from assay_serving.desk import Answered, Desk
from assay_serving.routing import Routes, place_of
from assay_serving.settings import ModelPlan, ModelRef, Plan, VersionRef
from assay_serving.shadow import Mirror


def planned(champion: Path, name: str = "m", **beside: Any) -> ModelPlan:
    """Return the plan of a champion 1, a canary 2 and a shadow 3 where they are given."""
    canary, watching = beside.pop("canary", None), beside.pop("shadow", None)
    return ModelPlan(
        name=name,
        champion=VersionRef(version="1", path=str(champion)),
        canary=canary and VersionRef(version="2", path=str(canary)),
        shadow=watching and VersionRef(version="3", path=str(watching)),
        **beside,
    )


def follow(app: Any, *models: ModelPlan) -> Any:
    """Let an application follow a plan."""
    app.runner.run(app.desk.switch(Plan(models=list(models))))
    return app


@pytest.fixture
def app(open_app: Any, folders: dict[str, Path]) -> Any:
    """An application of one's own with the mixed model as m/1."""
    return open_app(folders["mixed"])


def asked(app: Any, row: dict[str, Any], key: str | None = None, path: str = "/invocations") -> str:
    """Return the version that answered."""
    headers = {} if key is None else {"x-assay-key": key}
    answer = app.post(path, json={"dataframe_records": [row]}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-assay-version"])


def test_a_canary_answers_its_share_of_the_keys_and_each_key_always_alike(
    app: Any, folders: dict[str, Path], row: dict[str, Any]
) -> None:
    follow(app, planned(folders["mixed"], canary=folders["mixed"], canary_share=0.3))
    first = [asked(app, row, str(key)) for key in range(60)]
    assert first == [asked(app, row, str(key)) for key in range(60)]
    assert 8 <= first.count("2") <= 28


def test_the_share_of_a_canary_is_kept_over_many_keys() -> None:
    plan = planned(Path("a"), canary="b", canary_share=0.1)
    routes = Routes.of(Plan(models=[plan]))
    versions = [routes.choose("m", None, str(key).encode()).version for key in range(20_000)]
    assert abs(versions.count("2") / 20_000 - 0.1) < 0.007  # three standard errors


def test_a_share_that_grows_keeps_the_keys_it_had() -> None:
    plan = planned(Path("a"), canary="b", canary_share=0.1)
    places = [place_of(plan, str(key).encode()) for key in range(2_000)]
    wider = planned(Path("a"), canary="b", canary_share=0.5)
    assert places == [place_of(wider, str(key).encode()) for key in range(2_000)]


def test_the_same_rows_without_a_key_get_the_same_version(
    app: Any, folders: dict[str, Path], row: dict[str, Any]
) -> None:
    follow(app, planned(folders["mixed"], canary=folders["mixed"], canary_share=0.5))
    rows = [{**row, "age": age} for age in range(20, 50)]
    assert [asked(app, one) for one in rows] == [asked(app, one) for one in rows]
    assert {asked(app, one) for one in rows} == {"1", "2"}


def test_both_versions_answer_under_their_own_address(app: Any, folders: dict[str, Path]) -> None:
    follow(app, planned(folders["mixed"], canary=folders["mixed"], canary_share=0.0))
    assert app.get("/v2/models/m").json()["versions"] == ["1", "2"]
    assert app.get("/v2/models/m/versions/2").headers["x-assay-version"] == "2"
    assert app.get("/v2/models/m/versions/3").status_code == 404


def test_the_metadata_says_which_version_has_which_role(app: Any, folders: dict[str, Path]) -> None:
    follow(app, planned(folders["mixed"], canary=folders["mixed"], canary_share=0.25, shadow=folders["mixed"]))
    roles = app.get("/v2/models/m").json()["parameters"]["release"]
    assert roles == {"champion": "1", "canary": "2", "canary_share": 0.25, "shadow": "3"}


def test_a_canary_that_cannot_be_loaded_leaves_the_champion_alone(
    app: Any, row: dict[str, Any], folders: dict[str, Path], tmp_path: Path
) -> None:
    follow(app, planned(folders["mixed"], canary=tmp_path, canary_share=1.0))
    assert asked(app, row) == "1"
    states = {entry["version"]: entry["state"] for entry in app.post("/v2/repository/index").json()}
    assert states == {"1": "READY", "2": "UNAVAILABLE"}


def test_several_models_answer_on_one_server(app: Any, row: dict[str, Any], folders: dict[str, Path]) -> None:
    follow(app, planned(folders["mixed"]), planned(folders["number"], "n"))
    numbers = {"instances": [[1.0, 2.0]]}
    assert asked(app, row) == "1"
    answer = app.post("/invocations", json=numbers, headers={"x-assay-model": "n"})
    assert list(answer.json()["predictions"][0]) == ["prediction"]
    assert {entry["name"] for entry in app.post("/v2/repository/index").json()} == {"m", "n"}


def test_a_model_that_is_broken_takes_no_other_down(
    app: Any, row: dict[str, Any], folders: dict[str, Path], tmp_path: Path
) -> None:
    follow(app, planned(folders["mixed"]), planned(tmp_path, "broken"))
    assert asked(app, row) == "1"
    assert app.get("/v2/models/broken").status_code == 404


def test_more_models_than_may_be_held_are_loaded_when_they_are_asked(folders: dict[str, Path]) -> None:
    async def held() -> list[int]:
        desk = Desk(max_loaded=1)
        await desk.switch(Plan(models=[planned(folders["mixed"]), planned(folders["number"], "n")]))
        sizes = []
        for name in ("m", "n", "m"):
            served = await desk.served(desk.routes.find(name))
            assert served.ref.name == name
            sizes.append(len(desk._loaded))
        return sizes

    assert asyncio.run(held()) == [1, 1, 1]


def test_a_name_that_is_planned_twice_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="planned twice"):
        Plan(models=[planned(folders["mixed"]), planned(folders["number"])])


class Watched:
    """An application with a shadow in another desk of this process, and a way to ask and wait for it."""

    def __init__(self, app: Any, ask: shadow.Ask) -> None:
        self.app, self.mirror = app, Mirror(app.desk, ask)
        app.desk.watching.append(self.mirror.watch)

    def ask(self, row: dict[str, Any], num_requests: int = 5) -> shadow.Comparison:
        for _ in range(num_requests):
            assert asked(self.app, row) == "1"
            self.app.runner.run(self.mirror.settled())
        (comparison,) = self.mirror.compared.values()
        return comparison


def test_a_shadow_is_asked_the_same_and_compared(app: Any, folders: dict[str, Path], row: dict[str, Any]) -> None:
    desk = Desk()
    follow(app, planned(folders["mixed"], shadow=folders["mixed"]))
    found = Watched(app, lambda ref, rows: shadow.answer(desk, ref, rows)).ask(row)
    assert (found.num_asked, found.num_failed, found.num_rows) == (5, 0, 5)
    assert (found.num_agreed, found.difference_sum) == (5, 0.0)


def test_a_shadow_that_says_something_else_is_seen_to(
    app: Any, folders: dict[str, Path], mixed_model: Model, row: dict[str, Any], tmp_path: Path
) -> None:
    desk = Desk()

    async def contrary(ref: ModelRef, rows: bytes) -> np.ndarray:
        return 1.0 - await shadow.answer(desk, ref, rows)

    follow(app, planned(folders["mixed"], shadow=artifact.pack(tmp_path / "again", mixed_model).folder))
    found = Watched(app, contrary).ask(row)
    assert (found.num_rows, found.num_agreed) == (5, 0)
    assert found.difference_sum > 0


def test_a_shadow_that_raises_changes_nothing_and_is_counted(
    app: Any, folders: dict[str, Path], row: dict[str, Any]
) -> None:
    async def crashing(ref: ModelRef, rows: bytes) -> np.ndarray:
        raise RuntimeError("crashed")

    follow(app, planned(folders["mixed"], shadow=folders["mixed"]))
    found = Watched(app, crashing).ask(row)
    assert (found.num_asked, found.num_failed, found.num_rows) == (5, 5, 0)


def test_a_shadow_that_hangs_is_asked_few_questions_at_a_time(
    app: Any, folders: dict[str, Path], row: dict[str, Any]
) -> None:
    async def hanging(ref: ModelRef, rows: bytes) -> np.ndarray:
        await asyncio.sleep(60)
        raise AssertionError

    follow(app, planned(folders["mixed"], shadow=folders["mixed"]))
    mirror = Mirror(app.desk, hanging)
    app.desk.watching.append(mirror.watch)
    for _ in range(shadow.MAX_ASKED + 5):
        assert asked(app, row) == "1"
    (comparison,) = mirror.compared.values()
    assert (comparison.num_asked, comparison.num_left_out) == (shadow.MAX_ASKED, 5)


def test_rows_reach_the_shadow_as_they_were_checked(app: Any, row: dict[str, Any]) -> None:
    seen: list[Answered] = []
    app.desk.watching.append(seen.append)
    asked(app, row)
    assert seen[0].table.to_pylist()[0]["age"] == row["age"]
    assert seen[0].prediction_NK.shape == (1, 2)
