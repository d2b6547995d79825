"""`assay predict --on-error` on a file with one bad row, as the batch job runs it too, for every kind of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bad_inputs
import pyarrow.parquet as pq
import pytest

KINDS = ["image", "series", "forecast"]  # a text without a word is answered, and needs no such care


@pytest.mark.cluster
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_a_bad_row_fails_leaves_it_out_or_has_null_for_it(
    models: dict[str, Path], command_line: Any, ray_cluster: None, tmp_path: Path, kind: str
) -> None:
    pq.write_table(getattr(bad_inputs, kind)(), tmp_path / "rows.parquet")
    words = ("predict", models[kind], tmp_path / "rows.parquet", "--storage", tmp_path / "storage", "--json")
    code, _, err = command_line(*words, "--out", tmp_path / "fail.parquet")
    assert (code, (tmp_path / "fail.parquet").exists()) == (3, False)
    assert err.splitlines()[0] == "DataFault"
    told = {}
    for on_error in ("skip", "null"):
        code, out, _ = command_line(*words, "--out", tmp_path / f"{on_error}.parquet", "--on-error", on_error)
        assert code == 0
        told[on_error] = json.loads(out)
    left_out, null = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("skip", "null"))
    assert told["skip"]["bad_rows"] == told["null"]["bad_rows"] == 1
    assert left_out.column("prediction").null_count == 0
    assert null.column("prediction").null_count == 1
    assert null.num_rows == left_out.num_rows + 1
