"""Who may ask a server that we start: the tokens of a storage, the names it goes by, and a token of our own."""

from __future__ import annotations

import importlib
import os
import secrets
from dataclasses import dataclass, field
from typing import Any

from assay.errors import SpecFault
from assay.store.tokens import Token, digest_of
from assay.vocabulary import Scope

# Named, not imported: the server stands on the platform, not the other way round.
ACCESS, SETTINGS = "assay_serving.access", "assay_serving.settings"
OURS = "assay-serve"  # the name of the token with which `assay serve` looks whether its server answers


@dataclass(frozen=True)
class Admission:
    """What a server asks of its visitors and logs of them; without `tokens` it asks nothing, on loopback."""

    tokens: tuple[Token, ...] | None = None
    allow_hosts: tuple[str, ...] = ()
    log_level: str = "info"
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False, compare=False)

    def check(self, host: str) -> None:
        """Return when a server that listens on `host` may start.

        Raises:
            SpecFault: a token is asked for, and nobody has one.
        """
        anyone = _own_token() != "" or any(not token.is_expired for token in self.tokens or ())
        importlib.import_module(ACCESS).refuse_open_door(host, has_token=anyone)
        if self.tokens is not None and not anyone:
            raise SpecFault.at("tokens", "there is none, so nobody could ask", "`assay token add NAME --scope predict`")

    def planned(self) -> dict[str, Any]:
        """Return it as the server reads it: no token, only hashes."""
        told = {"allow_hosts": list(self.allow_hosts), "log_level": self.log_level}
        if self.tokens is None:
            return told
        ours = {"name": OURS, "digest": digest_of(self.secret), "scopes": [Scope.READ.value]}
        return told | {"tokens": [ours, *(_planned(token) for token in self.tokens)]}

    def headers(self) -> dict[bytes, bytes]:
        """Return what shows a server of this admission who we are."""
        token = _own_token() if self.tokens is None else self.secret
        return {b"Authorization": f"Bearer {token}".encode()} if token else {}

    def __str__(self) -> str:
        if self.tokens is None:
            return "everybody"
        own = [f"whoever has {importlib.import_module(SETTINGS).TOKEN_VARIABLE} (admin)"] if _own_token() else []
        named = [f"{token.name} ({', '.join(token.scopes)})" for token in self.tokens if not token.is_expired]
        return "; ".join([*own, *named]) or "nobody"


def is_guarded(host: str) -> bool:
    """Return whether a server on `host` asks for a token although nobody said so."""
    on_loopback: bool = importlib.import_module(SETTINGS).is_loopback(host)
    return not on_loopback or _own_token() != ""


def _own_token() -> str:
    return os.environ.get(importlib.import_module(SETTINGS).TOKEN_VARIABLE, "").strip()


def _planned(token: Token) -> dict[str, Any]:
    expires_s = None if token.expires is None else token.expires.timestamp()
    scopes = [scope.value for scope in token.scopes]
    return {"name": token.name, "digest": token.digest, "scopes": scopes, "expires_s": expires_s}
