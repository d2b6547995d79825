"""One line for each request, `key=value`, in the log of its replica: never a body, a token or a header of the client.

method=POST route=/v2/models/{name}/infer status=200 ms=3.1 request_id=4f… model=adult-income/1 token=ci
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from assay_serving.gate import Visit

log = logging.getLogger("assay_serving.access")
HOUSE = logging.getLogger("assay_serving")


def write(visit: Visit) -> None:
    """Write the line of a request that is over; one that we failed is a warning, so that a level shows those alone."""
    level = logging.WARNING if visit.status >= 500 else logging.INFO
    if log.isEnabledFor(level):
        log.log(level, "%s", line(visit))


def line(visit: Visit) -> str:
    """Return what is written of a request."""
    parts = [
        f"method={visit.method} route={visit.way.template} status={visit.status} ms={visit.took_s * 1_000:.1f}",
        f"request_id={visit.request_id}",
    ]
    parts += [f"model={visit.model}"] if visit.model else []
    parts += [f"token={visit.token}"] if visit.token else []
    return " ".join(parts)


def write_to(handlers: Sequence[logging.Handler], level: str) -> None:
    """Send the server's log from `level` on to these handlers, and nowhere else."""
    HOUSE.handlers[:] = handlers
    HOUSE.propagate = not handlers
    HOUSE.setLevel(level.upper())
