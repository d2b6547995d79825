"""What a reader decided on its own and its user should know: an encoding, a skipped row, a renamed column.

A notice is no error. It is told once in a process, to whoever listens: the command line prints it to stderr, and a run
keeps it among the `warnings` of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []


def notice(text: str) -> None:
    """Tell everybody who listens."""
    for listener in list(_listeners):
        listener(text)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Give every notice to `listener`, the same text once.

    Example:
        >>> heard: list[str] = []
        >>> with listening(heard.append):
        ...     notice("column 'a' is there twice")
        ...     notice("column 'a' is there twice")
        >>> heard
        ["column 'a' is there twice"]
    """
    heard: set[str] = set()

    def once(text: str) -> None:
        if text not in heard:
            heard.add(text)
            listener(text)

    _listeners.append(once)
    try:
        yield
    finally:
        _listeners.remove(once)
