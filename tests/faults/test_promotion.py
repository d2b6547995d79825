"""A promotion that is killed at any of its writes leaves one champion, and can be taken up, rolled back and repeated.

What decided it stands in the retraining's record; the process that is killed does what `assay retrain` does after that.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.store import artifact
from assay.store.registry import CHALLENGER, CHAMPION, Registry
from assay.store.releases import CANARY, Releases
from assay.store.tracking import Tracking
from assay.workflows.retraining.retrain import conclude
from measuring.simulated import Stream, model_of

pytestmark = pytest.mark.faults
NAME, NUM_WRITES = "clicks", 15  # five writes, each before, after, and before it is committed
KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from assay.store.registry import Registry
from assay.store.releases import Releases
from assay.store.tracking import Tracking
from assay.workflows.retraining.retrain import conclude

releases = Releases(Registry(Tracking(None, Path(sys.argv[1]))))
releases.registry.versions("clicks")
left = [int(sys.argv[2])]

def die(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

open_writes = set()

def written(connection, cursor, statement, parameters, context, executemany):
    if statement.lstrip().split()[0].upper() in ("INSERT", "UPDATE", "DELETE"):
        open_writes.add(connection.engine)
        die()

def committed(connection):
    if connection.engine in open_writes:
        open_writes.discard(connection.engine)
        die()

event.listen(Engine, "before_cursor_execute", written)  # before a write, after it, and before it is committed
event.listen(Engine, "after_cursor_execute", written)
event.listen(Engine, "commit", committed)
print(conclude(releases, "clicks", 2, 3), int(sys.argv[2]) - left[0])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions: the second is champion after the first; the third, a canary too, has won."""
    home = tmp_path_factory.mktemp("made")
    found = Releases(Registry(Tracking(None, home / "storage")))
    for number in range(1, 4):
        folder = artifact.pack(home / str(number), model_of(Stream(number).rows(100))).folder
        found.registry.register(NAME, folder, run_id=f"run-{number}", experiment=NAME)
    found.promote(NAME, 1)
    found.promote(NAME, 2)
    found.canary(NAME, 3, 0.1)
    found.registry.promote(NAME, 3, CHALLENGER)
    return home / "storage"


@pytest.fixture
def releases(tmp_path: Path, made: Path) -> Releases:
    """The same in a storage of its own."""
    shutil.copytree(made, tmp_path / "storage")
    return Releases(Registry(Tracking(None, tmp_path / "storage")))


def killed_at(write: int, storage: Path) -> bool:
    """Promote version 3 in a process that is killed at its n-th write; whether it was."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(storage), str(write)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode in (0, -9), ended.stderr
    return ended.returncode == -9


def champions(releases: Releases) -> list[int]:
    return [one.number for one in releases.registry.versions(NAME) if CHAMPION in one.aliases]


@pytest.mark.parametrize("write", range(1, NUM_WRITES + 1))
def test_a_promotion_that_is_killed_leaves_one_champion_and_can_be_ended(
    write: int, releases: Releases, tmp_path: Path
) -> None:
    was_killed = killed_at(write, tmp_path / "storage")
    assert champions(releases) in ([[2], [3]] if was_killed else [[3]])
    assert conclude(releases, NAME, 2, 3) == ""
    assert champions(releases) == [3]
    roles = releases.roles(NAME)
    assert roles[CANARY] is None
    assert releases.rollback(NAME) == 2
    assert champions(releases) == [2]


@pytest.mark.parametrize("write", range(1, NUM_WRITES + 1))
def test_after_a_killed_promotion_a_person_can_roll_back_or_promote(
    write: int, releases: Releases, tmp_path: Path
) -> None:
    killed_at(write, tmp_path / "storage")
    before = champions(releases)
    assert releases.rollback(NAME) == before[0] - 1
    releases.promote(NAME, 3)
    assert champions(releases) == [3]
    assert releases.rollback(NAME) in (1, 2)


def test_the_writes_of_a_promotion_are_all_tried(releases: Releases, tmp_path: Path) -> None:
    assert not killed_at(NUM_WRITES + 1, tmp_path / "storage")
