"""A fault of ours is the same fault, in one line, wherever in Ray it was raised."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from assay import errors
from assay.engines import cluster, loading
from assay.engines.ray_faults import original
from assay.errors import AssayError, Fault

KINDS = [errors.SpecFault, errors.DataFault, errors.ClusterFault, errors.ArtifactFault]


def broken(kind: type[AssayError]) -> AssayError:
    """Return an error of two faults."""
    return kind(Fault("row 3", "is odd", "mend it"), Fault("row 4", "is odd too"))


def in_a_data_task(kind: type[AssayError]) -> None:
    import ray.data

    def fail(_: pa.Table) -> pa.Table:
        raise broken(kind)

    cluster.prepare_data_context()
    loading.collect(ray.data.from_arrow(pa.table({"x": [1]})).map_batches(fail, batch_format="pyarrow"), "rows")


def in_a_task(kind: type[AssayError]) -> None:
    import ray

    def fail() -> None:
        raise broken(kind)

    ray.get(ray.remote(num_cpus=0)(fail).remote())


def in_an_actor(kind: type[AssayError]) -> None:
    import ray

    class Failing:
        def fail(self) -> None:
            raise broken(kind)

    ray.get(ray.remote(num_cpus=0)(Failing).remote().fail.remote())


@pytest.mark.cluster
@pytest.mark.parametrize("place", [in_a_data_task, in_a_task, in_an_actor])
@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back_as_it_was_raised(
    ray_cluster: None,
    capfd: pytest.CaptureFixture[str],
    kind: type[AssayError],
    place: Callable[[type[AssayError]], None],
) -> None:
    with pytest.raises(Exception) as caught:
        place(kind)
    found = original(caught.value)
    assert type(found) is kind
    assert str(found) == str(broken(kind))
    assert "Traceback" not in capfd.readouterr().err.replace("(raylet)", "")
