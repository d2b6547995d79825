"""What a run writes down of its rows, so that it can be taken up, and told when they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.errors import DataFault
from assay.spec import Experiment
from assay.store.runs import Run
from assay.workflows.prepare import Rows


def digest_of(table: pa.Table) -> str:
    """Return a fingerprint of a table's content, whatever its chunks."""
    found = hashlib.sha256()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
        writer.write_table(table.replace_schema_metadata(None).combine_chunks(), max_chunksize=PROBE_ROWS)
    found.update(sink.getvalue())
    return found.hexdigest()


PROBE_ROWS = 65_536


def same_rows(run: Run, rows: Rows) -> None:
    """Write down the rows' fingerprint and the profile, or check that they are those of the interrupted session."""
    digest = {"train": digest_of(rows.train), "test": digest_of(rows.test)}
    if run.exists("rows.json"):
        if run.read_json("rows.json") != digest:
            raise DataFault.at(
                f"run '{run.id}'",
                "the data changed since the run began",
                "bring the old data back, or start anew: `assay run FILE`",
            )
        return
    run.write_json("profile.json", rows.profile.to_json())
    run.write_json("rows.json", digest)


def keep_memory(experiment: Experiment, memory: Mapping[str, Any], run: Run) -> Experiment:
    """Write rows that were given in memory into the run, so that it can be resumed like any other."""
    import pyarrow.parquet as pq

    from assay.engines.loading import from_memory

    if not memory:
        return _absolute(experiment)
    paths = {}
    for name, data in memory.items():
        sink = pa.BufferOutputStream()
        pq.write_table(from_memory(data), sink)
        paths[name] = str(run.write_bytes(f"data/{name}.parquet", sink.getvalue().to_pybytes()))
    data = experiment.data.model_copy(update={**paths, "format": "parquet"})
    return experiment.model_copy(update={"data": data})


def _absolute(experiment: Experiment) -> Experiment:
    """Return the experiment with local paths made absolute, so that it can be resumed from any folder."""

    def whole(path: Any) -> Any:
        if isinstance(path, list):
            return [whole(entry) for entry in path]
        return path if path is None or "://" in path else str(Path(path).expanduser().absolute())

    data = experiment.data
    return experiment.model_copy(
        update={"data": data.model_copy(update={"train": whole(data.train), "test": whole(data.test)})}
    )
