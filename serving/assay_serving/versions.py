"""Versions in memory: each is loaded once, whoever asks; that unused for longest leaves when there are many."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from assay_serving.settings import ModelRef

Loaded = TypeVar("Loaded")


class Versions(Generic[Loaded]):
    """What `load` makes of a version, at most `most` of them at a time."""

    def __init__(self, load: Callable[[ModelRef], Awaitable[Loaded]], most: int) -> None:
        self._load = load
        self._most = most
        self._loaded: OrderedDict[ModelRef, Loaded] = OrderedDict()  # the one used last is the last
        self._loading: dict[ModelRef, asyncio.Task[Loaded]] = {}

    def __len__(self) -> int:
        return len(self._loaded)

    async def get(self, ref: ModelRef) -> Loaded:
        """Return a version, loaded now if it is not yet.

        Raises:
            AssayError: it cannot be loaded.
        """
        if ref in self._loaded:
            self._loaded.move_to_end(ref)
            return self._loaded[ref]
        if ref not in self._loading:  # requests that come meanwhile wait for the same
            self._loading[ref] = asyncio.ensure_future(self._load(ref))
            self._loading[ref].add_done_callback(lambda _: self._loading.pop(ref, None))
        found = self._loaded[ref] = await asyncio.shield(self._loading[ref])
        while len(self._loaded) > self._most:
            self._loaded.popitem(last=False)
        return found

    def keep(self, refs: Collection[ModelRef]) -> None:
        """Forget all but these."""
        for ref in [ref for ref in self._loaded if ref not in refs]:
            del self._loaded[ref]
