"""Image files in a folder for each class: the bytes of each file, the name of its folder, and where it lies."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from assay.bad_rows import PROBLEM
from assay.errors import DataFault, Fault, raise_all
from assay.image_files import flaw
from assay.notices import notice
from assay.parts import Source
from assay.sources._paths import REMOTE, everywhere, expand, open_stream
from assay.spec.strict import Strict

PEEK_FILES = 1_000  # spread over all files: sorted by name, the first ones are of one class
BLOCK_FILES = 1_000
SKIP = "write `data: {broken: skip}`"  # in an experiment file
NAMED = 5  # broken files that are named, at most


@dataclass(frozen=True)
class Classes:
    """Which class the place of a file tells: `roots` are the folders that are read, `flat` those without folders."""

    roots: tuple[str, ...]
    flat: frozenset[str]

    @classmethod
    def of(cls, files: Sequence[str], roots: Sequence[str]) -> Classes:
        """Look at where files lie; files beside folders of classes are told of."""
        bare = tuple(sorted({_bare(root) for root in roots}, key=len, reverse=True))
        within = {
            root: [_below(file, root) for file in map(_bare, files) if file.startswith(root + "/")] for root in bare
        }
        flat = frozenset(root for root, names in within.items() if not any("/" in name for name in names))
        for root, names in within.items():
            loose = [name for name in names if "/" not in name]
            if loose and root not in flat:
                notice(
                    f"{root}: {len(loose):,} images lie beside the folders of classes and have no label "
                    f"(first: {min(loose)})"
                )
        return cls(bare, flat)

    def label_and_name(self, file: str) -> tuple[str | None, str]:
        """Return the class of a file, and its name from there on."""
        file = _bare(file)
        folder, name = posixpath.split(file)
        root = next((root for root in self.roots if file.startswith(root + "/")), None)
        if root is None or root in self.flat:
            label = posixpath.basename(folder)
            return label, f"{label}/{name}"
        below = _below(file, root)
        return (below.partition("/")[0], below) if "/" in below else (None, below)


def _roots(paths: Sequence[str]) -> list[str]:
    """Return the paths that are folders, as their files are found below them."""
    expanded = [os.path.expanduser(path) for path in paths]
    return [path for path in expanded if REMOTE in path or os.path.isdir(path)]


def _bare(path: str) -> str:
    """Return a path as Ray Data names it: without the scheme of its URI, and without a slash at its end."""
    return path.partition(REMOTE)[2].rstrip("/") if REMOTE in path else path.rstrip("/")


def _below(file: str, root: str) -> str:
    return file[len(root) + 1 :]


class Images(Source):
    """Reads and decodes through Ray Data; a file that is no whole image is named, or a row without image if so asked.

    Columns are `image`, the bytes of the file; `label`, the first folder below the one that is read in which it lies,
    however deep, or the folder itself where that holds files alone; and `file`, its name from the label on. A file
    beside folders of classes has no label.

    Example:
        >>> Images().endings[:3]
        ('.png', '.jpg', '.jpeg')
    """

    endings = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

    class Params(Strict):
        """What to do with what cannot be read."""

        broken: Literal["error", "skip", "report"] = Field(
            "error",
            description="what to do with files that are no whole image; report: say why in a column",
        )

    def read(self, paths: Sequence[str]) -> Any:
        import ray.data

        files = everywhere(self._files(paths))
        found = ray.data.read_binary_files(
            files, include_paths=True, file_extensions=None, override_num_blocks=-(-len(files) // BLOCK_FILES)
        )
        roots = everywhere(_roots(paths))
        classes = Classes.of(files, roots)
        return found.map_batches(self._rows, batch_format="pyarrow", batch_size=None, fn_kwargs={"classes": classes})

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        files = self._files(paths)
        every = max(1, len(files) // min(num_rows, PEEK_FILES))
        content = []
        for file in (chosen := files[::every]):
            with open_stream(file) as stream:
                content.append(stream.read())
        classes = Classes.of(files, _roots(paths))
        return self._rows(pa.table({"bytes": pa.array(content, pa.binary()), "path": chosen}), classes=classes)

    def _files(self, paths: Sequence[str]) -> list[str]:
        """Return the files; one of no bytes is a broken image like others."""
        return expand(paths, self.endings, empty=True)

    def _rows(self, table: pa.Table, classes: Classes) -> pa.Table:
        """Return some files as rows; where broken ones are to be skipped, they have no bytes.

        Raises:
            DataFault: naming files that are broken.
        """
        content, files = table.column("bytes").to_pylist(), table.column("path").to_pylist()
        why = [flaw(data) for data in content]
        if self.params.broken == "error":
            raise_all(DataFault, told([(file, said) for file, said in zip(files, why, strict=True) if said]))
        folders, names = zip(*map(classes.label_and_name, files), strict=True) if files else ((), ())
        whole = [None if said else data for data, said in zip(content, why, strict=True)]
        columns = {
            "image": pa.array(whole, pa.large_binary()),
            "label": pa.array(list(folders), pa.string()),
            "file": pa.array(list(names), pa.string()),
        }
        if self.params.broken == "report":
            columns[PROBLEM] = problems(files, why)
        return pa.table(columns)


def problems(files: Sequence[str | None], why: Sequence[str]) -> pa.Array:
    """Return why each file is no whole image, with its name; null where it is one."""
    found = [f"{file} is not a whole image ({said})" if said else None for file, said in zip(files, why, strict=True)]
    return pa.array(found, pa.string())


def told(broken: Sequence[tuple[str, str]]) -> list[Fault]:
    """Return a fault for each of the first few files, given with why they are no whole images."""
    more = f" (and {len(broken) - NAMED} more)" if len(broken) > NAMED else ""
    return [
        Fault(file, f"is not a whole image ({said}){more}", f"replace it, or {SKIP}") for file, said in broken[:NAMED]
    ]
