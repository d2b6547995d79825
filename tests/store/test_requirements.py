"""What a registered model says that it needs is what it needs: assay, its libraries, and those of its members."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pytest

from assay import catalog
from assay.model import Member, Model
from assay.store import artifact, mlmodel
from assay.vocabulary import Shelf


@pytest.mark.parametrize(("algorithm", "needed"), [("xgboost", {"xgboost"}), ("decision_tree", set())])
def test_optional_libraries_are_required_by_the_models_that_use_them(
    model: Model, table: pa.Table, tmp_path: Path, algorithm: str, needed: set[str]
) -> None:
    batch = model.recipes["codes"].apply(catalog.make(Shelf.KINDS, "tabular").to_batch(table, model.profile))
    fitted = catalog.make(Shelf.ALGORITHMS, algorithm).fit(batch, seed=0)
    made = replace(model, members=(Member("one", algorithm, {}, "codes", fitted),), combination=None)
    packed = artifact.pack(tmp_path / "model", made)
    dressed = mlmodel.dressed({artifact.MANIFEST: b"{}"}, packed.manifest, packed.digest, "run")
    lines = dressed["requirements.txt"].decode().splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert f"assay=={metadata.version('assay')}" in lines
    assert {name.removesuffix("-cpu") for name in names} & {"xgboost", "catboost"} == needed
