"""The one door to the disk: every write, move and removal of the store passes here, and is whole or did not happen.

New file: temporary name in the same folder, write, fsync, rename, fsync of the folder. New folder: the same, built
under a `staging/` sibling. A process that is killed leaves the state before or the state after, and at most a
leftover with a name that `leftovers` knows. Nothing here is removed on reading.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import ParamSpec, TypeVar

from assay.errors import ArtifactFault, ClusterFault

STAGING = "staging"
TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{8}\.tmp$")
STAGED = re.compile(r"^.+-[0-9a-f]{8}$")
OPEN_FILE = 0o666  # who may read it is left to the umask
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700  # for nobody but the owner
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})

P = ParamSpec("P")
R = TypeVar("R")


def before_call(name: str) -> None:
    """Do nothing; is told the name of each call that changes the disk, so that a test can fail the n-th of them."""


def _call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    before_call(function.__name__)
    return function(*args, **kwargs)


def may_write(folder: Path) -> bool:
    """Whether files may be made in a folder, as far as it says so itself."""
    return os.access(folder, os.W_OK)  # false on a file system that is mounted for reading, also for root


def write_file(path: Path, data: bytes, mode: int = OPEN_FILE) -> None:
    """Write a file whole, in place of an older one; `mode` says who may read it, as far as the umask lets them.

    Raises:
        ClusterFault: the disk is full, closed or broken; the older file, if any, is still there.
    """
    with _told(path), _temporary(path, data, mode) as written:
        _call(os.replace, written, path)
        _sync_folder(path.parent)


def write_new_file(path: Path, data: bytes) -> None:
    """Write a file whole under a name that nobody has taken.

    Raises:
        FileExistsError: the name is taken; what is there was not touched.
        ClusterFault: the disk is full, closed or broken.
    """
    with _told(path), _temporary(path, data) as written:
        _claim(written, path)
        _discard(written)
        _sync_folder(path.parent)


def _claim(written: Path, path: Path) -> None:
    try:
        _call(os.link, written, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # Some network and bucket mounts have no hard links: the lock of the run then stands for exclusive creation.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        _call(os.replace, written, path)


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder of files, all of them or none; `files` are written in their order.

    Raises:
        FileExistsError: `target` exists.
        ArtifactFault: a name would lie outside the folder.
        ClusterFault: the disk is full, closed or broken; `target` does not exist then.
    """
    names = [relative_name(name) for name in files]
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    staged = target.parent / STAGING / f"{target.name}-{secrets.token_hex(4)}"
    with _told(target):
        try:
            make_folder(staged)
            for name in names:
                make_folder((staged / name).parent)
                _fill(staged / name, files[name])
            for folder, _, _ in os.walk(staged):
                _sync_folder(Path(folder))
            _call(os.rename, staged, target)
        except BaseException:
            _discard(staged)
            raise
        finally:
            with suppress(OSError):  # still in use by another writer, or gone
                _call(os.rmdir, staged.parent)
        _sync_folder(target.parent)


def make_folder(path: Path, mode: int | None = None) -> None:
    """Make a folder and those above it, where they are missing; with `mode` it has that, also if it was there."""
    if path.is_dir() and (mode is None or path.stat().st_mode & 0o777 == mode):
        return
    with _told(path):
        try:
            _make_missing(path)
        except FileNotFoundError:  # another writer just removed an empty folder above us
            _make_missing(path)
        if mode is not None:
            _call(os.chmod, path, mode)


def _make_missing(path: Path) -> None:
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process was faster
            _call(os.mkdir, folder)
        _sync_folder(folder.parent)


def remove_tree(path: Path) -> None:
    """Remove a folder or a file; a folder leaves its place in one move, so that nobody meets half of it."""
    if not os.path.lexists(path):
        return
    with _told(path):
        if path.is_symlink() or not path.is_dir():
            _call(os.unlink, path)
            return
        doomed = path
        if path.parent.name != STAGING:
            doomed = path.parent / STAGING / f"{path.name}-{secrets.token_hex(4)}"
            make_folder(doomed.parent)
            _call(os.rename, path, doomed)
        _call(shutil.rmtree, doomed)
        with suppress(OSError):
            _call(os.rmdir, doomed.parent)


