"""Image files in a folder for each class: the bytes of each file, the name of its folder, and where it lies."""

from __future__ import annotations

import io
import posixpath
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from assay.bad_rows import PROBLEM
from assay.errors import DataFault, Fault, raise_all
from assay.parts import Source
from assay.sources._paths import everywhere, expand, open_stream
from assay.spec.strict import Strict

PEEK_FILES = 1_000  # spread over all files: sorted by name, the first ones are of one class
BLOCK_FILES = 1_000
NAMED = 5  # broken files that are named, at most


class Images(Source):
    """Reads and decodes through Ray Data; a file that is no whole image is named, or a row without image if so asked.

    Columns are `image`, the bytes of the file; `label`, the name of the folder that it lies in; and `file`, both names.

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
        return found.map_batches(self._rows, batch_format="pyarrow", batch_size=None)

    def peek(self, paths: Sequence[str], num_rows: int) -> pa.Table:
        files = self._files(paths)
        every = max(1, len(files) // min(num_rows, PEEK_FILES))
        content = []
        for file in (chosen := files[::every]):
            with open_stream(file) as stream:
                content.append(stream.read())
        return self._rows(pa.table({"bytes": pa.array(content, pa.binary()), "path": chosen}))

    def _files(self, paths: Sequence[str]) -> list[str]:
        """Return the files; one of no bytes is a broken image like others."""
        return expand(paths, self.endings, empty=True)

    def _rows(self, table: pa.Table) -> pa.Table:
        """Return some files as rows; where broken ones are to be skipped, they have no bytes.

        Raises:
            DataFault: naming files that are broken.
        """
        content, files = table.column("bytes").to_pylist(), table.column("path").to_pylist()
        why = [flaw(data) for data in content]
        if self.params.broken == "error":
            raise_all(DataFault, told([(file, said) for file, said in zip(files, why, strict=True) if said]))
        folders = [posixpath.basename(posixpath.dirname(file)) for file in files]
        names = [f"{folder}/{posixpath.basename(file)}" for folder, file in zip(folders, files, strict=True)]
        whole = [None if said else data for data, said in zip(content, why, strict=True)]
        columns = {
            "image": pa.array(whole, pa.large_binary()),
            "label": pa.array(folders, pa.string()),
            "file": pa.array(names, pa.string()),
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
        Fault(file, f"is not a whole image ({said}){more}", "replace it, or write `data: {broken: skip}`")
        for file, said in broken[:NAMED]
    ]


def flaw(data: bytes) -> str:
    """Return why bytes are no whole image, or nothing; the whole image is decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                image.load()
    except UnidentifiedImageError:
        return "no image format is known that begins like it"
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as e:
        return str(e).split("\n")[0][:200] or type(e).__name__
    return ""
