"""Starting, joining and leaving Ray: the one place that sets its environment, before it is first imported."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from assay.errors import ClusterFault

# Measured with Ray 2.60: without these a local start is noisy, a Train report blocks 2 s, pandas gets Arrow dtypes,
# and the workers' OpenMP threads spin on each other's cores.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_DATA_ENABLE_ARROW_BACKED_PANDAS_CONVERSION": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
}
MEANWHILE = ("pandas", "pyarrow.parquet", "sklearn.metrics", "sklearn.linear_model", "optuna")
IMPORTING = "assay-imports"
AFTERWARDS = ("ray.data", "ray.tune")
LOGGERS = ("ray", "ray.data", "ray.data._internal", "ray.serve", "ray.train", "ray.tune")


# Ray Serve's proxy reads this as it starts; by name, since the server stands on the platform, not the other way round.
PROXY_VARIABLE, PROXY_ERRORS = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "assay_serving.proxy.middlewares"


def set_environment() -> None:
    """Set Ray's environment; what the operator has set already stays."""
    for name, value in {**QUIET, PROXY_VARIABLE: PROXY_ERRORS}.items():
        os.environ.setdefault(name, value)


def connect(address: str | None = None, cpus: int | None = None) -> int:
    """Join the cluster at `address` (or RAY_ADDRESS), or start a local one; returns its number of CPUs.

    Calling it again while connected changes nothing. A local cluster gets a random token that only its own processes
    hold, because Ray's ports listen on every interface.

    Raises:
        ClusterFault: the cluster cannot be reached, or a local one cannot start.
    """
    set_environment()
    if not is_connected():
        connected = threading.Event()
        threading.Thread(target=_import_meanwhile, args=(connected,), name=IMPORTING, daemon=True).start()
        joining = not is_local(address)
        if "ray" not in sys.modules:  # Ray reads token settings once; changed later, it would lock itself out
            _choose_token(joining)
        had_file = token_file().exists()
        _start((address or os.environ["RAY_ADDRESS"]) if joining else None, cpus)
        if not had_file and token_file().exists():  # Ray writes it readable for all, when it was imported before us
            token_file().chmod(0o600)
        connected.set()
    _quieten()
    return num_cpus()


def _import_meanwhile(connected: threading.Event) -> None:
    """Import what a run needs in the seconds that Ray takes to start, most of which are waiting.

    What is Ray's own comes after: Ray imports parts of it as it starts, and of a circle of imports two threads would
    see half each.
    """
    for name in MEANWHILE:
        importlib.import_module(name)
    if connected.wait(timeout=60):
        for name in AFTERWARDS:
            importlib.import_module(name)


def imports_done() -> None:
    """Wait until `connect` has imported what it imports aside; before an import of Ray's own in this thread."""
    for thread in threading.enumerate():
        if thread.name == IMPORTING:
            thread.join()


def num_cpus() -> int:
    """Return the CPUs that the cluster has now; one that scales by itself may have more later."""
    import ray

    return int(ray.cluster_resources().get("CPU", 0)) or 1


def num_gpus() -> float:
    """Return the GPUs that the cluster has now."""
    import ray

    return float(ray.cluster_resources().get("GPU", 0))


def gpus_of_this_machine() -> float:
    """Return the GPUs that a Ray started here would have, without starting one; imports torch."""
    import torch

    return float(torch.cuda.device_count())


def max_concurrent(address: str | None, threads: int) -> int | None:
    """Return how many fits of some threads run at once; None on a joined cluster, which may grow."""
    return max(1, num_cpus() // threads) if is_local(address) else None


def is_local(address: str | None = None) -> bool:
    """Whether this process has, or would start, a Ray of its own, whose size does not change."""
    return (address or os.environ.get("RAY_ADDRESS") or "local") == "local"


def is_connected() -> bool:
    """Whether this process is part of a Ray cluster; does not import Ray to find out."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _start(address: str | None, cpus: int | None) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    else:
        options["address"] = address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        try:
            ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"Ray cluster at {address}" if address else "local Ray"
            fix = "check that it runs (`ray status`) and that RAY_AUTH_MODE=token and its token are set here"
            raise ClusterFault.at(
                where, f"cannot be used ({str(error).splitlines()[0]})", fix if address else "run `assay doctor`"
            ) from None


def token_file() -> Path:
    """Return where Ray keeps its token unless it is told otherwise."""
    return Path.home() / ".ray" / "auth_token"


def _choose_token(joining: bool) -> None:
    if joining:
        has_token = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ or token_file().exists()
        if has_token:  # without this Ray says only "failed to connect" to a cluster that asks for a token
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        return
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if "RAY_AUTH_TOKEN_PATH" not in os.environ and not token_file().exists():
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _quieten() -> None:
    """Set loggers after Ray's libraries are imported: they configure themselves again."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def disconnect() -> None:
    """Leave the cluster; a local one stops."""
    if "ray" in sys.modules:
        import ray

        ray.shutdown()


def prepare_data_context() -> None:
    """Make Ray Data keep row order, sort instead of starting aggregators, list files without actors, say nothing."""
    from ray.data import DataContext
    from ray.data.context import ShuffleStrategy

    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    context.use_datasource_v2 = False  # measured: its listing actors make 5 s of a Parquet read of 0.1 s
    context.raise_original_map_exception = True  # else only its text would come back
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    _quieten()
    for handler in logging.getLogger("ray.data").handlers:  # what fails is raised too; Ray's log file keeps it
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.CRITICAL)