def remove_empty(path: Path) -> None:
    """Remove a folder if nothing is in it, not even what another writer puts there in this moment."""
    with suppress(OSError):
        _call(os.rmdir, path)


def read_file(path: Path, limit_bytes: int = -1) -> bytes:
    """Return the content of a file, at most `limit_bytes` of it when given; never follows a symbolic link.

    Raises:
        FileNotFoundError: there is no such file.
        ClusterFault: it cannot be read.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return file.read(limit_bytes)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except OSError as error:
        raise ClusterFault.at(
            str(path), f"cannot be read ({error.strerror})", "check the disk and that the file is readable for you"
        ) from error


@contextmanager
def guard(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on a file: others that ask for it wait; it falls when its process dies."""
    with _told(path):
        descriptor = _call(os.open, path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)


def relative_name(name: str) -> str:
    """Return `name` when it is a plain relative path, written with slashes.

    Raises:
        ArtifactFault: it is absolute, climbs with `..`, or is not written in the shortest way.

    Example:
        >>> relative_name("members/0/weights.safetensors")
        'members/0/weights.safetensors'
    """
    parts = PurePosixPath(name).parts
    plain = parts and "/".join(parts) == name and ".." not in parts and not set(name) & {"\0", "\\"}
    if not plain or name.startswith("/"):
        raise ArtifactFault.at(
            repr(name), "is not the name of a file inside its folder", "use names like 'members/0/model.txt'"
        )
    return name


def inside(folder: Path, name: str) -> Path:
    """Return the path of a relative name below a folder.

    Raises:
        ArtifactFault: it would lie outside, by its name or through a symbolic link.
    """
    path = folder / relative_name(name)
    if not path.parent.resolve().is_relative_to(folder.resolve()) or path.is_symlink():
        raise ArtifactFault.at(str(path), f"leads outside of {folder}", "remove the symbolic link")
    return path


def leftovers(folder: Path) -> list[Path]:
    """Return what writers that died left below a folder; those of living writers too, so ask for the lock first."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        if here.name == STAGING:
            staged = [name for name in folders if STAGED.match(name)]
            found += [here / name for name in staged]
            folders[:] = [name for name in folders if name not in staged]
        found += [here / name for name in names if TEMPORARY.match(name)]
    return sorted(found)


@contextmanager
def _temporary(path: Path, data: bytes, mode: int = OPEN_FILE) -> Iterator[Path]:
    written = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _fill(written, data, mode)
        yield written
    except BaseException:
        _discard(written)
        raise


def _fill(path: Path, data: bytes, mode: int = OPEN_FILE) -> None:
    descriptor = _call(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        rest = memoryview(data)
        while rest:  # a nearly full disk takes a part
            rest = rest[_call(os.write, descriptor, rest) :]
        _call(os.fsync, descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _call(os.fsync, descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a mount that cannot sync folders says so, and keeps its own order
            raise
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    """Remove what was being written, as far as the disk lets us; the rest is a leftover."""
    with suppress(OSError):
        if path.is_dir():
            _call(shutil.rmtree, path)
        else:
            _call(os.unlink, path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system says of a write into a fault that says where, what and what to do."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # how a rename says that the folder exists
            raise FileExistsError(error.errno, os.strerror(errno.EEXIST), str(path)) from None
        reason = error.strerror or str(error)
        raise ClusterFault.at(str(path), f"cannot be written ({reason})", _fix(error, path)) from error


def _fix(error: OSError, path: Path) -> str:
    parts = path.parts
    in_run = "runs" in parts[:-1]
    again = f"then `assay resume {parts[parts.index('runs') + 1]}`" if in_run else "then try again"
    if error.errno in FULL:
        return f"free space on that disk{_space(path)}, {again}"
    if error.errno in CLOSED:
        return f"make the folder writable for you, or choose another with --storage, {again}"
    return f"check that disk, {again}"


def _space(path: Path) -> str:
    with suppress(OSError, StopIteration):
        nearest = next(parent for parent in path.absolute().parents if parent.is_dir())
        return f" ({shutil.disk_usage(nearest).free >> 20:,} MiB are left)"
    return ""
