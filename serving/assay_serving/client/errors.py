"""What can go wrong with a request, told by who can do something about it.

AskError
    Refused     the request: another one is needed (4xx)
    Failed      the server or the way to it: the same request may be answered later (5xx, or no answer at all)
"""

from __future__ import annotations


class AskError(Exception):
    """A request that got no result.

    `status` is the HTTP status, None when no answer came; `error` is the server's own text; with `request_id` the
    operator finds the request in the server's log; `retry_after_s` is how long the server asks to wait, if it does.
    """

    def __init__(
        self, error: str, *, status: int | None = None, request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        self.error = error
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        said = "no answer" if status is None else f"HTTP {status}"
        super().__init__(f"{said}: {error}" + (f" (request {request_id})" if request_id else ""))


class Refused(AskError):
    """The server will not answer this request, however often it is sent: rows, names, token or size are wrong."""


class Failed(AskError):
    """The server did not answer, or is full or broken; it was asked once more where that was safe."""
