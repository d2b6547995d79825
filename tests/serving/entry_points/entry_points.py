"""One table through every entry point: files, frames, and each protocol of the server."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import tritonclient.http as triton

from assay.engines.loading import from_memory, peek
from assay.model import Model
from assay.store.pyfunc import Predictor
from assay_serving import binary_tensors

MANY = 1_000_000
EXACT = 2**53


@dataclass(frozen=True)
class Asked:
    """A model in this process and behind its application, and a folder for files."""

    model: Model
    app: Any
    folder: Path


def in_pandas(table: pa.Table) -> pd.DataFrame:
    """Return a frame as pandas makes it: whole numbers become floats where one is missing and no digit is lost."""
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        whole = pa.types.is_integer(column.type)
        large = whole and any(abs(value) > EXACT for value in column.to_pylist() if value is not None)
        columns[name] = column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get if large else None)
    return pd.DataFrame(columns)


def as_csv(table: pa.Table, **options: Any) -> bytes:
    """Return the rows as pandas writes them."""
    return in_pandas(table).to_csv(index=False, **options).encode()


def plain(value: Any) -> Any:
    """Return a cell as JSON has it."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def records(table: pa.Table) -> list[dict[str, Any]]:
    """Return rows as JSON has them."""
    return [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _file(asked: Asked, name: str, content: bytes) -> np.ndarray:
    file = asked.folder / name
    file.write_bytes(content)
    return asked.model.predict(peek([str(file)], None, MANY))[:, 0]


def _parquet(asked: Asked, table: pa.Table) -> np.ndarray:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return _file(asked, "rows.parquet", sink.getvalue())


def _pyfunc(asked: Asked, table: pa.Table) -> np.ndarray:
    return Predictor(asked.model).predict(in_pandas(table))["prediction"].to_numpy()


def _post(asked: Asked, path: str, body: Any) -> Any:
    answer = asked.app.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _predictions(content: Mapping[str, Any]) -> np.ndarray:
    return np.array([record["prediction"] for record in content["predictions"]])


def _split(asked: Asked, table: pa.Table) -> np.ndarray:
    rows = [list(record.values()) for record in records(table)]
    return _predictions(
        _post(asked, "/invocations", {"dataframe_split": {"columns": table.column_names, "data": rows}})
    )


def _records(asked: Asked, table: pa.Table) -> np.ndarray:
    return _predictions(_post(asked, "/invocations", {"dataframe_records": records(table)}))


def _v1(asked: Asked, table: pa.Table) -> np.ndarray:
    return _predictions(_post(asked, "/v1/models/m:predict", {"instances": records(table)}))


def _http_csv(asked: Asked, table: pa.Table) -> np.ndarray:
    answer = asked.app.post("/invocations", content=as_csv(table), headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    return _predictions(answer.json())


def _v2(asked: Asked, table: pa.Table) -> np.ndarray:
    inputs = []
    for name in table.column_names:
        column = table.column(name)
        data = [plain(value) for value in column.to_pylist()]
        inputs.append({"name": name, "shape": [len(data)], "datatype": _datatype(column.type), "data": data})
    (output,) = _post(asked, "/v2/models/m/infer", {"inputs": inputs})["outputs"]
    return np.array(output["data"])


def _datatype(kind: pa.DataType) -> str:
    names = {"INT64": pa.types.is_integer, "FP64": pa.types.is_floating, "BOOL": pa.types.is_boolean}
    return next((name for name, test in names.items() if test(kind)), "BYTES")


def _binary(asked: Asked, table: pa.Table) -> np.ndarray:
    tensors = []
    for name in table.column_names:
        array = _array(table.column(name))
        tensor = triton.InferInput(name, list(array.shape), triton_name(array))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    body, length = triton.InferenceServerClient.generate_request_body(tensors)
    headers = {binary_tensors.HEADER: str(length)}
    answer = asked.app.post("/v2/models/m/infer", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    length = int(answer.headers[binary_tensors.HEADER])
    found = triton.InferenceServerClient.parse_response_body(answer.content, header_length=length)
    return found.as_numpy("prediction")


def triton_name(array: np.ndarray) -> str:
    """Return what Triton calls the type of an array."""
    from tritonclient.utils import np_to_triton_dtype

    return str(np_to_triton_dtype(array.dtype))


def _array(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as a client of binary tensors packs it: NaN for a missing number, empty for a missing text."""
    values = [plain(value) for value in column.to_pylist()]
    kind = _datatype(column.type)
    if kind == "BYTES":
        return np.array(["" if value is None else value for value in values], object)
    if None not in values:
        return np.array(values, {"INT64": np.int64, "FP64": np.float64, "BOOL": bool}[kind])
    large = kind == "INT64" and any(abs(value) > EXACT for value in values if value is not None)
    if large:  # no float tells them apart, so a client sends them as text
        return np.array(["" if value is None else str(value) for value in values], object)
    return np.array([np.nan if value is None else float(value) for value in values])


ENTRY_POINTS: dict[str, Callable[[Asked, pa.Table], np.ndarray]] = {
    "CSV": lambda asked, table: _file(asked, "rows.csv", as_csv(table)),
    "CSV, gzip": lambda asked, table: _file(asked, "rows.csv.gz", gzip.compress(as_csv(table))),
    "TSV": lambda asked, table: _file(asked, "rows.tsv", as_csv(table, sep="\t")),
    "Parquet": _parquet,
    "pandas": lambda asked, table: asked.model.predict(from_memory(in_pandas(table)))[:, 0],
    "polars": lambda asked, table: asked.model.predict(from_memory(pl.from_arrow(table)))[:, 0],
    "pyfunc": _pyfunc,
    "MLflow, split": _split,
    "MLflow, records": _records,
    "MLflow, CSV": _http_csv,
    "V1": _v1,
    "V2, JSON": _v2,
    "V2, binary": _binary,
}
