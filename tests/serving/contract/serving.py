"""Serves one model folder as m/1 by uvicorn, on a free port, and says at which address: `python serving.py FOLDER`."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn

from assay_serving import wire
from assay_serving.access import Access, token_digest
from assay_serving.desk import Desk
from assay_serving.settings import Plan
from assay_serving.web import create_app


async def main(folder: str) -> None:
    """Serve until the process is ended."""
    desk = Desk()
    await desk.switch(Plan.alone("m", "1", folder))
    wire.install()
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201 - its whole answer
    await uvicorn.Server(uvicorn.Config(create_app(desk, Access(token_digest())), log_level="error")).serve([listening])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
