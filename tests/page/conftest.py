"""Models of each kind served over real HTTP, and a real Chromium that looks at them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Request, sync_playwright

from assay_serving.access import Access
from assay_serving.desk import Desk
from assay_serving.settings import ModelPlan, Plan, VersionRef
from assay_serving.web import create_app

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
HOW = (
    "these tests need Chromium: `apt-get install chromium`, or say where it is with ASSAY_BROWSER; "
    "without one leave them out: pytest -m 'not browser'"
)
WAIT_S = 20.0


def browser_path() -> str:
    """Return the program to drive; a machine without one is told so, loudly."""
    named = os.environ.get("ASSAY_BROWSER")
    found = named or next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.fail(HOW, pytrace=False)
    return found


@pytest.fixture(scope="module")  # not longer: while it runs, no other test of this process may start an event loop
def browser() -> Iterator[Browser]:
    """A real Chromium without a window."""
    path = browser_path()
    with sync_playwright() as driver:
        # Only our own page is opened, and in a container of CI there is no sandbox to be had.
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield chromium
        chromium.close()


class Live:
    """An application over real HTTP, in a thread of its own."""

    def __init__(self, plan: Plan, access: Access | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        self._plan, self._access = plan, access
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(WAIT_S), "the server did not start"

    async def _serve(self) -> None:
        desk = Desk()
        await desk.switch(self._plan)
        app = create_app(desk, self._access)
        self._server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", self.port, log_level="error"))
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(WAIT_S)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A packed model of each kind."""
    from models import MAKERS

    home = tmp_path_factory.mktemp("models")
    return {name: make(home / name) for name, make in MAKERS.items()}


def planned(folders: dict[str, Path], **roles: Any) -> Plan:
    """Return the plan that serves every folder as its name, and `table` with more roles."""
    models = [
        ModelPlan(name=name, champion=VersionRef(version="1", path=str(path)), **(roles if name == "table" else {}))
        for name, path in folders.items()
    ]
    return Plan(models=models)


@pytest.fixture(scope="session")
def start() -> Callable[..., Live]:
    """Starts a server of one's own."""
    return lambda folders, access=None: Live(planned(folders), access)


@pytest.fixture(scope="session")
def live(folders: dict[str, Path]) -> Iterator[Live]:
    """All models on one server; `table` has a canary and a shadow beside its champion."""
    again = str(folders["table"])
    canary, shadow = VersionRef(version="2", path=again), VersionRef(version="3", path=again)
    server = Live(planned(folders, canary=canary, canary_share=0.1, shadow=shadow))
    yield server
    server.stop()


class Seen(list[str]):
    """What went wrong on a page: errors of the console, exceptions, requests to other origins."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__()
        self._url = url
        page.on("console", lambda message: self.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:")):
            self.append(f"asked for {request.url}")


@pytest.fixture
def view(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page of its own; at the end nothing may have gone wrong on it."""
    opened: list[tuple[Any, Seen]] = []

    def opens(url: str, allowed: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        context.set_default_timeout(WAIT_S * 1_000)
        page = context.new_page()
        opened.append((context, Seen(page, url.split("#")[0])))
        page.goto(url)
        if allowed:  # what the test provokes: the browser itself writes a line for every answer that is an error
            opened[-1] = (context, Allowing(opened[-1][1], allowed))
        return page

    yield opens
    for context, _ in opened:
        context.close()
    assert [line for _, seen in opened for line in seen] == []


class Allowing(list[str]):
    """What was seen but for the lines that hold a text."""

    def __init__(self, seen: Seen, text: str) -> None:
        super().__init__()
        self._seen, self._text = seen, text

    def __iter__(self) -> Iterator[str]:
        return iter([line for line in self._seen if self._text not in line])
