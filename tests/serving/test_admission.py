"""Who may ask a real server: tokens are made and revoked while it runs, by the verbs; the tokens are kept nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.engines import serving
from assay.engines.admission import Admission
from assay.engines.serving import Scale, _refuse_too_large
from assay.errors import ClusterFault, SpecFault
from assay.store.releases import Release
from assay.store.tokens import Tokens
from assay.vocabulary import Scope

cluster = pytest.mark.cluster


def ran(storage: Path, *words: str) -> Any:
    """Return what `assay token WORDS --json` prints."""
    ended = CliRunner().invoke(app, ["token", *words, "--storage", str(storage), "--json"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_a_token_is_made_listed_and_revoked_by_the_verbs(tmp_path: Path) -> None:
    made = ran(tmp_path, "add", "ci", "--scope", "predict", "--scope", "read", "--expires", "90d")
    listed = ran(tmp_path, "list")
    assert made["token"].startswith("assay_")
    assert listed == [{key: value for key, value in made.items() if key != "token"}]
    assert (listed[0]["name"], listed[0]["scopes"], listed[0]["expired"]) == ("ci", ["predict", "read"], False)
    ran(tmp_path, "revoke", "ci")
    assert ran(tmp_path, "list") == []


@pytest.mark.parametrize("lifetime", ["soon", "5", "0d", "999999999w", "-1d"])
def test_a_lifetime_that_is_none_is_refused(tmp_path: Path, lifetime: str) -> None:
    words = ["token", "add", "ci", "--scope", "read", f"--expires={lifetime}", "--storage", str(tmp_path)]
    assert isinstance(CliRunner().invoke(app, words).exception, SpecFault)


def test_help_writes_what_is_to_be_given_as_the_pages_do() -> None:
    assert "{NAME}" in CliRunner().invoke(app, ["token", "add", "--help"]).output


@pytest.mark.parametrize("share", ["120%", "-1%", "1.5", "nan", "lots"])
def test_a_share_to_log_that_is_none_is_refused_by_its_option(tmp_path: Path, share: str) -> None:
    ended = CliRunner().invoke(app, ["serve", "m", f"--log={share}", "--storage", str(tmp_path)])
    assert str(ended.exception).startswith(f"--log: '{share}' is no share")


@pytest.mark.parametrize(("scale", "needed"), [(Scale(3), 3), (Scale(1, threads=4), 4), (Scale(2, fan_out=3), 4)])
def test_a_server_that_this_machine_has_no_cpus_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, scale: Scale, needed: int
) -> None:
    monkeypatch.setattr("assay.engines.cluster.num_cpus", lambda: 2)
    with pytest.raises(ClusterFault, match=rf"asks for {needed} CPUs, and this machine has 2\. Fix: .*--replicas"):
        _refuse_too_large(scale, "local")
    _refuse_too_large(Scale(2), "local")


def test_an_unknown_scope_is_refused_by_name(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["token", "add", "ci", "--scope", "write", "--storage", str(tmp_path)])
    assert (ended.exit_code, "predict" in ended.output) == (2, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_server_that_asks_for_tokens_needs_one_that_is_good(
    host: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_SERVE_TOKEN", raising=False)
    with pytest.raises(SpecFault, match="assay token add"):
        serving.start(Release.alone("demo", "1", folders["mixed"]), host, admission=Admission(tokens=()))


def test_what_is_deployed_holds_no_token(tmp_path: Path) -> None:
    secret, token = Tokens(tmp_path).add("ci", [Scope.READ])
    admission = Admission((token,))
    assert secret not in json.dumps(admission.planned())
    assert admission.secret not in json.dumps(admission.planned()) + repr(admission)


def test_who_may_ask_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SERVE_TOKEN", "mine")
    _, token = Tokens(tmp_path).add("ci", [Scope.READ, Scope.PREDICT])
    assert str(Admission((token,))) == "whoever has ASSAY_SERVE_TOKEN (admin); ci (read, predict)"
    monkeypatch.delenv("ASSAY_SERVE_TOKEN")
    assert (str(Admission(())), str(Admission())) == ("nobody", "everybody")


@pytest.fixture
def storage(served: Any, tmp_path: Path) -> Iterator[Path]:
    """A storage whose tokens the server was told last; after the test it is open again."""
    yield tmp_path
    served.admit(None)


@cluster
def test_tokens_are_known_and_refused_on_a_running_server(served: Any, http: httpx.Client, storage: Path) -> None:
    shown = {"Authorization": f"Bearer {ran(storage, 'add', 'ci', '--scope', 'read')['token']}"}

    def statuses() -> list[int]:
        served.admit(Tokens(storage).all())
        ways = (("GET", "/v2", {}), ("GET", "/v2", shown), ("POST", "/invocations", shown), ("GET", "/ping", {}))
        return [http.request(method, path, headers=headers).status_code for method, path, headers in ways]

    found = [statuses(), (ran(storage, "revoke", "ci"), statuses())[1]]
    assert found == [[401, 200, 403, 200], [401, 401, 401, 200]]


@cluster
def test_over_the_wire_an_answer_has_one_id_and_other_hosts_get_421(http: httpx.Client) -> None:
    answer = http.get("/v2", headers={"x-request-id": "one"})
    assert answer.headers.get_list("x-request-id") == ["one"]
    foreign = http.get("/v2", headers={"host": "evil.example", "x-request-id": "not an id"})
    assert foreign.status_code == 421
    assert " " not in foreign.headers["x-request-id"]
