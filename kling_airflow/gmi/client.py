"""A client of the request queue over requests, for workers and scripts."""

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
from kling_airflow.gmi.failures import Lost, lost, read_json, refusal, too_large
from kling_airflow.gmi.protocol import PAGE_SIZE, Protocol
from kling_airflow.gmi.queue_clock import QueueClock
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Response
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

    Calls that change nothing are repeated on 429, 5xx and network errors. A submission is sent once. The
    class of the error says whether the caller may send it again.

    :param api_key: the key; the usual environment variable is ``GMI_API_KEY``.
    :param base_url: address of the service; by default that of GMI Cloud.
    :param organization_id: for a key of several organizations.
    :param retries: how calls that change nothing are repeated.
    :raises GMIError: each call raises one of the classes of :mod:`kling_airflow.errors`.
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
        """Close the open connections."""
        self._session.close()

    def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once, and return the new request.

        :param model: the model's id; case matters.
        :param payload: as the model wants it, e.g. :meth:`ImageToVideo.to_json`.
        :raises NotAccepted: the queue did not take it: it may be sent again, after ``retry_after`` seconds.
        :raises Rejected: the queue refused it permanently; so do ``NotFound``, ``Unauthorized`` and
            ``InsufficientCredits``.
        :raises AmbiguousSubmission: the queue may have taken it: look in the list before sending again.
        """
        call = self.protocol.submit(model, payload)
        # A new connection: on an open one, a reset can mean that the server closed it before the submission.
        with _session() as session:
            session.headers["Connection"] = "close"
            return self.protocol.read_submit(call, self._send(call, session))

    def get(self, request_id: str) -> Request:
        """Return a request in its current state."""
        return self._read_with_retries(self.protocol.get(request_id), self.protocol.read_get)

    def list_page(self, model: str, *, limit: int = PAGE_SIZE, offset: int = 0) -> Page:
        """Return one page of a model's requests, newest first."""
        return self._read_with_retries(
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
        """Ask the queue to cancel a request; return whether the queue agreed.

        The vendor does not document this call, so its failure is never an error.
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
        """Ask whether the queue accepts this key.

        :raises Unauthorized: if the queue refuses the key.
        """
        self._read_with_retries(self.protocol.check(), read_json)

    def models(self) -> list[str]:
        """Return the ids of the models in the catalog."""
        return self._read_with_retries(self.protocol.models(), self.protocol.read_models)

    def model(self, model: str) -> dict[str, Any]:
        """Return the catalog's description of a model: parameters and price."""
        return self._read_with_retries(self.protocol.model(model), self.protocol.read_model)

    def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame with the queue and return its public URL, unique per upload.

        :param data: the image's bytes.
        :param file_type: ``png``, ``jpeg`` or ``jpg``.
        """
        call = self.protocol.upload_url(file_type)

        def store() -> str:
            upload = self.protocol.read_upload_url(call, self._send(call, self._session))
            put = self.protocol.put(upload, file_type, data)
            response = self._send(put, self._session)
            if not 200 <= response.status < 300:
                raise refusal(put, response)
            return upload.public_url

        return Retrying(**self.retries.settings())(store)

    def _read_with_retries(self, call: Call, read: Callable[[Call, Response], T]) -> T:
        return Retrying(**self.retries.settings())(lambda: read(call, self._send(call, self._session)))

    def _send(self, call: Call, session: requests.Session) -> Response:
        """Make one call within its total deadline: the ``timeout`` of requests bounds single reads only."""
        deadline = time.monotonic() + call.timeouts.total
        try:
            with session.request(
                call.method,
                call.url,
                params=call.params,
                # As a stream: a body that is passed as bytes must be sent within one socket timeout.
                data=None if call.body is None else io.BytesIO(call.body),
                headers=self.protocol.headers(call),
                auth=_keep_headers,
                timeout=(call.timeouts.connect, min(call.timeouts.read, call.timeouts.total)),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read(call, response, deadline)
                result = self.protocol.response(response.status_code, response.headers, body)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise lost(call, _lost_when(error), _reason(error)) from None
        if call.sends_key:  # an upload goes to an object store, which has a clock of its own
            self.queue_clock.note(result.served_at)
        return result


def _session() -> requests.Session:
    session = requests.Session()
    session.verify = network.ca_bundle()
    return session


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from replacing our Authorization with an entry of ``.netrc``."""
    return request


def _read(call: Call, response: requests.Response, deadline: float) -> bytes:
    """Read the body as it arrives: ``iter_content`` would wait for whole chunks."""
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > call.max_bytes:
            raise too_large(call)
        if time.monotonic() > deadline:
            reason = f"the response was not complete within {call.timeouts.total:g} s"
            raise lost(call, Lost.AFTER_SENDING, reason)
    return bytes(body)


def _lost_when(error: Exception) -> Lost:
    before = any(isinstance(cause, _NEVER_SENT) for cause in _causes(error))
    return Lost.BEFORE_SENDING if before else Lost.AFTER_SENDING


def _reason(error: Exception) -> str:
    """Return the text of the innermost cause. The outer texts quote URLs, which can be signed."""
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
