"""The queue's calls over requests, for workers and scripts."""

from __future__ import annotations

import io
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import requests
import urllib3.exceptions
from tenacity import Retrying

from kling_airflow.errors import GMIError
from kling_airflow.gmi import network
from kling_airflow.gmi.call import Call
from kling_airflow.gmi.protocol import PAGE_SIZE, Protocol
from kling_airflow.gmi.queue_clock import QueueClock
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Lost, Response, lost, read_json, refusal, too_large
from kling_airflow.gmi.retries import Retries

T = TypeVar("T")

_CHUNK = 64 * 1024
_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
    ssl.SSLCertVerificationError,
)


class GMIClient:
    """A client of the request queue.

    Calls that change nothing are repeated on 429, 5xx and network errors. A submission is sent once: who
    may send it again is for the caller to decide, by the class of the error.

    :param api_key: the key; ``GMI_API_KEY`` is its usual environment variable.
    :param base_url: the service; the real one by default.
    :param organization_id: for a key of several organizations.
    :param retries: how calls that change nothing are repeated.
    :raises GMIError: each call raises the classes of :mod:`kling_airflow.errors`.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        organization_id: str | None = None,
        *,
        retries: Retries | None = None,
    ) -> None:
        self.protocol = Protocol(api_key, base_url, organization_id)
        self.retries = retries or Retries()
        self.queue_clock = QueueClock()
        self._session = _session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once, and return the new request.

        :param model: the model's id; case matters.
        :param payload: as the model wants it, e.g. :meth:`ImageToVideo.to_json`.
        :raises NotAccepted: surely not taken: it may be sent again, after ``retry_after``.
        :raises Rejected: refused for good, as are ``NotFound``, ``Unauthorized``, ``InsufficientCredits``.
        :raises AmbiguousSubmission: it may have been taken: look in the list before sending again.
        """
        call = self.protocol.submit(model, payload)
        # A fresh connection: on a kept one, a reset couldn't be told from an answer lost on the way.
        with _session() as session:
            session.headers["Connection"] = "close"
            return self.protocol.read_submit(call, self._send(call, session))

    def get(self, request_id: str) -> Request:
        """Return a request as it stands."""
        return self._ask(self.protocol.get(request_id), self.protocol.read_get)

    def list_page(self, model: str, *, limit: int = PAGE_SIZE, offset: int = 0) -> Page:
        """Return one page of a model's requests, newest first."""
        return self._ask(
            self.protocol.list_page(model, limit=limit, offset=offset), self.protocol.read_list_page
        )

    def list_requests(self, model: str, *, limit: int = PAGE_SIZE) -> Iterator[Request]:
        """Yield a model's requests, newest first, each once, page by page as they are asked for.

        :param limit: rows of a page.
        """
        seen: set[str] = set()
        offset = 0
        while True:
            page = self.list_page(model, limit=limit, offset=offset)
            for request in page.requests:
                if request.request_id not in seen:
                    seen.add(request.request_id)
                    yield request
            offset += page.rows
            if not page.continues(offset, limit):
                return

    def cancel(self, request_id: str) -> bool:
        """Ask the queue to cancel a request; return whether it said yes.

        Best effort: the call is undocumented (once), so its failure is never an error.
        """
        call = self.protocol.cancel(request_id)
        try:
            return 200 <= self._send(call, self._session).status < 300
        except GMIError:
            return False

    def queue_time(self) -> float | None:
        """Return the queue's own time now, in Unix seconds; None if no response has told it yet."""
        return self.queue_clock.now()

    def check(self) -> None:
        """Ask whether the queue takes this key, without a query (seen)."""
        self._ask(self.protocol.check(), read_json)

    def models(self) -> list[str]:
        """Return the ids of the models in the catalog."""
        return self._ask(self.protocol.models(), self.protocol.read_models)

    def model(self, model: str) -> dict[str, Any]:
        """Return the catalog's description of a model: parameters and price."""
        return self._ask(self.protocol.model(model), self.protocol.read_model)

    def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame with the queue and return its public URL, unique per upload.

        :param data: the image's bytes.
        :param file_type: ``png``, ``jpeg`` or ``jpg``.
        """
        call = self.protocol.upload_url(file_type)

        def store() -> str:
            upload = self.protocol.read_upload_url(call, self._send(call, self._session))
            put = self.protocol.put(upload, file_type, data)
            answer = self._send(put, self._session)
            if not 200 <= answer.status < 300:
                raise refusal(put, answer)
            return upload.public_url

        return Retrying(**self.retries.settings())(store)

    def _ask(self, call: Call, read: Callable[[Call, Response], T]) -> T:
        return Retrying(**self.retries.settings())(lambda: read(call, self._send(call, self._session)))

    def _send(self, call: Call, session: requests.Session) -> Response:
        """Make one call within its total deadline; ``timeout`` of requests is only per read."""
        deadline = time.monotonic() + call.timeouts.total
        try:
            with session.request(
                call.method,
                call.url,
                params=call.params,
                # As a stream: a body given whole must leave within one socket timeout.
                data=None if call.body is None else io.BytesIO(call.body),
                headers=self.protocol.headers(call),
                auth=_keep_headers,
                timeout=(call.timeouts.connect, min(call.timeouts.read, call.timeouts.total)),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read(call, response, deadline)
                answer = self.protocol.answer(response.status_code, response.headers, body)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise lost(call, _how(error), _why(error)) from None
        if call.keyed:  # an upload goes to an object store, which has a clock of its own
            self.queue_clock.note(answer.served_at)
        return answer


def _session() -> requests.Session:
    session = requests.Session()
    session.verify = network.ca_bundle()
    return session


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from replacing our Authorization with an entry of ``.netrc``."""
    return request


def _read(call: Call, response: requests.Response, deadline: float) -> bytes:
    """Read the body piece by piece as it arrives: ``iter_content`` would wait for whole chunks."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > call.max_bytes:
            raise too_large(call)
        if time.monotonic() > deadline:
            reason = f"the answer wasn't complete within {call.timeouts.total:g} s"
            raise lost(call, Lost.AFTER_SENDING, reason)
    return bytes(body)


def _how(error: Exception) -> Lost:
    before = any(isinstance(cause, _NEVER_SENT) for cause in _causes(error))
    return Lost.BEFORE_SENDING if before else Lost.AFTER_SENDING


def _why(error: Exception) -> str:
    """Name the innermost cause; the outer texts quote URLs, and those can be signed."""
    for cause in reversed(_causes(error)):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return type(error).__name__


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and everything it wraps; urllib3 hides causes in ``reason`` and in ``args``."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        cause = queue.pop(0)
        if not isinstance(cause, BaseException) or cause in found:
            continue
        found.append(cause)
        queue += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args]
    return found
