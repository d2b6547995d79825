"""Pins the threads of the numeric libraries, so that a fit uses its share and gives the same bits on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Run the body with at most `threads` threads in each BLAS and OpenMP library loaded so far."""
    with _controller().limit(limits=threads):
        yield


@cache
def _controller() -> Any:
    # Made once: looking for the loaded libraries takes milliseconds, too many for a request to the server.
    import sklearn.utils._openmp_helpers  # noqa: F401  loads the OpenMP library that would be missed otherwise
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
