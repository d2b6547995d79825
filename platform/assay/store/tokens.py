"""Tokens of a server as the storage keeps them: name, hash, scopes, times. The token itself is told once, kept nowhere.

`<storage>/serving/access/tokens.json`, which only its owner may read. A running server follows it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from assay.errors import ClusterFault, SpecFault, did_you_mean
from assay.spec.strict import Strict
from assay.store import files
from assay.vocabulary import Scope

PREFIX = "assay_"  # so that programs which look for lost secrets know one when they see it
TOKEN_BYTES = 32  # random ones: nobody finds the token from its hash, so the hash needs no salt and no slowness
FORM = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAX_FILE_BYTES = 2**20
UNFIT = {"name": ("is no name", "up to 64 letters, digits, . _ -, the first one a letter or digit")}


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal digits: all that is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


class Token(Strict):
    """What is known of a token."""

    name: str = Field(pattern=FORM, description="whose it is")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, in hexadecimal digits")
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, description="what its bearer may do")]
    created: datetime
    expires: datetime | None = None

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= datetime.now(UTC)

    def told(self) -> dict[str, Any]:
        """Return it for people and for `serving/config.yaml`, as JSON."""
        return {**self.model_dump(mode="json"), "expired": self.is_expired}


KEPT = TypeAdapter(list[Token])


class Tokens:
    """The tokens of a storage."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "serving" / "access"
        self.path = self.folder / "tokens.json"

    def all(self) -> tuple[Token, ...]:
        """Return every token, expired ones too, in the order in which they were made.

        Raises:
            ClusterFault: the file cannot be read, or somebody broke it.
        """
        try:
            return tuple(KEPT.validate_json(files.read_file(self.path, MAX_FILE_BYTES)))
        except FileNotFoundError:
            return ()
        except ValidationError as error:
            first = error.errors()[0]
            told = ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])
            raise ClusterFault.at(
                str(self.path), f"is broken ({told})", "remove it, and make its tokens anew"
            ) from None

    def add(self, name: str, scopes: Sequence[Scope], lifetime: timedelta | None = None) -> tuple[str, Token]:
        """Make a token and return it, which nobody can later, and what is kept of it.

        Raises:
            SpecFault: the name is taken or none, or no scope is given.
            ClusterFault: it cannot be written.
        """
        secret, now = PREFIX + secrets.token_urlsafe(TOKEN_BYTES), datetime.now(UTC).replace(microsecond=0)
        try:
            token = Token(
                name=name,
                digest=digest_of(secret),
                scopes=tuple(dict.fromkeys(scopes)),
                created=now,
                expires=None if lifetime is None else now + lifetime,
            )
        except ValidationError as error:
            first = str(error.errors()[0]["loc"][0])
            found, fix = UNFIT.get(first, (f"its {first} is none", "name a scope: predict, read or admin"))
            raise SpecFault.at(f"token '{name}'", found, fix) from None

        def added(kept: tuple[Token, ...]) -> Sequence[Token]:
            if any(other.name == name for other in kept):
                raise SpecFault.at(
                    f"token '{name}'", "is there already", f"`assay token revoke {name}`, or take another name"
                )
            return [*kept, token]

        self._change(added)
        return secret, token

    def revoke(self, name: str) -> Token:
        """Forget a token and return what it was.

        Raises:
            SpecFault: there is none of this name.
            ClusterFault: it cannot be written.
        """
        found: list[Token] = []

        def without(kept: tuple[Token, ...]) -> Sequence[Token]:
            found.extend(token for token in kept if token.name == name)
            if not found:
                names = [token.name for token in kept]
                raise SpecFault.at(
                    f"token '{name}'",
                    "is not there",
                    did_you_mean(name, names) if names else "no token is left to revoke",
                )
            return [token for token in kept if token.name != name]

        self._change(without)
        return found[0]

    def _change(self, change: Callable[[tuple[Token, ...]], Sequence[Token]]) -> None:
        files.make_folder(self.folder, files.PRIVATE_FOLDER)
        with files.guard(self.folder / "lock"):  # two verbs at a time: the second sees what the first wrote
            files.write_file(self.path, KEPT.dump_json(list(change(self.all())), indent=1), files.PRIVATE_FILE)
