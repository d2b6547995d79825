"""The client: asks over HTTP, asks once more when the server was full or the line broke, and says what went wrong.

Nothing that a client sends changes a prediction, and of several labels for one row the last counts, so asking again is
always safe. A server that dies in the middle of a request costs its clients a moment instead of an error.
"""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from assay_serving.client.answers import Explanation, Feedback, Metadata, Predictions
from assay_serving.client.errors import AskError, Failed, Refused
from assay_serving.client.rows import to_rows

TOKEN_VARIABLE = "ASSAY_SERVE_TOKEN"  # noqa: S105 - the name of the variable, not a secret
AGAIN = frozenset({502, 503})  # statuses of a server that may answer a moment later
BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError)  # no timeouts: they took long enough
PAUSE_S = 0.2  # before asking again, when the server says nothing
MAX_PAUSE_S = 5.0  # a server that asks for more is not asked again


class Client:
    """Asks a server of assay; use it in a `with` block, or call `close`. Threads may share one."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        model: str | None = None,
        timeout_s: float = 35.0,
        http: httpx.Client | None = None,
    ) -> None:
        """Open a client of the server at `url`.

        `token` is taken from ASSAY_SERVE_TOKEN when left out; `model` names one of several on a server; `timeout_s`
        lies beyond the server's own 30 s, so that its error is the one that is seen; `http` is a client of your own,
        for certificates or proxies.
        """
        self._url = url.rstrip("/")
        self._model = model
        token = os.environ.get(TOKEN_VARIABLE, "").strip() if token is None else token
        self._authorization = f"Bearer {token}".encode() if token else b""
        # A proxy from the environment is for other machines.
        self._http = http or httpx.Client(timeout=timeout_s, trust_env=not _is_here(self._url))

    def predict(self, rows: Any, *, model: str | None = None, key: str | None = None) -> Predictions:
        """Return what the model says of rows: a dict, a list of dicts, a DataFrame or an Arrow table.

        One `key`, such as a customer, keeps one version while a canary runs.

        Raises:
            Refused: rows, model or token are wrong.
            Failed: the server did not answer.
        """
        name = model or self._model
        headers = {**({"x-assay-model": name} if name else {}), **({"x-assay-key": key} if key else {})}
        answer = self._post("/invocations", {"dataframe_records": to_rows(rows)}, headers)
        records = tuple(answer.json()["predictions"])
        degraded = answer.headers.get("x-assay-degraded", "false").lower() not in ("", "0", "false")
        return Predictions(records, answer.headers.get("x-assay-version", ""), _id_of(answer), degraded)

    def explain(self, rows: Any, *, model: str | None = None) -> list[Explanation]:
        """Return why each row gets its prediction.

        Raises:
            Refused: rows, model or token are wrong, or the model cannot be explained.
            Failed: the server did not answer.
        """
        name = quote(self._name(model), safe="")
        answer = self._post(f"/v1/models/{name}:explain", {"instances": to_rows(rows)})
        return [Explanation.read(told) for told in answer.json()["explanations"]]

    def feedback(self, request: Predictions | str, labels: Iterable[Any], *, model: str | None = None) -> Feedback:
        """Send the true labels of the rows of a request, in their order; None where one is not known yet.

        Raises:
            Refused: a label is none that the model can predict, or the server keeps none.
            Failed: the server did not answer, or cannot write.
        """
        request_id = request if isinstance(request, str) else request.request_id
        return self._feedback({"request_id": request_id, "labels": _values(labels)}, model)

    def feedback_rows(self, labels: Iterable[tuple[str, int, Any]], *, model: str | None = None) -> Feedback:
        """Send true labels of rows of any requests: (request id, row, label), at most 100,000 at a time.

        Raises:
            Refused, Failed: as `feedback`.
        """
        told = [(request_id, row, label) for request_id, row, label in labels]
        values = _values([label for *_, label in told])
        rows = [
            {"request_id": request_id, "row": int(row), "label": value}
            for (request_id, row, _), value in zip(told, values, strict=True)
        ]
        return self._feedback({"feedback": rows}, model)

    def metadata(self, model: str | None = None) -> Metadata:
        """Return what a model reads and predicts.

        Raises:
            Refused, Failed: as `predict`.
        """
        return Metadata.read(self._send("GET", f"/v2/models/{quote(self._name(model), safe='')}").json())

    def ready(self, model: str | None = None) -> bool:
        """Whether the server answers, and for this model where one is named here or in the client."""
        name = model or self._model
        path = f"/v2/models/{quote(name, safe='')}/ready" if name else "/v2/health/ready"
        try:
            return bool(self._send("GET", path).json()["ready"])
        except Failed:
            return False
        except Refused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return False
            raise

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _name(self, model: str | None) -> str:
        if model or self._model:
            return str(model or self._model)
        names = sorted({str(entry["name"]) for entry in self._send("POST", "/v2/repository/index").json()})
        if len(names) != 1:
            raise ValueError(f"the server has {len(names)} models ({', '.join(names)}); say which with `model=`")
        return names[0]

    def _feedback(self, content: Mapping[str, Any], model: str | None) -> Feedback:
        name = model or self._model
        told = self._post("/feedback", {**({"model": name} if name else {}), **content}).json()
        return Feedback(told["model"], told["stored"], told["in_log"])

    def _post(self, path: str, content: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return self._send("POST", path, {**(headers or {}), "Content-Type": "application/json"}, body)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> httpx.Response:
        headers = {**(headers or {}), "x-request-id": uuid4().hex}
        for last in (False, True):
            found = self._once(method, path, headers, body)
            if isinstance(found, httpx.Response) and found.is_success:
                return found
            error, may_ask_again = (found, True) if isinstance(found, Failed) else _error_of(found)
            pause_s = PAUSE_S if error.retry_after_s is None else error.retry_after_s
            if last or not may_ask_again or pause_s > MAX_PAUSE_S:
                raise error
            time.sleep(pause_s)
        raise AssertionError("the loop returns or raises")

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> httpx.Response | Failed:
        """Return the answer, or what broke on the way to it.

        Raises:
            Failed: none came in time.
        """
        request_id = headers["x-request-id"]
        # As bytes: httpx takes text in headers to be ASCII.
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        sent += [(b"Authorization", self._authorization)] if self._authorization else []
        try:
            return self._http.request(method, self._url + path, headers=sent, content=body)
        except httpx.TimeoutException as error:
            raise Failed(f"{self._url} took too long ({type(error).__name__})", request_id=request_id) from error
        except BROKEN as error:
            said = str(error) or type(error).__name__
            return Failed(f"{self._url} could not be asked ({said})", request_id=request_id)


def _error_of(answer: httpx.Response) -> tuple[AskError, bool]:
    """Return what an answer without a result means, and whether asking again may help."""
    try:
        text = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        text = answer.text[:500] or answer.reason_phrase
    kind = Refused if answer.is_client_error else Failed
    error = kind(text, status=answer.status_code, request_id=_id_of(answer), retry_after_s=_seconds(answer.headers))
    return error, answer.status_code in AGAIN


def _id_of(answer: httpx.Response) -> str:
    """Return the request's id; proxies on the way may have written it more than once."""
    return str(answer.headers.get("x-request-id", "")).split(",")[0].strip()


def _seconds(headers: httpx.Headers) -> float | None:
    """Return what `Retry-After` asks for: seconds, or until a date."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _values(labels: Iterable[Any]) -> list[Any]:
    """Return labels of a list, or of a column of any library, as JSON has them."""
    for name in ("to_pylist", "tolist", "to_list"):
        if hasattr(labels, name):
            labels = getattr(labels, name)()
            break
    return [row["label"] for row in to_rows([{"label": label} for label in labels])]


def _is_here(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
