"""The object store: put once, read everywhere without a copy."""

from __future__ import annotations

from typing import Any

from assay.errors import ClusterFault

GIB = 1024**3


def put(value: Any) -> Any:
    """Put a value into the object store and return the reference to it."""
    import ray

    return ray.put(value)


def check_room(size_bytes: int, fraction: float) -> None:
    """Check that data of some size fits the share of the object store that it may fill.

    Beyond it Ray would spill to disk, and every fit would read its rows from there.

    Raises:
        ClusterFault: it does not fit.
    """
    import ray

    store_bytes = ray.cluster_resources().get("object_store_memory", 0.0)
    if size_bytes > fraction * store_bytes:
        raise ClusterFault.at(
            "data",
            f"takes {size_bytes / GIB:.2f} GiB in memory, {fraction:.0%} of Ray's object store are "
            f"{fraction * store_bytes / GIB:.2f} GiB",
            "leave columns or rows out, use a machine with more memory, or raise compute.memory_fraction",
        )
