"""The page behind a real Ray Serve, as `assay serve` starts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from assay.engines import serving
from assay.store.releases import Release

pytestmark = [pytest.mark.browser, pytest.mark.cluster]


@pytest.fixture(scope="module")
def server(ray_cluster: None, folders: dict[str, Path], free_port: int) -> Iterator[Any]:
    """The table as people/7."""
    with serving.start(Release.alone("people", "7", folders["table"]), port=free_port) as found:
        yield found


def test_the_page_asks_a_model_on_ray_serve(server: Any, view: Callable[..., Page]) -> None:
    page = view(f"{server.url}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("people")
    page.get_by_label("age", exact=True).fill("64")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#answer output")).to_have_text("over")
    expect(page.locator("#answer .meta")).to_contain_text("version 7")
    expect(page.get_by_role("list", name="What each column added").get_by_role("listitem")).to_have_count(5)
