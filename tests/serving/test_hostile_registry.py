"""A server whose registry is edited at random goes on: answers are of the last good version or of the new one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from assay.engines.following import Problems
from assay.errors import AssayError
from assay.model import Model
from assay.store import artifact
from assay.store.registry import FORMER_TAG, Registry
from assay.store.releases import SHARE_TAG, Release
from assay.store.runs import Storage
from assay.store.tracking import Tracking
from assay.workflows.production import Production
from assay_serving.app import create_app
from assay_serving.desk import Desk
from assay_serving.settings import ModelPlan, ModelRef, Plan

NAME, NUM_VERSIONS, NUM_CLIENTS = "churn", 3, 4


class World:
    """A storage with versions of a model, somebody who breaks it, and a server in this process that follows it."""

    def __init__(self, root: Path, model: Model, seed: int) -> None:
        self.root, self.backup = root / "store", root / "backup"
        self.draw = np.random.default_rng(seed)
        registry = Registry(Tracking(None, self.root))
        for number in range(1, NUM_VERSIONS + 1):
            card = {**model.card, "calibration": None}
            artifact.pack(root / f"packed-{number}", replace(model, card={**card, "note": str(number)}))
            registry.register(NAME, root / f"packed-{number}", run_id=f"r{number}", experiment=NAME, tags={})
        registry.promote(NAME, 1)
        shutil.copytree(self.root, self.backup)
        self.production = Production(Storage(self.root), [NAME])
        self.desk, self.heard = Desk(), list[str]()
        self.problems = Problems(self.heard.append)

    @property
    def client(self) -> Any:
        """MLflow's client of the registry as it is."""
        return Tracking(None, self.root).client()

    @property
    def served(self) -> str:
        """The version that answers."""
        return self.desk.version

    @property
    def reported(self) -> bool:
        """Whether the last that was told is a problem."""
        return bool(self.heard) and self.heard[-1] != "follows again"

    def truth(self) -> tuple[str | None, bool]:
        """Return the champion that the registry says, None where it says none, and whether its files are whole."""
        number = None
        try:
            champion = Registry(Tracking(None, self.root)).champion(NAME)
            number = None if champion is None else str(champion.number)
            if number is not None:
                artifact.load(Registry(Tracking(None, self.root)).artifact_path(NAME, number))
        except (AssayError, OSError, ValueError):
            return number, False
        return number, number is not None

    async def look(self) -> None:
        """Follow the registry once, as `assay serve` does each second."""
        try:
            releases = await asyncio.to_thread(self.production.releases)
            await self.desk.switch(Plan(models=[_planned(release) for release in releases]))
            refused = [f"{name}/{version}: {why}" for (name, version), why in self.desk.refused.items()]
            self.problems.report([*self.production.problems, *refused])
        except Exception as error:  # whatever it is, it must not end the server
            self.problems.report_error(error)

    def repair(self) -> None:
        """Bring the storage back as it was in the beginning."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.backup, self.root)

    def edit(self) -> str:
        """Change something from outside; return what."""
        edits: Sequence[Callable[[], object]] = (
            self.promote, self.promote, self.take_alias, self.delete_champion, self.junk_tags, self.junk_canary,
            self.cut_file, self.remove_artifact, self.replace_database, self.older_database, self.move_storage,
        )  # fmt: skip
        chosen = edits[int(self.draw.integers(len(edits)))]
        try:
            chosen()
        except Exception as error:  # what is broken already cannot be edited
            return f"nothing ({type(error).__name__})"
        return str(getattr(chosen, "__name__", chosen))

    def _version(self) -> str:
        return str(1 + int(self.draw.integers(NUM_VERSIONS)))

    def promote(self) -> None:
        self.client.set_registered_model_alias(NAME, "champion", self._version())

    def take_alias(self) -> None:
        self.client.delete_registered_model_alias(NAME, "champion")

    def delete_champion(self) -> None:
        champion = Registry(Tracking(None, self.root)).champion(NAME)
        self.client.delete_model_version(NAME, str(champion.number if champion else self._version()))

    def junk_tags(self) -> None:
        self.client.set_registered_model_tag(NAME, FORMER_TAG, "yesterday, 2")
        self.client.set_model_version_tag(NAME, self._version(), "assay.score", "good")

    def junk_canary(self) -> None:
        self.client.set_registered_model_tag(NAME, SHARE_TAG, "half")
        self.client.set_registered_model_alias(NAME, "canary", self._version())

    def _folder(self) -> Path:
        manifests = sorted(self.root.rglob("manifest.json"))
        return manifests[int(self.draw.integers(len(manifests)))].parent

    def cut_file(self) -> None:
        file = max(self._folder().iterdir(), key=lambda file: file.stat().st_size if file.is_file() else 0)
        file.write_bytes(file.read_bytes()[:-7])

    def remove_artifact(self) -> None:
        shutil.rmtree(self._folder())

    def replace_database(self) -> None:
        (self.root / "mlflow.db").write_bytes(b"no database at all" * 300)

    def older_database(self) -> None:
        shutil.copy(self.backup / "mlflow.db", self.root / "mlflow.db")

    def move_storage(self) -> None:
        elsewhere = self.root.with_name("elsewhere")
        shutil.rmtree(elsewhere, ignore_errors=True)
        self.root.rename(elsewhere)


def _planned(release: Release) -> ModelPlan:
    def ref(placed: Any) -> ModelRef:
        return ModelRef(name=release.name, version=placed.version, path=str(placed.folder))

    canary = None if release.canary is None else ref(release.canary)
    return ModelPlan(
        name=release.name, champion=ref(release.champion), canary=canary, canary_share=release.canary_share
    )


async def survive(world: World, row: dict[str, Any], num_edits: int) -> int:
    """Edit, look and repair while clients ask; return how many requests were answered, all of them rightly."""
    await world.look()
    allowed, stop, answered = {world.served}, asyncio.Event(), 0
    transport = httpx.ASGITransport(create_app(world.desk), raise_app_exceptions=False)
    http = httpx.AsyncClient(transport=transport, base_url="http://here")

    async def ask() -> None:
        nonlocal answered
        while not stop.is_set():
            before = set(allowed)  # a request keeps the version that it began with
            answer = await http.post("/invocations", json={"dataframe_records": [row]})
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-assay-version"] in before | allowed
            answered += 1
            await asyncio.sleep(0)

    clients = [asyncio.create_task(ask()) for _ in range(NUM_CLIENTS)]
    for _ in range(num_edits):
        before = world.served
        what = await asyncio.to_thread(world.edit)
        champion, whole = await asyncio.to_thread(world.truth)
        right = champion if champion is not None and whole else before
        allowed |= {right}
        await world.look()
        assert not [client.exception() for client in clients if client.done()]
        assert world.served == right, what
        if champion != right:
            assert world.reported, f"{what} was not reported"
        if world.draw.random() < 0.7:  # some faults meet the next
            await asyncio.to_thread(world.repair)
            await world.look()
            assert world.served == "1"
            assert not world.reported
            allowed.intersection_update({"1"})
            wanted = answered + NUM_CLIENTS
            while answered < wanted:  # so that each state of the server is asked
                await asyncio.sleep(0)
                assert not [client.exception() for client in clients if client.done()]
    stop.set()
    await asyncio.gather(*clients)
    return answered


@pytest.mark.parametrize(
    ("num_edits", "seed"),
    [(12, 0), pytest.param(200, 1, marks=pytest.mark.faults)],
)
def test_every_request_gets_the_last_good_version_or_the_right_new_one(
    tmp_path: Path, mixed_model: Model, row: dict[str, Any], num_edits: int, seed: int
) -> None:
    world = World(tmp_path, mixed_model, seed)
    assert asyncio.run(survive(world, row, num_edits)) > num_edits
