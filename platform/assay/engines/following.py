"""What a running server reports while it follows the registry: each problem once, and that it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from assay.errors import AssayError


class Problems:
    """What could not be followed at the last look.

    Example:
        >>> heard: list[str] = []
        >>> problems = Problems(heard.append)
        >>> for current in (["no champion"], ["no champion"], []):
        ...     problems.report(current)
        >>> heard
        ['stays as it is: no champion', 'follows again']
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._reported: frozenset[str] = frozenset()

    def report(self, current: Iterable[str]) -> None:
        """Tell the problems of this look that were none at the look before; or that there are none any more."""
        now = frozenset(current)
        for text in sorted(now - self._reported):
            self._tell(f"stays as it is: {text}")
        if self._reported and not now:
            self._tell("follows again")
        self._reported = now

    def report_error(self, error: Exception) -> None:
        """Tell of an error that ended a look."""
        self.report([str(error) if isinstance(error, AssayError) else f"{type(error).__name__}: {error}"])
