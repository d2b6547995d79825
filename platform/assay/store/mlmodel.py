"""An artifact dressed as an MLflow model: our folder as it is, and the few files that MLflow looks for beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from assay.store import example
from assay.store.artifact import MANIFEST, Manifest, Schema

DATA = "artifact"  # our folder, inside MLflow's
LOADER = "assay.store.pyfunc"
EXAMPLE_INFO = {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"}


def dressed(content: Mapping[str, bytes], manifest: Manifest, digest: str, mlflow_run: str) -> dict[str, bytes]:
    """Return the files of an MLflow model around the checked files of an artifact; nothing in it is pickled."""
    assert MANIFEST in content, "an artifact travels with its manifest"
    from mlflow import pyfunc
    from mlflow.models import Model

    shown = _input_example(content)
    model = Model(
        run_id=mlflow_run,
        utc_time_created=manifest.created,
        signature=_signature(manifest.schema_),
        saved_input_example_info=EXAMPLE_INFO if shown else None,
        metadata={"assay.digest": digest, "columns": {c.name: c.kind.value for c in manifest.schema_.columns}},
    )
    pyfunc.add_to_model(model, loader_module=LOADER, data=DATA, python_env="python_env.yaml")
    return {
        **shown,
        **{f"{DATA}/{name}": data for name, data in content.items()},
        "requirements.txt": _requirements(manifest).encode(),
        "python_env.yaml": f"python: {manifest.python}\ndependencies:\n- -r requirements.txt\n".encode(),
        "MLmodel": model.to_yaml().encode(),
    }


def _input_example(content: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the first example as MLflow keeps one: what `mlflow.pyfunc.load_model(…).input_example` gives."""
    if example.FILE not in content:
        return {}
    rows = example.parse(content[example.FILE])[0]
    split = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    return {EXAMPLE_INFO["artifact_path"]: json.dumps(split).encode()}


def _signature(schema: Schema) -> Any:
    """Name the columns. Their types are left open: MLflow refuses whole numbers where it was told of real ones, and
    we check values against the profile anyway, with messages that name the column.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec
    from mlflow.types import Schema as Columns
    from mlflow.types.schema import AnyType

    answer = [ColSpec("string" if schema.classes else "double", "prediction")]
    return ModelSignature(
        inputs=Columns([ColSpec(AnyType(), column.name) for column in schema.columns]),
        outputs=Columns(answer + [ColSpec("double", f"probability_{name}") for name in schema.classes]),
    )


def _requirements(manifest: Manifest) -> str:
    """List what the loader needs: assay, and the libraries that it was packed with."""
    from mlflow.version import VERSION

    pinned = {name: version.partition("+")[0] for name, version in manifest.libraries.items()}
    return "".join(f"{name}=={version}\n" for name, version in sorted({**pinned, "mlflow": VERSION}.items()))
