"""What each route asks for, as it says itself (`says(…, scope=…)`); a route that says nothing is for admins alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.routing import BaseRoute, Match
from starlette.types import Scope as AsgiScope

from assay.vocabulary import Scope
from assay_serving.openapi.route import said_of

NOWHERE = "unmatched"
CACHED_PATH_LETTERS = 256
CONVERTER = re.compile(r":\w+}")  # `{name:plain}` is `{name}` for people


@dataclass(frozen=True)
class Way:
    """Where a request goes: the path template of its route, and what that needs; None is any token.

    What is public is answered without one: it says that the server is alive, or is the page, which holds no data.
    """

    template: str
    needed: Scope | None
    is_public: bool = False


def way_of(route: BaseRoute) -> Way:
    """Return the way that ends at a route."""
    said, template = said_of(route), CONVERTER.sub("}", getattr(route, "path", NOWHERE))
    if said is None:
        return Way(template, Scope.ADMIN)
    if said.scope == "public":
        return Way(template, None, is_public=True)
    return Way(template, Scope(said.scope))


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
            way = way_of(found.get("route", route))
            if match is Match.FULL:
                return way
            partial = partial or way
        return partial or Way(NOWHERE, None)  # nothing is there to guard, but strangers need not know that
