"""Who may come in: every route asks for its scope, strangers learn nothing, only own names are answered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from assay.errors import SpecFault
from assay.store.tokens import digest_of
from assay.vocabulary import Scope
from assay_serving.access import Access, refuse_open_door
from assay_serving.faults import RequestFault
from assay_serving.hosts import HostNames
from assay_serving.openapi.route import said_of
from assay_serving.scopes import Way, way_of
from assay_serving.settings import ServeArgs, TokenRef

PUBLIC_PATHS = {"/v2/health/live", "/v2/health/ready", "/ping", "/health", "/", "/page/main.js"}
READ_BY_POST = {"/v2/repository/index"}  # the protocol wants it so
ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def token(*scopes: Scope, name: str = "someone", expires_s: float | None = None) -> TokenRef:
    return TokenRef(name=name, digest=digest_of(f"secret of {name}"), scopes=list(scopes), expires_s=expires_s)


def bearer(name: str = "someone") -> dict[str, str]:
    return {"Authorization": f"Bearer secret of {name}"}


@pytest.fixture(scope="module")
def locked(open_app: Any, folders: dict[str, Path]) -> Any:
    """The mixed model behind three tokens, one of each scope, named by it."""
    access = Access(locked=True)
    access.follow([token(scope, name=scope.value) for scope in Scope])
    return open_app(folders["mixed"], access)


def asks(app: Any) -> Iterator[tuple[str, str, Route]]:
    """Every method and path of the application, with names filled in."""
    names = {"name": "m", "version": "1", "action": "load", "file": "main.js"}
    for route in app.app.routes:
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: names[found[1]], route.path)
        for method in sorted(route.methods):
            yield method, path, route


def test_every_route_says_what_it_needs(mixed: Any) -> None:
    assert [route.path for route in mixed.app.routes if said_of(route) is None] == []


def test_only_health_and_the_page_are_public(mixed: Any) -> None:
    assert {path for _, path, route in asks(mixed) if way_of(route).is_public} == PUBLIC_PATHS


def test_reading_is_never_the_scope_of_what_may_change_something_by_default(mixed: Any) -> None:
    reads = {way_of(route).template for route in mixed.app.routes if way_of(route).needed == Scope.READ}
    written = {route.path for route in mixed.app.routes if not route.methods <= {"GET", "HEAD"}}
    assert reads & written == READ_BY_POST


def test_a_route_that_says_nothing_is_for_admins() -> None:
    assert way_of(Route("/new", print)) == Way("/new", Scope.ADMIN)


def test_without_a_token_every_route_but_the_public_ones_is_401(locked: Any) -> None:
    found = {(method, path): locked.request(method, path).status_code for method, path, _ in asks(locked)}
    public = {key: status for key, status in found.items() if key[1] in PUBLIC_PATHS}
    assert set(public.values()) == {200}
    assert {status for key, status in found.items() if key not in public} == {401}


def test_with_a_token_of_another_scope_every_route_is_403(locked: Any) -> None:
    other = {Scope.PREDICT: "read", Scope.READ: "predict", Scope.ADMIN: "read"}
    found = {
        (method, path): locked.request(method, path, headers=bearer(other[way_of(route).needed])).status_code
        for method, path, route in asks(locked)
        if path not in PUBLIC_PATHS
    }
    assert len(found) > 15
    assert set(found.values()) == {403}


def test_a_websocket_is_refused(locked: Any) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    locked.runner.run(locked.app({"type": "websocket", "path": "/v2", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_what_replicas_follow_holds_tokens_and_level() -> None:
    models = [{"name": "m", "champion": {"version": "1", "path": "/m"}}]
    args = ServeArgs(models=models, tokens=[token(Scope.READ)], log_level="warning", allow_hosts=["x.example"])
    assert (args.plan.tokens, args.plan.log_level) == (args.tokens, "warning")


def test_admin_may_all_that_the_others_may(locked: Any) -> None:
    found = {(m, path): locked.request(m, path, headers=bearer("admin")) for m, path, _ in asks(locked)}
    refused = [key for key, answer in found.items() if "scope" in answer.text or answer.status_code == 401]
    assert refused == []


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("path", ["/nowhere", "/v2/models", "//ping", "/ping/", "/PING", "/docs"])
def test_strangers_do_not_learn_which_paths_exist(locked: Any, method: str, path: str) -> None:
    answer = locked.request(method, f"http://here{path}")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_any_token_learns_that_a_path_leads_nowhere(locked: Any) -> None:
    assert locked.get("/nowhere", headers=bearer("predict")).status_code == 404


def test_a_403_says_what_is_needed_and_what_the_token_has(locked: Any) -> None:
    answer = locked.post("/invocations", headers=bearer("read"))
    assert answer.json() == {"error": "this needs a token with the scope 'predict'; token 'read' has 'read'"}


@pytest.mark.parametrize("shown", ["secret of admin", "Basic secret of admin", "Bearer", "Bearer guess", "Bearer \xff"])
def test_what_is_no_token_is_401(locked: Any, shown: str) -> None:
    answer = locked.get("/v2", headers={"Authorization": shown.encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "token" in answer.json()["error"]


def test_a_revoked_token_is_unknown_from_then_on(open_app: Any, folders: dict[str, Path]) -> None:
    access = Access()
    app = open_app(folders["mixed"], access)
    access.follow([token(Scope.READ)])
    before = app.get("/v2", headers=bearer()).status_code
    access.follow([])
    assert (before, app.get("/v2", headers=bearer()).status_code) == (200, 401)


def test_an_expired_token_is_unknown(open_app: Any, folders: dict[str, Path]) -> None:
    access = Access()
    access.follow([token(Scope.READ, name="old", expires_s=time.time() - 1), token(Scope.READ, name="new")])
    app = open_app(folders["mixed"], access)
    assert app.get("/v2", headers=bearer("old")).status_code == 401
    assert app.get("/v2", headers=bearer("new")).status_code == 200


def test_the_token_of_the_environment_may_do_everything_beside_those_of_the_plan() -> None:
    access = Access(digest_of("mine"))
    access.follow([token(Scope.READ)])
    assert access.admitted("Bearer mine", Scope.ADMIN) == "ASSAY_SERVE_TOKEN"
    assert access.admitted("Bearer secret of someone", Scope.READ) == "someone"


def test_a_plan_cannot_unlock_a_server() -> None:
    access = Access(locked=True)
    access.follow(None)
    with pytest.raises(Exception, match="a token is needed"):
        access.admitted("", None)


def test_an_open_server_asks_nobody(mixed: Any) -> None:
    assert mixed.get("/v2").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", None])
def test_an_open_host_needs_a_token(host: str | None) -> None:
    with pytest.raises(SpecFault, match="ASSAY_SERVE_TOKEN"):
        refuse_open_door(host, has_token=False)
    refuse_open_door(host, has_token=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_needs_no_token(host: str) -> None:
    refuse_open_door(host, has_token=False)


@pytest.mark.parametrize(
    ("bound", "answered", "refused"),
    [
        ("127.0.0.1", ["localhost:8000", "LOCALHOST.", "127.0.0.1", "[::1]:8000"], ["10.0.0.5", "evil.org", "[::2]"]),
        ("10.0.0.5", ["10.0.0.5:80", "52.1.1.1", "[2001:db8::1]:80"], ["evil.org", "10.0.0.5.evil.org"]),
        ("server.lan", ["server.lan:80", "10.0.0.5"], ["evil.lan"]),
        ("0.0.0.0", ["10.0.0.5:8000", "localhost"], ["evil.org"]),
        ("0.0.0.0", ["10.0.0.5"], ["", "a b", "localhost:80:80", "me@localhost", "localhost/x", "[::1", "2130706433"]),
    ],
)
def test_only_its_own_names_are_answered(bound: str, answered: list[str], refused: list[str]) -> None:
    names = HostNames(bound)
    assert [host for host in answered if not names.admits(host)] == []
    assert [host for host in refused if names.admits(host)] == []


def test_another_host_is_421_also_for_health(open_app: Any, folders: dict[str, Path]) -> None:
    app = open_app(folders["mixed"], hosts=HostNames("127.0.0.1", ["here"]))
    assert app.get("/v2").status_code == 200
    answer = app.get("/ping", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "'evil.example'" in answer.json()["error"]
    assert "--allow-host" in answer.json()["error"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://evil.example#here", "file://"])
def test_pages_of_other_sites_may_not_ask_an_open_server(
    open_app: Any, folders: dict[str, Path], row: dict[str, Any], origin: str
) -> None:
    app = open_app(folders["mixed"], hosts=HostNames("127.0.0.1", ["here"]))
    body = {"json": {"instances": [row]}}
    assert app.post("/v1/models/m:predict", **body, headers={"origin": origin}).status_code == 403
    assert app.post("/v1/models/m:predict", **body, headers={"origin": "https://here"}).status_code == 200
    assert app.post("/v1/models/m:predict", **body).status_code == 200


def test_a_token_vouches_for_a_page_of_another_site(open_app: Any, folders: dict[str, Path]) -> None:
    access = Access(digest_of("secret"))
    app = open_app(folders["mixed"], access, hosts=HostNames("127.0.0.1", ["here"]))
    headers = {"origin": "https://shop.example", "authorization": "Bearer secret"}
    assert app.get("/v2", headers=headers).status_code == 200


def test_a_token_of_other_letters_than_ascii_is_known_as_clients_send_it() -> None:
    access = Access(digest_of("schlüssel-✓"))
    sent = "schlüssel-✓".encode().decode("latin-1")
    assert access.admitted(f"Bearer {sent}", Scope.ADMIN)
    with pytest.raises(RequestFault) as caught:
        access.admitted("Bearer \xff\xfe", Scope.ADMIN)
    assert caught.value.status == HTTPStatus.UNAUTHORIZED
