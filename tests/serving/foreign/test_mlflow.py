"""MLflow's scoring client, at its default options, against a real server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

pytestmark = pytest.mark.cluster


@pytest.fixture
def client(served: Any) -> ScoringServerClient:
    """A client as MLflow opens one."""
    parts = urlsplit(served.url)
    return ScoringServerClient(parts.hostname, parts.port)


def test_the_server_is_pinged_and_tells_its_version(client: ScoringServerClient) -> None:
    client.wait_server_ready(timeout=10)
    assert client.get_version()


def test_a_frame_is_answered(client: ScoringServerClient, row: dict[str, Any]) -> None:
    frame = pd.DataFrame([row, {**row, "age": 20}])
    assert client.invoke(frame).get_predictions()["prediction"].tolist() == ["over", "under"]
