"""What `assay doctor` says of secrets that others can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.parts import Json
from assay.store.runs import Storage
from assay.store.tokens import Tokens
from assay.vocabulary import Scope
from assay.workflows.doctor import examine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of one's own, in which Ray looks for its token."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def finding(storage: Path, check: str) -> Json:
    (found,) = [row for row in examine(Storage(storage), clean=False) if row["check"] == check]
    return found


@pytest.mark.parametrize(("mode", "ok"), [(0o644, False), (0o640, False), (0o600, True)])
def test_a_token_of_ray_that_others_can_read_is_found(home: Path, mode: int, ok: bool) -> None:
    path = home / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("secret")
    path.chmod(mode)
    found = finding(home / "storage", "token of Ray")
    assert (found["ok"], found["fix"]) == (ok, "" if ok else f"chmod 600 {path}")


def test_a_ray_without_tokens_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    found = finding(home / "storage", "token of Ray")
    assert (found["ok"], found["fix"]) == (False, "export RAY_AUTH_MODE=token")


def test_tokens_of_servers_that_others_can_read_are_found(home: Path) -> None:
    tokens = Tokens(home / "storage")
    tokens.add("ci", [Scope.READ])
    assert finding(home / "storage", "tokens of servers")["ok"]
    tokens.path.chmod(0o644)
    assert finding(home / "storage", "tokens of servers")["fix"] == f"chmod 600 {tokens.path}"
