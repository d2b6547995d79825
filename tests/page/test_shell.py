"""The files of the page over HTTP, and the card beside them; no browser is needed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from assay_serving import shell
from assay_serving.openapi.card import CARD

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "serving/assay_serving/page").iterdir())


@pytest.fixture
def client(live: Any) -> Any:
    with httpx.Client(base_url=live.url, trust_env=False, headers={"accept": "text/html,*/*;q=0.8"}) as http:
        yield http


def test_every_file_of_the_page_is_served_with_a_strict_policy(client: httpx.Client) -> None:
    for path in shell.pieces():
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_whoever_is_no_browser_is_told_at_the_root_that_the_server_lives(client: httpx.Client) -> None:
    answer = client.get("/", headers={"accept": "*/*"})
    assert (answer.json(), answer.headers["vary"]) == ({"status": "alive"}, "Accept")
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"


def test_a_file_that_did_not_change_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/page/style.css")
    again = client.get("/page/style.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/page/nothing.js", "/page/..%2Fshell.py", "/page/index.html", "/page/"])
def test_what_is_no_file_of_the_page_is_404_in_json(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_the_page_names_no_other_place_and_holds_nothing_inline() -> None:
    texts = {file.name: file.read_text() for file in FILES}
    found = {name: re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"'`]*", text) for name, text in texts.items()}
    allowed = {"http://www.w3.org/2000/svg"}  # the name of a language, which nobody opens
    assert {name: set(urls) - allowed for name, urls in found.items() if set(urls) - allowed} == {}
    html = texts["index.html"]
    assert re.findall(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*src=)", html) == []
    assert not any(
        re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text) for text in texts.values()
    )


def test_every_file_of_the_page_is_packed_into_the_wheel() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["assay_serving"]
    assert [file.name for file in FILES if not any(file.match(f"assay_serving/{pattern}") for pattern in listed)] == []
    assert {file.suffix for file in FILES} <= set(shell.TYPES)


def test_the_card_of_a_version_says_what_the_page_shows(client: httpx.Client) -> None:
    card = client.get("/v2/models/table/card").json()
    assert (card["name"], card["version"], card["label"], card["metric"]) == ("table", "1", "y", "accuracy")
    assert card["release"] == {"champion": "1", "canary": "2", "canary_share": 0.1, "shadow": "3"}
    assert card["example"]["from"] == "training"
    assert client.get("/v2/models/table/versions/2/card").json()["version"] == "2"


@pytest.mark.parametrize("name", ["table", "old", "image", "text", "series", "forecast"])
def test_the_card_is_as_the_document_says(client: httpx.Client, name: str) -> None:
    jsonschema.validate(client.get(f"/v2/models/{name}/card").json(), CARD)


@pytest.mark.parametrize("path", ["/v2/models/nobody/card", "/v2/models/table/versions/9/card"])
def test_the_card_of_what_is_not_served_is_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_card_whose_files_were_changed_is_503(start: Any, tmp_path: Path) -> None:
    from models import text

    folder = text(tmp_path / "text")
    server = start({"text": folder})
    (folder / "scores.json").write_text("{}")
    answer = httpx.get(f"{server.url}v2/models/text/card", trust_env=False)
    server.stop()
    assert answer.status_code == 503
    assert "scores.json" in answer.json()["error"]
