"""A client of the request queue over requests, for workers and scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenacity import Retrying

from kling_airflow.errors import GMIError
from kling_airflow.gmi.call import Call, Timeouts
from kling_airflow.gmi.failures import read_json, refusal
from kling_airflow.gmi.protocol import PAGE_SIZE, Protocol
from kling_airflow.gmi.queue_clock import QueueClock
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Response
from kling_airflow.gmi.retries import Retries
from kling_airflow.gmi.sync_transport import new_session, send

if TYPE_CHECKING:
    import requests

T = TypeVar("T")


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
        self._session = new_session()

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
        with new_session() as session:
            session.headers["Connection"] = "close"
            return self.protocol.read_submit(call, self._send(call, session))

    def get(self, request_id: str, *, timeouts: Timeouts | None = None) -> Request:
        """Return a request in its current state.

        :param timeouts: how long each call may take; by default as long as other calls.
        """
        call = self.protocol.get(request_id)
        call = call if timeouts is None else replace(call, timeouts=timeouts)
        return self._read_with_retries(call, self.protocol.read_get)

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
        """Store a frame, or an input video, with the queue and return its public URL, unique per upload.

        :param data: the file's bytes.
        :param file_type: ``png``, ``jpeg``, ``jpg`` or ``mp4``.
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
        status, headers, body = send(call, self.protocol.headers(call), session)
        response = self.protocol.response(status, headers, body)
        if call.sends_key:  # an upload goes to an object store, which has a clock of its own
            self.queue_clock.note(response.served_at)
        return response
