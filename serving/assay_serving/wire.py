"""What is said of bytes that are no HTTP request, and how many a client may send before and around a body.

uvicorn, which Ray Serve's proxy runs, answers broken requests in plain text and reads a head of any length into memory:
measured, one header that never ended took 175 MB in 20 s, and no token was needed. `install` puts `Wire` in its place.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_AROUND_BYTES = 256 * 2**10  # of a request but its body: the head, the sizes of chunks, trailers


def install() -> None:
    """Let every server that this process starts from now on speak as `Wire` does."""
    auto.AutoHTTPProtocol = Wire


class Wire(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, but for broken and endless requests; nothing is upgraded to a web socket."""

    around_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Read what came; refuse when it is too much that is no body."""
        self.around_bytes += len(data)
        super().data_received(data)
        if self.around_bytes > MAX_AROUND_BYTES and not self.transport.is_closing():
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, f"a request may be {MAX_AROUND_BYTES // 2**10} KiB beside its body")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.around_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self.around_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"{msg} Expected HTTP/1.1")

    def _should_upgrade(self) -> bool:
        return False

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        body = json.dumps({"error": error}).encode()
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
