"""Look over the machine and the storage: what is missing, what is left over, and what to do about it."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from assay.errors import ClusterFault
from assay.parts import Json
from assay.store.runs import Storage
from assay.store.tokens import Tokens

PACKAGES = ("ray", "torch", "lightgbm", "scikit-learn", "mlflow", "optuna", "pyarrow", "fastapi")
MIN_FREE_GB = 2.0
GB = 1024**3


def examine(storage: Storage, clean: bool) -> list[Json]:
    """Return one finding per check: `check`, `ok`, `found`, `fix`; with `clean` leftovers of crashes are removed."""
    findings = [_python(), *(_package(name) for name in PACKAGES), _cores(), _memory(), _disk(storage)]
    findings.append(_leftovers(storage, clean))
    findings += [_shadow(), _ray_token(), _tokens(storage)]
    return findings


def _finding(check: str, ok: bool, found: str, fix: str = "") -> Json:
    return {"check": check, "ok": ok, "found": found, "fix": "" if ok else fix}


def _python() -> Json:
    found = ".".join(map(str, sys.version_info[:3]))
    return _finding("python", sys.version_info >= (3, 11), found, "use Python 3.11, 3.12 or 3.13")


def _package(name: str) -> Json:
    try:
        return _finding(name, True, version(name))
    except PackageNotFoundError:
        return _finding(name, False, "not installed", f"pip install {name}")


def _cores() -> Json:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _finding("cpus", True, str(count))


def _memory() -> Json:
    free_gb = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
    return _finding("free memory", free_gb >= MIN_FREE_GB, f"{free_gb:.1f} GiB", "close other programs")


def _disk(storage: Storage) -> Json:
    place = storage.root
    while not place.exists():
        place = place.parent
    free_gb = shutil.disk_usage(place).free / GB
    writable = os.access(place, os.W_OK)
    return _finding(
        "storage",
        writable and free_gb >= MIN_FREE_GB,
        f"{storage.root}: {free_gb:.1f} GiB free{'' if writable else ', not writable'}",
        "free space, or choose another folder with --storage",
    )


def _leftovers(storage: Storage, clean: bool) -> Json:
    found = storage.remove_leftovers() if clean else storage.leftovers()
    if clean and found:
        return _finding("leftovers of crashes", True, f"{len(found)} removed")
    return _finding("leftovers of crashes", not found, f"{len(found)} found", "`assay doctor --clean` removes them")


def _shadow() -> Json:
    """Check that no folder hides Python's own `platform` module: then not even Ray can start."""
    found = importlib.import_module("platform")
    return _finding("module platform", hasattr(found, "system"), str(found.__file__), "remove platform/__init__.py")


def _ray_token() -> Json:
    """Check that Ray asks for a token, which its owner alone can read: whoever has it runs code on the cluster."""
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        found = "RAY_AUTH_MODE says no: whoever reaches Ray's ports can run code here"
        return _finding("token of Ray", False, found, "export RAY_AUTH_MODE=token")
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if not path.exists():
        return _finding("token of Ray", True, "no file; a Ray that a verb starts has a token of its own")
    return _finding("token of Ray", not _open_to_others(path), *_mode(path, "600"))


def _tokens(storage: Storage) -> Json:
    """Check that nobody else can read or change who may ask a server."""
    tokens = Tokens(storage.root)
    for path, mode in ((tokens.folder, "700"), (tokens.path, "600")):
        if path.exists() and _open_to_others(path):
            return _finding("tokens of servers", False, *_mode(path, mode))
    try:
        return _finding("tokens of servers", True, f"{len(tokens.all())} in {tokens.path}")
    except ClusterFault as fault:
        return _finding("tokens of servers", False, fault.faults[0].found, fault.faults[0].fix)


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _mode(path: Path, wanted: str) -> tuple[str, str]:
    return f"{path} has mode {stat.S_IMODE(path.stat().st_mode):o}", f"chmod {wanted} {path}"
