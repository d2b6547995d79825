"""What the server is told, and the limits it keeps; each number says why it is what it is."""

from __future__ import annotations

import ipaddress
from importlib import metadata

from pydantic import Field

from assay.spec.strict import Strict

try:
    PRODUCT_VERSION = metadata.version("assay")
except metadata.PackageNotFoundError:  # run from an uploaded working directory
    PRODUCT_VERSION = "0"
TOKEN_VARIABLE = "ASSAY_SERVE_TOKEN"  # noqa: S105 - the name of the variable, not a secret

MAX_BODY_BYTES = 16 * 2**20  # about 100,000 rows of 20 columns as JSON; also the cap on an inflated body
MAX_ROWS = 100_000  # beyond it a batch job is the right tool, and one request would hold up all others
REQUEST_TIMEOUT_S = 30.0  # then 504; a proxy in front of us must give up later, so that ours is the answer seen
MAX_BATCH_REQUESTS = 64  # requests that share one predict call
MAX_BATCH_ROWS = 8_192  # rows that share one predict call; a larger request goes alone
MAX_WAITING = 4 * MAX_BATCH_REQUESTS  # requests waiting for a predict call; one more is answered 503
RETRY_AFTER_S = 1  # what a 503 tells the client to wait
HUNG_AFTER_S = 4 * REQUEST_TIMEOUT_S  # a predict call that runs this long makes the replica unhealthy
INLINE_BODY_BYTES = 32 * 2**10  # a body up to this size is parsed in the event loop: about a millisecond


class ModelRef(Strict):
    """Which model a replica answers with; as `user_config` it switches a running one without a restart."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="model name, as it stands in the URL")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="version, as it stands in the URL")
    path: str = Field(min_length=1, description="folder of the model artifact, readable on every node")


class ServeArgs(ModelRef):
    """What `assay_serving.app:build` takes."""

    num_replicas: int = Field(1, ge=1, le=1_000, description="processes that hold the model, each on one CPU")
    threads: int = Field(1, ge=1, le=256, description="CPUs and compute threads of each replica")

    @property
    def model(self) -> ModelRef:
        """The model alone."""
        return ModelRef(name=self.name, version=self.version, path=self.path)


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
