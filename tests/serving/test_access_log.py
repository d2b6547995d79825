"""One line for each request, that says enough to find it and nothing that is secret."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from assay.store.tokens import digest_of
from assay.vocabulary import Scope
from assay_serving.access import Access
from assay_serving.settings import TokenRef

SECRET, ID = "assay_top-secret", "order-7"


@pytest.fixture
def guarded(open_app: Any, folders: dict[str, Path]) -> Any:
    """The mixed model, which only `ci` may ask."""
    access = Access()
    access.follow([TokenRef(name="ci", digest=digest_of(SECRET), scopes=[Scope.ADMIN])])
    return open_app(folders["mixed"], access)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "assay_serving.access"]


def test_a_request_is_one_line(guarded: Any, row: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "assay_serving")
    headers = {"x-request-id": ID, "Authorization": f"Bearer {SECRET}"}
    guarded.post("/invocations?key=hidden", json={"dataframe_records": [row]}, headers=headers)
    (line,) = lines(caplog)
    ms = float(line.partition("ms=")[2].split()[0])
    expected = f"method=POST route=/invocations status=200 ms={ms:.1f} request_id={ID} model=m/1 token=ci"
    assert (line, ms > 0) == (expected, True)


def test_a_stranger_is_logged_too(guarded: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "assay_serving")
    guarded.get("/v2/models/m", headers={"x-request-id": ID, "Authorization": "Bearer guess"})
    (line,) = lines(caplog)
    assert line.startswith("method=GET route=/v2/models/{name} status=401 ")
    assert "guess" not in line


def test_a_level_shows_only_what_failed_here(
    guarded: Any, row: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "assay_serving")
    headers = {"x-request-id": ID, "Authorization": f"Bearer {SECRET}"}
    guarded.get("/nowhere", headers=headers)
    served = guarded.runner.run(guarded.desk.served(guarded.desk.routes.find("m")))
    served.model.members[0].fitted.estimator.tree_ = None
    answer = guarded.post("/invocations", json={"dataframe_records": [row]}, headers=headers)
    assert ID in answer.json()["error"]
    assert [line.partition(" ms=")[0] for line in lines(caplog)] == ["method=POST route=/invocations status=500"]
    (error,) = [record for record in caplog.records if record.name == "assay_serving"]
    assert ID in error.getMessage()
