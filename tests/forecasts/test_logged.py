"""Of a forecast the log keeps what was told: series, time and prediction, so that later values can be joined."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pyarrow as pa

from assay.store import prediction_log
from assay.store.runs import Storage
from assay_serving.desk import Desk
from assay_serving.logbook import Logbook
from assay_serving.settings import LogPlan, Plan
from assay_serving.web import create_app


def test_the_steps_that_were_told_are_kept(folder: Path, coming: pa.Table, tmp_path: Path) -> None:
    desk = Desk()
    logbook = Logbook(desk)
    desk.watching.append(logbook.watch)
    logbook.follow(LogPlan(storage=str(tmp_path), share=1.0))
    rows = coming.to_pydict() | {"day": [day.isoformat() for day in coming["day"].to_pylist()]}

    async def ask() -> httpx.Response:
        await desk.switch(Plan.alone("sales", "1", str(folder)))
        transport = httpx.ASGITransport(create_app(desk, None, logbook=logbook))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post("/invocations", json={"inputs": rows})

    answer = asyncio.run(ask())
    logbook.close()
    assert answer.status_code == 200, answer.text
    told = answer.json()["predictions"]
    kept = prediction_log.read(Storage(tmp_path), "sales", 1).to_pylist()
    assert [line["row"] for line in kept] == list(range(len(told)))
    assert [(line["shop"], line["assay_answer"]) for line in kept] == [(one["shop"], one["prediction"]) for one in told]
