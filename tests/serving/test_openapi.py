"""`/openapi.json` on a real model, without Ray: every route is in it, and says what it takes and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.routing import BaseRoute, Route

from assay.errors import ArtifactFault
from assay.store.tokens import digest_of
from assay_serving.access import Access
from assay_serving.openapi.route import said_of
from assay_serving.web import create_app


@pytest.fixture(scope="module")
def said(mixed: Any) -> dict[str, Any]:
    """The document of the mixed model."""
    content: dict[str, Any] = mixed.get("/openapi.json").json()
    return content


def operations(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{method} {path}": told for path, item in said["paths"].items() for method, told in item.items()}


def routes(app: Any) -> list[BaseRoute]:
    return list(create_app(app.desk, None).routes)


def test_every_route_describes_itself(mixed: Any) -> None:
    assert [route for route in routes(mixed) if said_of(route) is None] == []


def test_every_route_is_in_the_document(mixed: Any, said: dict[str, Any]) -> None:
    def filled(path: str) -> str:
        return path.replace("{version}", "1").replace("{name}", "m")

    told = {filled(path) for path in said["paths"]}
    assert [route.path for route in routes(mixed) if isinstance(route, Route) and filled(route.path) not in told] == []


def test_every_operation_says_which_errors_it_answers(said: dict[str, Any]) -> None:
    lacking = [
        (place, status)
        for place, told in operations(said).items()
        for status in ("401", "403", "500", "503")
        if told["responses"].get(status, {}).get("content", {}).get("application/json", {}).get("schema")
        != {"$ref": "#/components/schemas/Error"}
    ]
    assert lacking == []


def test_the_document_is_valid_openapi_3_1(said: dict[str, Any]) -> None:
    import schemathesis

    schemathesis.openapi.from_dict(said).validate()


def test_rows_are_described_by_their_columns(said: dict[str, Any]) -> None:
    body = said["paths"]["/invocations"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    forms = {name: form for one in body["anyOf"] for name, form in one["properties"].items()}
    assert list(forms["dataframe_records"]["items"]["properties"]) == ["age", "city", "member", "joined", "note"]


def test_the_document_follows_the_plan(open_app: Any, folders: dict[str, Path]) -> None:
    from assay_serving.settings import Plan

    app = open_app(folders["mixed"])
    assert "/v2/models/m/infer" in app.get("/openapi.json").json()["paths"]
    app.runner.run(app.desk.switch(Plan.alone("n", "2", str(folders["number"]))))
    assert "/v2/models/n/versions/2/infer" in app.get("/openapi.json").json()["paths"]


def test_a_version_whose_files_changed_is_503_not_a_bug(
    open_app: Any, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed(ref: Any) -> Any:
        raise ArtifactFault.at("model.json", "was changed")

    app = open_app(folders["number"])
    monkeypatch.setattr(app.desk, "served", changed)
    assert app.get("/openapi.json").status_code == 503


def test_a_token_is_asked_for_in_the_document_only_where_it_is_at_the_door(open_app: Any, folders: Any) -> None:
    app = open_app(folders["mixed"], Access(digest_of("secret")))
    said = app.get("/openapi.json", headers={"Authorization": "Bearer secret"}).json()
    public = {place for place, told in operations(said).items() if "security" not in told}
    health = {"get /v2/health/live", "get /v2/health/ready", "get /ping", "get /health"}
    assert public == health | {"get /", "get /page/{file}"}
    assert {str(told["security"]) for told in operations(said).values() if "security" in told} == {
        "[{'token': ['predict']}]", "[{'token': ['read']}]", "[{'token': ['admin']}]"
    }  # fmt: skip
