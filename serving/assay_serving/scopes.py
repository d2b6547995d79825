"""What each route asks for: a mark on its endpoint. A route without a mark is for admins alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeVar

from starlette.routing import BaseRoute, Match
from starlette.types import Scope as AsgiScope

from assay.vocabulary import Scope


class Open(Enum):
    """What is answered without a token: it says that the server is alive, and nothing else."""

    PUBLIC = "public"


PUBLIC: Final = Open.PUBLIC
MARK = "needs_scope"
NOWHERE = "unmatched"
CACHED_PATH_LETTERS = 256
Needed = Scope | Open
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def needs(scope: Needed) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint with the scope that its callers need, or as `PUBLIC`; write it next to the function.

    Example:
        >>> @needs(Scope.READ)
        ... async def stats() -> None: ...
        >>> scope_of(stats)
        <Scope.READ: 'read'>
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, MARK, scope)
        return endpoint

    return mark


def scope_of(endpoint: object) -> Needed:
    """Return what an endpoint asks for: admin when nobody said."""
    needed: Needed = getattr(endpoint, MARK, Scope.ADMIN)
    return needed


@dataclass(frozen=True)
class Way:
    """Where a request goes: the path template of its route, and what that needs; None is any token."""

    template: str
    needed: Needed | None


class Ways:
    """Finds the route of a request as the router will, with the router's own code."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._cached = lru_cache(maxsize=1_024)(self._find)

    def of(self, scope: AsgiScope) -> Way:
        """Return where a request goes."""
        find = self._cached if len(scope["path"]) <= CACHED_PATH_LETTERS else self._find
        return find(scope["method"], scope["path"], scope.get("root_path", ""))

    def _find(self, method: str, path: str, root_path: str) -> Way:
        partial: Way | None = None
        for route in self._routes:
            match, found = route.matches({"type": "http", "method": method, "path": path, "root_path": root_path})
            if match is Match.NONE:
                continue
            template = getattr(found.get("route", route), "path", NOWHERE)
            way = Way(template, scope_of(found.get("endpoint")))
            if match is Match.FULL:
                return way
            partial = partial or way
        return partial or Way(NOWHERE, None)  # nothing is there to guard, but strangers need not know that
