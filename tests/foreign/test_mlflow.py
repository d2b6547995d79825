"""MLflow's scoring client, at its default options, against a real server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

pytestmark = pytest.mark.cluster


@pytest.fixture
def client(url: str) -> ScoringServerClient:
    """A client as MLflow opens one; it asks the first model of the server."""
    parts = urlsplit(url)
    return ScoringServerClient(parts.hostname, parts.port)


def test_the_server_is_pinged_and_tells_its_version(client: ScoringServerClient) -> None:
    client.wait_server_ready(timeout=10)
    assert client.get_version()


def test_a_frame_is_answered(client: ScoringServerClient, row: dict[str, Any]) -> None:
    frame = pd.DataFrame([row, {**row, "age": 20}])
    found = client.invoke(frame).get_predictions()
    assert found["prediction"].tolist() == ["over", "under"]
    assert set(found.columns) == {"prediction", "probability_over", "probability_under"}


def test_missing_values_and_dates_of_a_frame_are_read(client: ScoringServerClient, row: dict[str, Any]) -> None:
    frame = pd.DataFrame([row, {**row, "age": None, "city": None}]).astype({"age": "float64"})
    frame["joined"] = pd.to_datetime(frame["joined"])
    assert len(client.invoke(frame).get_predictions()) == 2


def test_rows_as_lists_are_answered(client: ScoringServerClient, row: dict[str, Any]) -> None:
    assert client.invoke([row]).get_predictions()["prediction"].tolist() == ["over"]


def test_params_are_sent_along(client: ScoringServerClient, row: dict[str, Any]) -> None:
    assert len(client.invoke(pd.DataFrame([row]), params={"temperature": 0.5}).get_predictions()) == 1


def test_what_is_wrong_reaches_the_caller(client: ScoringServerClient, row: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"error code 400.*column 'age': found text 'old'"):
        client.invoke(pd.DataFrame([{**row, "age": "old"}]))
