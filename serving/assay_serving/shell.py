"""The page of the server as files: a shell that holds no data and no model, so that anybody may read it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

FOLDER = "page"  # of this package, and of the addresses
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing of another origin, nothing inline, and no page around ours: what a model or a row says can run nowhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, and asked about each time: the tag below answers with 304
}


@dataclass(frozen=True)
class Piece:
    """One file of the page."""

    content: bytes
    media_type: str
    tag: str  # the entity tag of HTTP


@cache
def pieces() -> dict[str, Piece]:
    """Return the files by their paths on the server: `/`, and `/page/NAME`."""
    found: dict[str, Piece] = {}
    for entry in (resources.files(__package__) / FOLDER).iterdir():
        media_type = TYPES.get(PurePosixPath(entry.name).suffix)
        if media_type is None:
            continue
        content = entry.read_bytes()
        path = "/" if entry.name == INDEX else f"/{FOLDER}/{entry.name}"
        found[path] = Piece(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found
