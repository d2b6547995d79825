"""What the server is told, and the limits it keeps; each number says why it is what it is."""

from __future__ import annotations

import ipaddress
from importlib import metadata
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.spec.strict import Strict
from assay.vocabulary import Scope

try:
    PRODUCT_VERSION = metadata.version("assay")
except metadata.PackageNotFoundError:  # run from an uploaded working directory
    PRODUCT_VERSION = "0"
TOKEN_VARIABLE = "ASSAY_SERVE_TOKEN"  # noqa: S105 - the name of the variable, not a secret
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"  # of models and versions, as they stand in URLs

MAX_BODY_BYTES = 16 * 2**20  # about 100,000 rows of 20 columns as JSON; also the cap on an inflated body
MAX_ARRIVING_BYTES = 16 * MAX_BODY_BYTES  # of all bodies that are coming in at one time
MAX_PARTS = 2_000_000  # lists and objects in a JSON body: pixels of images, steps of series, one for 8 bytes
MAX_ROWS = 100_000  # beyond it a batch job is the right tool, and one request would hold up all others
REQUEST_TIMEOUT_S = 30.0  # then 504; a proxy in front of us must give up later, so that ours is the answer seen
MAX_BATCH_REQUESTS = 64  # requests that share one predict call
MAX_BATCH_ROWS = 8_192  # rows that share one predict call; a larger request goes alone
MAX_WAITING = 4 * MAX_BATCH_REQUESTS  # requests waiting for a predict call; one more is answered 503
MAX_WAIT_S = REQUEST_TIMEOUT_S / 3  # requests that would wait longer, by the pace measured, are answered 503 too
RETRY_AFTER_S = 1  # what a 503 tells the client to wait
HUNG_AFTER_S = 4 * REQUEST_TIMEOUT_S  # a predict call that runs this long makes the replica unhealthy
INLINE_BODY_BYTES = 32 * 2**10  # a body up to this size is parsed in the event loop: about a millisecond
BRIEF_CALL_S = 0.002  # a predict call that takes no longer runs in the event loop
BRIEF_CALL_ROWS = 64  # and has no more rows than this
MAX_LOADED = 16  # versions that a replica holds at a time; the one unused for longest makes room for another


class VersionRef(Strict):
    """A version of a model and where its artifact lies."""

    version: str = Field(pattern=NAME, description="version, as it stands in the URL")
    path: str = Field(min_length=1, description="folder of the model artifact, readable on every node")


class ModelRef(VersionRef):
    """A version of a model of a name."""

    name: str = Field(pattern=NAME, description="model name, as it stands in the URL")


class ModelPlan(Strict):
    """The versions of one model: the champion, and beside it one that gets a share and one that only watches."""

    name: str = Field(pattern=NAME, description="model name, as it stands in the URL")
    champion: VersionRef = Field(description="answers whatever no other version is asked for")
    canary: VersionRef | None = Field(None, description="answers a share of the requests, the same keys always")
    canary_share: float = Field(0.0, ge=0, le=1, description="share of the keys that the canary answers")
    shadow: VersionRef | None = Field(None, description="is asked the same in a process of its own, and never answers")

    def ref(self, role: VersionRef) -> ModelRef:
        """Return a version of this plan with the name."""
        return ModelRef(name=self.name, version=role.version, path=role.path)

    @property
    def answering(self) -> tuple[ModelRef, ...]:
        """The versions that a client may get an answer of, the champion first."""
        return tuple(self.ref(role) for role in (self.champion, self.canary) if role is not None)

    def roles(self) -> dict[str, str | float]:
        """Return which version has which role, as clients read it in the metadata."""
        roles: dict[str, str | float] = {"champion": self.champion.version}
        if self.canary:
            roles |= {"canary": self.canary.version, "canary_share": self.canary_share}
        return roles | ({"shadow": self.shadow.version} if self.shadow else {})


class TokenRef(Strict):
    """A token as the server knows it: by its hash, so that nobody can read it here."""

    name: str = Field(pattern=NAME, description="whose it is, as it stands in the log")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the token, in hexadecimal digits")
    scopes: Annotated[list[Scope], Field(min_length=1, description="what its bearer may do")]
    expires_s: float | None = Field(None, description="when it ends, in seconds since 1970; never when left out")


class LogPlan(Strict):
    """Where a server keeps what it was asked and answered, and labels that come later; see `assay_serving.logbook`."""

    storage: str = Field(pattern=r"^/", description="folder that remembers; files go to `serving/` in it; absolute")
    share: float = Field(0.0, ge=0, le=1, description="share of the requests whose rows are kept; 0 keeps labels only")
    max_mib: int = Field(1_024, ge=1, description="MiB of rows, and of labels, before the oldest files are removed")
    max_days: int = Field(30, ge=1, le=36_500, description="days after which a file is removed")


class Plan(Strict):
    """All models of a server, who may ask, what is logged; as `user_config` it switches replicas without a restart."""

    models: Annotated[list[ModelPlan], Field(min_length=1, description="the models of this server, each named once")]
    tokens: list[TokenRef] | None = Field(
        None, description="who may come in; an empty list: nobody; left out: all, on loopback, and nobody elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="from `info` on every request is a line of the log, from `warning` on those that failed here",
    )
    prediction_log: LogPlan | None = Field(None, description="what is kept of requests; nothing when left out")

    @classmethod
    def alone(cls, name: str, version: str, path: str) -> Plan:
        """Return the plan of one version of one model."""
        return Plan(models=[ModelPlan(name=name, champion=VersionRef(version=version, path=path))])

    @model_validator(mode="after")
    def _names_differ(self) -> Plan:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"model '{max(names, key=names.count)}' is planned twice; give each model one entry")
        return self


class ServeArgs(Plan):
    """What `assay_serving.app:build` takes."""

    num_replicas: int = Field(1, ge=1, le=1_000, description="processes that hold the models; the fewest if it scales")
    max_replicas: int | None = Field(None, ge=1, le=1_000, description="most processes when many requests wait")
    threads: int = Field(1, ge=1, le=256, description="CPUs and compute threads of each replica")
    fan_out: int = Field(0, ge=0, le=256, description="processes that the members of each model are divided among")
    member_deadline_s: float = Field(
        1.0, ge=0.01, le=REQUEST_TIMEOUT_S / 3, description="after which an answer does without a late member"
    )
    allow_hosts: list[str] = Field([], description="names of this server in URLs, beside its address and localhost")

    @property
    def plan(self) -> Plan:
        """What replicas follow without a restart."""
        return Plan(
            models=self.models, tokens=self.tokens, log_level=self.log_level, prediction_log=self.prediction_log
        )


def is_loopback(host: str | None) -> bool:
    """Return whether only programs of this machine can reach a server bound to `host`.

    Example:
        >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None)]
        [True, True, True, False, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
