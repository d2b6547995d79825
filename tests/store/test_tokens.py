"""Tokens of a server: told once, kept as hashes that only their owner may read, refused when revoked or expired."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from assay.errors import ClusterFault, SpecFault
from assay.store.tokens import Tokens
from assay.vocabulary import Scope


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_kept_as_its_hash_alone(tmp_path: Path) -> None:
    secret, token = Tokens(tmp_path).add("ci", [Scope.READ, Scope.PREDICT, Scope.READ])
    kept = Tokens(tmp_path).path.read_text()
    assert secret not in kept
    assert secret.removeprefix("assay_") not in kept
    assert Tokens(tmp_path).all() == (token,)
    assert token.scopes == (Scope.READ, Scope.PREDICT)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_its_owner_may_read_what_is_kept(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        Tokens(tmp_path).add("ci", [Scope.READ])
    finally:
        os.umask(before)
    assert (mode(Tokens(tmp_path).path), mode(Tokens(tmp_path).folder)) == (0o600, 0o700)


def test_a_folder_that_others_could_read_is_closed(tmp_path: Path) -> None:
    Tokens(tmp_path).folder.mkdir(parents=True, mode=0o755)
    Tokens(tmp_path).add("ci", [Scope.READ])
    assert mode(Tokens(tmp_path).folder) == 0o700


def test_a_revoked_token_is_forgotten(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    for name in ("ci", "ops"):
        tokens.add(name, [Scope.READ])
    tokens.revoke("ci")
    assert [token.name for token in tokens.all()] == ["ops"]


def test_tokens_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: Tokens(tmp_path).add(f"t{index}", [Scope.READ]), range(16)))
    assert len(Tokens(tmp_path).all()) == 16


def test_a_token_expires(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    tokens.add("old", [Scope.READ], timedelta(seconds=-2))
    tokens.add("new", [Scope.READ], timedelta(days=1))
    assert [token.is_expired for token in tokens.all()] == [True, False]


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "x" * 65])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecFault, match="is no name"):
        Tokens(tmp_path).add(name, [Scope.READ])
    assert Tokens(tmp_path).all() == ()


def test_a_name_is_given_once(tmp_path: Path) -> None:
    Tokens(tmp_path).add("ci", [Scope.READ])
    with pytest.raises(SpecFault, match="is there already"):
        Tokens(tmp_path).add("ci", [Scope.ADMIN])


def test_revoking_a_name_that_is_not_there_says_which_is_near(tmp_path: Path) -> None:
    Tokens(tmp_path).add("ci-job", [Scope.READ])
    with pytest.raises(SpecFault, match="did you mean 'ci-job'"):
        Tokens(tmp_path).revoke("ci-jb")


@pytest.mark.parametrize("text", ["", "{}", "[{}]", '[{"name": "a", "digest": "plain text", "scopes": ["read"]}]'])
def test_a_broken_file_lets_nobody_in(tmp_path: Path, text: str) -> None:
    tokens = Tokens(tmp_path)
    tokens.add("ci", [Scope.READ])
    tokens.path.write_text(text)
    with pytest.raises(ClusterFault, match=r"tokens\.json: is broken"):
        tokens.all()


def test_a_linked_file_is_not_followed(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "storage")
    tokens.add("ci", [Scope.READ])
    (tmp_path / "other.json").write_text(json.dumps([]))
    tokens.path.unlink()
    tokens.path.symlink_to(tmp_path / "other.json")
    with pytest.raises(ClusterFault, match="cannot be read"):
        tokens.all()
