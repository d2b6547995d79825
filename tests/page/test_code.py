"""What the page gives to copy is run as it stands: curl by a shell, Python by an interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from assay.store.tokens import digest_of
from assay.vocabulary import Scope
from assay_serving.access import Access
from assay_serving.settings import TokenRef

pytestmark = pytest.mark.browser
View = Callable[..., Page]
TOKEN = "a secret that only this test knows"


def ran(code: str, language: str, **variables: str) -> list[dict[str, Any]]:
    """Run code that prints an answer, and return the predictions in it."""
    program = ["bash", "-euc", code] if language == "curl" else [sys.executable, "-c", code]
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        program, capture_output=True, text=True, check=False, timeout=60, env={**clean, "no_proxy": "*", **variables}
    )
    assert done.returncode == 0, done.stderr
    if language == "curl":
        return list(json.loads(done.stdout)["predictions"])
    found: list[dict[str, Any]] = eval(done.stdout)  # what Python printed of plain values
    return found


def code_of(page: Page, language: str) -> str:
    """Return the code that the page shows in a language."""
    page.get_by_role("tab", name=language).click()
    return page.locator("#code").inner_text()


@pytest.mark.parametrize("language", ["curl", "Python"])
@pytest.mark.parametrize("name", ["table", "image", "text", "series", "forecast"])
def test_the_code_that_is_shown_gives_the_answer_that_is_shown(view: View, live: Any, name: str, language: str) -> None:
    page = view(f"{live.url}#{name}")
    with page.expect_response("**/v1/models/*:predict") as asked:
        page.get_by_role("button", name="Predict").click()
    assert ran(code_of(page, language), language) == asked.value.json()["predictions"]


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_code_follows_the_form_and_stands_any_text(view: View, live: Any, language: str) -> None:
    page = view(f"{live.url}#table")
    odd = "it's \"odd\" \\ $HOME `id` %s\n\tJSON\n\u2028ünï 🎬 '''"
    page.get_by_label("note").fill(odd)
    page.get_by_label("age", exact=True).fill("")
    expect(page.locator("#code")).to_contain_text('"age": null')
    code = code_of(page, language)
    assert [one["prediction"] for one in ran(code, language)] in (["over"], ["under"])
    shown = json.dumps(odd, ensure_ascii=False)
    assert shown in code


def test_the_code_is_copied(view: View, live: Any) -> None:
    page = view(f"{live.url}#table", permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator("#code")).to_contain_text("curl")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#code").inner_text()


@pytest.fixture(scope="module")
def locked(folders: dict[str, Path], start: Callable[..., Any]) -> Iterator[Any]:
    """A server that asks for a token."""
    access = Access(digest_of(TOKEN))
    access.follow([TokenRef(name="looker", digest=digest_of("look"), scopes=[Scope.READ])])
    server = start({"table": folders["table"]}, access)
    yield server
    server.stop()


def opened(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Open").click()


def test_a_token_is_asked_for_and_kept_for_the_tab_alone(view: View, locked: Any) -> None:
    page = view(locked.url, allowed="401 (Unauthorized)")
    expect(page.get_by_role("heading", level=1)).to_have_text("This server asks for a token")
    expect(page.get_by_label("Token")).to_be_focused()
    opened(page, "a guess")
    expect(page.locator("#token-error")).to_have_text("The server does not know this token.")
    opened(page, TOKEN)
    expect(page.get_by_role("heading", name="table")).to_be_visible()
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer output")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="table")).to_be_visible()
    assert TOKEN not in page.url
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    page.get_by_role("button", name="Forget the token").click()
    expect(page.get_by_label("Token")).to_be_focused()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_token_that_may_only_read_shows_the_model_and_is_told_when_it_asks(view: View, locked: Any) -> None:
    page = view(locked.url, allowed="40")
    opened(page, "look")
    expect(page.get_by_role("heading", name="table")).to_be_visible()
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#form-error")).to_contain_text("this needs a token with the scope 'predict'")


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_code_takes_the_token_from_the_environment_and_never_shows_it(view: View, locked: Any, language: str) -> None:
    page = view(locked.url, allowed="401 (Unauthorized)")
    opened(page, TOKEN)
    expect(page.get_by_role("heading", name="table")).to_be_visible()
    code = code_of(page, language)
    assert TOKEN not in code
    assert len(ran(code, language, ASSAY_SERVE_TOKEN=TOKEN)) == 1


def test_without_a_token_nothing_but_the_shell_is_read(locked: Any) -> None:
    with httpx.Client(base_url=locked.url, trust_env=False) as client:
        shell = [client.get(path) for path in ("/", "/page/main.js", "/page/style.css", "/page/icon.svg")]
        assert [answer.status_code for answer in shell] == [200] * 4
        assert not any("table" in answer.text.replace("<table", "") and "tiny" in answer.text for answer in shell)
        closed = ["/v2/models/table/card", "/v2", "/v1/models", "/openapi.json", "/metrics", "/page/../v2", "/nowhere"]
        assert {path: client.get(path).status_code for path in closed} == dict.fromkeys(closed, 401)
        assert (client.post("/").status_code, client.get("/page/nothing").status_code) == (405, 404)
