"""One table gets the same answer, to the bit, through every file format, frame and protocol."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from entry_points import ENTRY_POINTS, Asked, as_csv
from hypothesis import HealthCheck, Phase, given, settings
from odd_tables import Drawn, tables, trained

from assay.engines.loading import peek
from assay.store import artifact

COUNT = itertools.count()


def check(drawn: Drawn, open_app: Callable[..., Any], home: Path, *, from_csv: bool) -> None:
    folder = home / str(next(COUNT))
    folder.mkdir()
    train = drawn.train
    if from_csv:
        (folder / "train.csv").write_bytes(as_csv(train))
        train = peek([str(folder / "train.csv")], None, len(train))
    model = trained(train, drawn.declared)
    packed = artifact.pack(folder / "model", model).folder
    asked = Asked(artifact.load(packed), open_app(packed), folder)
    expected = model.predict(drawn.new)[:, 0]
    different = {}
    for name, ask in ENTRY_POINTS.items():
        found = ask(asked, drawn.new)
        if not np.array_equal(found, expected):
            different[name] = found
    assert different == {}, f"expected {expected} for {drawn.new.to_pylist()}"


@pytest.mark.parametrize("from_csv", [False, True], ids=["trained on Parquet", "trained on CSV"])
def test_every_entry_point_gives_the_same_bits(
    open_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, from_csv: bool
) -> None:
    home = tmp_path_factory.mktemp("same")

    @settings(max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(drawn=tables())
    def answers(drawn: Drawn) -> None:
        check(drawn, open_app, home, from_csv=from_csv)

    answers()


@pytest.mark.faults
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("from_csv", [False, True], ids=["trained on Parquet", "trained on CSV"])
def test_every_entry_point_gives_the_same_bits_for_a_thousand_tables(
    open_app: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, from_csv: bool
) -> None:
    home = tmp_path_factory.mktemp("same")

    @settings(max_examples=1_000, suppress_health_check=list(HealthCheck))
    @given(drawn=tables())
    def answers(drawn: Drawn) -> None:
        check(drawn, open_app, home, from_csv=from_csv)

    answers()
