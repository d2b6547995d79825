"""Tiny models of every kind of rows, as the tests of the server's page make them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "page")]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a model of each kind."""
    from models import MAKERS

    home = tmp_path_factory.mktemp("kinds")
    return {name: MAKERS[name](home / name) for name in ("table", "image", "text", "series", "forecast")}
