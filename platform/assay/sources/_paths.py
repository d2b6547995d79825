"""Paths as people write them, turned into the files they mean: files, folders, globs, lists and URIs."""

from __future__ import annotations

import fnmatch
import glob
import os
import posixpath
from collections.abc import Sequence
from typing import Any

import pyarrow.fs as pafs

from assay.errors import AssayError, DataFault, did_you_mean
from assay.notices import notice

REMOTE = "://"
WEB = ("http://", "https://", "ftp://")


def expand(paths: Sequence[str], endings: tuple[str, ...], *, empty: bool = False) -> list[str]:
    """Return every file that `paths` mean, in a fixed order: as listed, folders and globs sorted by name.

    Raises:
        DataFault: a path means no file, or a file is empty and that is not allowed.
    """
    files: list[str] = []
    for path in paths:
        found = _remote(path, endings, empty) if REMOTE in path else _local(path, endings, empty)
        if not found:
            raise _nothing(path, endings)
        files += found
    return files


def everywhere(files: Sequence[str]) -> list[str]:
    """Return paths that mean the same in every process, whatever folder it works in."""
    return [file if REMOTE in file else os.path.abspath(file) for file in files]


def open_stream(file: str) -> Any:
    """Open a file or URI to read its bytes from the first on; `.gz` is unpacked on the way."""
    file_system, path = pafs.FileSystem.from_uri(file) if REMOTE in file else (pafs.LocalFileSystem(), file)
    return file_system.open_input_stream(path, compression="gzip" if file.endswith(".gz") else None)


def _local(path: str, endings: tuple[str, ...], empty: bool) -> list[str]:
    """Return the files of a path that exists, else of a pattern."""
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        names = names_within(path)
        chosen = [name for name in names if _is_data(name, endings)]
        _refuse_other_formats(path, names, endings)
    elif os.path.isfile(path):
        chosen = [path]
    else:
        chosen = glob.glob(path, recursive=True) if glob.has_magic(path) else []
    return _with_bytes(sorted(chosen), empty)


def names_within(folder: str) -> list[str]:
    """Return every file below a folder; links to folders are followed, and each folder is visited once."""
    found, visited = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        found += [os.path.join(place, name) for name in names]
    return found


def _with_bytes(files: list[str], empty: bool) -> list[str]:
    """Return files that are not empty; an empty one beside others is passed over.

    Raises:
        DataFault: there is nothing else, and that is not allowed.
    """
    full = [name for name in files if os.path.getsize(name)]
    if empty and len(full) == len(files):
        return files
    if files and not full:
        raise DataFault.at(files[0], "is empty (0 bytes)", "give a file with a header and rows")
    for name in sorted(set(files) - set(full)):
        notice(f"{name}: is empty (0 bytes) and is passed over")
    return full


OTHER_FORMATS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".pq", ".npz")


def _refuse_other_formats(folder: str, names: Sequence[str], endings: tuple[str, ...]) -> None:
    """Raise a DataFault when a folder holds tables of another format, which would be left out."""
    if not set(endings) & set(OTHER_FORMATS):
        return  # images, beside which a table of their names may lie
    others = tuple(ending for ending in OTHER_FORMATS if ending not in endings)
    other = next((name for name in sorted(names) if _is_data(name, others)), None)
    mine = next((name for name in sorted(names) if _is_data(name, endings)), None)
    if other is not None and mine is not None:
        raise DataFault.at(
            folder,
            f"holds files of two formats: {os.path.relpath(mine, folder)} and {os.path.relpath(other, folder)}",
            "name the files to read, as a list or a glob such as '*.parquet', or keep one format in a folder",
        )


def _remote(uri: str, endings: tuple[str, ...], empty: bool) -> list[str]:
    scheme = uri.split(REMOTE)[0]
    try:
        file_system, path = pafs.FileSystem.from_uri(uri.partition("*")[0] if "*" in uri else uri)
        if "*" in uri:
            base = posixpath.dirname(path)
            pattern = posixpath.join(base, uri.split(base, 1)[1].lstrip("/"))
            infos = file_system.get_file_info(pafs.FileSelector(base, recursive=True))
            chosen = [info for info in infos if fnmatch.fnmatch(info.path, pattern)]
        else:
            info = file_system.get_file_info(path)
            folder = info.type == pafs.FileType.Directory
            chosen = file_system.get_file_info(pafs.FileSelector(path, recursive=True)) if folder else [info]
            chosen = [info for info in chosen if not folder or _is_data(info.path, endings)]
    except (OSError, ValueError) as error:
        raise DataFault.at(
            uri,
            f"cannot be listed ({error})",
            "download it, and give the file: only storage such as s3:// and gs:// is read"
            if uri.startswith(WEB)
            else "check the address, the credentials and the network",
        ) from None
    files = [info for info in chosen if info.type == pafs.FileType.File]
    full = [info for info in files if info.size != 0]
    if files and not full and not empty:
        raise DataFault.at(uri, f"file {files[0].path} is empty (0 bytes)", "give a file with a header and rows")
    files = files if empty else full
    prefix = "" if scheme == "file" else f"{scheme}{REMOTE}"
    return sorted(prefix + info.path for info in files)


def _is_data(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a file of a folder holds rows; hidden ones and marks such as `_SUCCESS` do not."""
    return name.lower().endswith(endings) and not posixpath.basename(name).startswith((".", "_"))


def _nothing(path: str, endings: tuple[str, ...]) -> AssayError:
    folder = os.path.dirname(path) or "."
    near = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    fix = did_you_mean(os.path.basename(path), near) if near and len(near) < 200 else "check the path"
    what = f"no file ends in {' or '.join(endings)} there" if os.path.isdir(path) else "no such file"
    return DataFault.at(path, what, fix)
