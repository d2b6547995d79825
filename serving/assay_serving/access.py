"""Who may come in: tokens with scopes, known by their hashes alone; deny by default."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Sequence
from http import HTTPStatus

from assay.errors import SpecFault
from assay.store.tokens import digest_of
from assay.vocabulary import Scope
from assay_serving.faults import RequestFault
from assay_serving.settings import TOKEN_VARIABLE, TokenRef, is_loopback

ASK = "send the header `Authorization: Bearer TOKEN`"


def token_digest() -> str | None:
    """Return the SHA-256 of the token in the environment, so that the token itself goes nowhere; None without one."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    return digest_of(token) if token else None


def refuse_open_door(host: str | None, has_token: bool) -> None:
    """Return when a server may listen on `host`.

    Raises:
        SpecFault: other machines could reach it, and nobody has a token.
    """
    if not has_token and not is_loopback(host):
        raise SpecFault.at(
            f"host {host}",
            "is reachable from other machines, and there is no token to ask for",
            f"`assay token add NAME --scope predict`, or set {TOKEN_VARIABLE}, or listen on 127.0.0.1",
        )


class Access:
    """The tokens of a server. `follow` replaces those of the plan while requests go on.

    `digest` is of the token in the operator's environment, which may do everything. A server that is `locked` stays so
    whatever a plan says; where it is not, a plan without a list of tokens lets everybody in, one with an empty list
    nobody.
    """

    def __init__(self, digest: str | None = None, *, locked: bool = False) -> None:
        own = [] if digest is None else [TokenRef(name=TOKEN_VARIABLE, digest=digest, scopes=[Scope.ADMIN])]
        self._own: tuple[TokenRef, ...] = tuple(own)
        self._planned: tuple[TokenRef, ...] | None = None
        self._locked = locked or digest is not None

    @property
    def asks(self) -> bool:
        """Whether a token is asked for."""
        return self._locked or self._planned is not None

    def follow(self, tokens: Sequence[TokenRef] | None) -> None:
        """Admit these from now on, and the others no more."""
        self._planned = None if tokens is None else tuple(tokens)

    def admitted(self, authorization: str, needed: Scope | None) -> str:
        """Return the name of the token that a request shows; empty where none is asked for. `needed` None: any token.

        Raises:
            RequestFault: 401 without a token that is known, 403 with one that lacks the scope.
        """
        if not self.asks:
            return ""
        token = self._bearer(authorization, needed)
        if needed is not None and not any(scope.covers(needed) for scope in token.scopes):
            has = " and ".join(f"'{scope}'" for scope in token.scopes)
            text = f"this needs a token with the scope '{needed}'; token '{token.name}' has {has}"
            raise RequestFault(HTTPStatus.FORBIDDEN, text)
        return token.name

    def _bearer(self, authorization: str, needed: Scope | None) -> TokenRef:
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            what = f"a token with the scope '{needed}'" if needed else "a token"
            raise _unauthorized(f"{what} is needed: {ASK}")
        digest, now_s = digest_of(_as_text(shown.strip())), time.time()
        found = None
        for token in (*self._own, *(self._planned or ())):  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, token.digest):
                found = token
        if found is None or (found.expires_s is not None and found.expires_s <= now_s):
            raise _unauthorized(f"the token is not known here, was revoked or has expired; {ASK}")
        return found


def _as_text(shown: str) -> str:
    """Return a token as it was written: headers are read as Latin-1, and clients send UTF-8."""
    try:
        return shown.encode("latin-1").decode()
    except UnicodeError:
        return shown


def _unauthorized(text: str) -> RequestFault:
    return RequestFault(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": "Bearer"})
