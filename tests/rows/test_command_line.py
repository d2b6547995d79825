"""`assay predict --on-error` on a file with one bad row, as the batch job runs it too, for every kind of rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bad_inputs
import pyarrow.parquet as pq
import pytest

from assay.cli import main

KINDS = ["image", "series", "forecast"]  # a text without a word is answered, and needs no such care


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ray_cluster: None) -> Any:
    """Runs the verb; returns its exit code, its data and its talk."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["assay", "predict", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


@pytest.mark.cluster
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_a_bad_row_fails_leaves_it_out_or_has_null_for_it(
    models: dict[str, Path], predict: Any, tmp_path: Path, kind: str
) -> None:
    pq.write_table(getattr(bad_inputs, kind)(), tmp_path / "rows.parquet")
    words = (models[kind], tmp_path / "rows.parquet", "--storage", tmp_path / "storage", "--json")
    code, _, err = predict(*words, "--out", tmp_path / "fail.parquet")
    assert (code, (tmp_path / "fail.parquet").exists()) == (3, False)
    assert err.splitlines()[0] == "DataFault"
    told = {}
    for on_error in ("skip", "null"):
        code, out, _ = predict(*words, "--out", tmp_path / f"{on_error}.parquet", "--on-error", on_error)
        assert code == 0
        told[on_error] = json.loads(out)
    left_out, null = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("skip", "null"))
    assert told["skip"]["bad_rows"] == told["null"]["bad_rows"] == 1
    assert left_out.column("prediction").null_count == 0
    assert null.column("prediction").null_count == 1
    assert null.num_rows == left_out.num_rows + 1
