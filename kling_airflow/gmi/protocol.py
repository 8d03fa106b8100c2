"""The queue's calls without their I/O: this module builds each call and reads each response.

Both clients are transports for this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from kling_airflow import __version__
from kling_airflow.errors import InvalidArgument, Unauthorized
from kling_airflow.gmi.base_url import QUEUE_ROOT, normal_base_url
from kling_airflow.gmi.body import ACCEPT_ENCODING
from kling_airflow.gmi.call import (
    DEFAULT_TIMEOUTS,
    PAGE_MAX_BYTES,
    RECORD_MAX_BYTES,
    SUBMIT_TIMEOUTS,
    Call,
    CallKind,
    Timeouts,
    Upload,
)
from kling_airflow.gmi.failures import read_json, unreadable, without_request_id
from kling_airflow.gmi.json_body import json_body
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Response
from kling_airflow.redaction import shown_value

USER_AGENT: Final = f"kling_airflow/{__version__}"
PAGE_SIZE: Final = 100
"""Rows of a list call, as one user recorded them."""

UPLOAD_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpg", "mp4": "video/mp4"}
"""The Content-Type that is part of an upload's signature. `image/jpg` is what several users observed."""


class Protocol:
    """Builds the calls of one connection and reads their responses.

    :param api_key: the key; sent as a bearer token, never shown.
    :param base_url: address of the service; the queue's path may follow it. The attribute of this name is its
        normal form (``base_url.py``).
    :param organization_id: for a key of several organizations.
    :raises Unauthorized: if there is no usable key.
    :raises InvalidArgument: if the base URL can't be used.
    """

    def __init__(self, api_key: str, base_url: str | None = None, organization_id: str | None = None) -> None:
        self.base_url = normal_base_url(base_url)
        self.organization_id = organization_id or None
        self._key = _usable_key(api_key)

    def __repr__(self) -> str:
        return f"Protocol(base_url={self.base_url!r}, organization_id={self.organization_id!r})"

    @property
    def identity(self) -> tuple[str, str | None, str]:
        """Base URL, organization and a digest of the key: waits with the same identity share one poller."""
        return self.base_url, self.organization_id, hashlib.sha256(self._key.encode()).hexdigest()

    def headers(self, call: Call) -> dict[str, str]:
        """Return the headers to send, with the key if the call sends it."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
            "User-Agent": USER_AGENT,
            **call.headers,
        }
        if call.sends_key:
            headers["Authorization"] = f"Bearer {self._key}"
            if self.organization_id:
                headers["X-Organization-ID"] = self.organization_id
        return headers

    def response(self, status: int, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response; if an error quotes the key, the key is replaced with `***`."""
        if status >= 400:
            body = body.replace(self._key.encode(), b"***")
        return Response(status, {name.lower(): value for name, value in headers.items()}, body)

    # The calls. The reader of a call's response follows it.

    def submit(self, model: str, payload: Mapping[str, Any]) -> Call:
        """``POST /requests``, documented by the vendor."""
        body = {"model": model, "payload": dict(payload)}
        return self._json(
            CallKind.SUBMIT, "POST", "/requests", body, subject=f"model {model}", timeouts=SUBMIT_TIMEOUTS
        )

    def read_submit(self, call: Call, response: Response) -> Request:
        """Return the new request; a response to a submission has no echo of the payload.

        :raises GMIError: as :func:`refusal` says; ``AmbiguousSubmission`` for a 2xx without an id.
        """
        request = Request.read(read_json(call, response), served_at=response.served_at)
        if request is None:
            raise without_request_id(response)
        return request

    def get(self, request_id: str) -> Call:
        """``GET /requests/{request_id}``, documented by the vendor."""
        if not isinstance(request_id, str) or not request_id.strip():
            what = f"`request_id` is {shown_value(request_id)}; it must be the id of a request"
            raise InvalidArgument(what)
        return self._about(request_id.strip(), CallKind.READ, "GET")

    def read_get(self, call: Call, response: Response) -> Request:
        """Return the request in its current state."""
        request = Request.read(read_json(call, response), served_at=response.served_at)
        if request is None:
            raise unreadable(call, response, "has no request id")
        return request

    def list_page(self, model: str, *, limit: int = PAGE_SIZE, offset: int = 0) -> Call:
        """``GET /requests?model_id=...``, newest first. Only one user recorded `limit` and `offset`."""
        _in_path("model", model)  # checks that the model can be encoded
        params = {"model_id": model, "limit": str(limit), "offset": str(offset)}
        call = self._call(CallKind.READ, "GET", "/requests", subject=f"requests of {model}", params=params)
        return replace(call, max_bytes=PAGE_MAX_BYTES)

    def read_list_page(self, call: Call, response: Response, *, only: Container[str] | None = None) -> Page:
        """Return the page, `only` as in :meth:`Page.read`."""
        data = read_json(call, response)
        if not isinstance(data, Mapping) or not isinstance(data.get("requests"), list | None):
            raise unreadable(call, response, "has no list `requests`")
        return Page.read(data, served_at=response.served_at, only=only)

    def cancel(self, request_id: str) -> Call:
        """``DELETE /requests/{id}``, not documented by the vendor."""
        return self._about(request_id, CallKind.CANCEL, "DELETE")

    def check(self) -> Call:
        """``GET /requests`` without a query: users observed 200, or 401 and 403."""
        call = self._call(CallKind.READ, "GET", "/requests", subject="the connection")
        return replace(call, max_bytes=PAGE_MAX_BYTES)

    def models(self) -> Call:
        """``GET /models``, documented by the vendor."""
        return self._call(CallKind.READ, "GET", "/models", subject="models")

    def read_models(self, call: Call, response: Response) -> list[str]:
        """Return the models' ids."""
        data = read_json(call, response)
        ids = data.get("model_ids") if isinstance(data, Mapping) else None
        if not isinstance(ids, list):
            raise unreadable(call, response, "has no list `model_ids`")
        return [str(model) for model in ids]

    def model(self, model: str) -> Call:
        """``GET /models/{id}``: the parameters' schema and the price, documented by the vendor."""
        return self._call(
            CallKind.READ, "GET", f"/models/{_in_path('model', model)}", subject=f"model {model}"
        )

    def read_model(self, call: Call, response: Response) -> dict[str, Any]:
        """Return the model's description as the catalog has it."""
        data = read_json(call, response)
        if not isinstance(data, dict):
            raise unreadable(call, response, "is no description of a model")
        return data

    def upload_url(self, file_type: str) -> Call:
        """``POST /upload-url``, used by several users, not documented.

        :param file_type: ``png``, ``jpeg``, ``jpg`` or ``mp4``.
        """
        if file_type not in UPLOAD_TYPES:
            raise InvalidArgument(
                f"`file_type` is {shown_value(file_type)}; it must be one of {', '.join(UPLOAD_TYPES)}"
            )
        body = {"file_type": file_type}
        return self._json(
            CallKind.UPLOAD, "POST", "/upload-url", body, subject=f"upload of a {file_type} file"
        )

    def read_upload_url(self, call: Call, response: Response) -> Upload:
        """Return the pair of URLs."""
        data = read_json(call, response)
        if isinstance(data, Mapping):
            upload, public = data.get("upload_url"), data.get("public_url")
            if isinstance(upload, str) and isinstance(public, str) and upload and public:
                return Upload(upload, public)
        raise unreadable(call, response, "names no upload_url and public_url")

    def put(self, upload: Upload, file_type: str, data: bytes) -> Call:
        """``PUT`` of the frame to its presigned URL. The key is never sent to that address."""
        return Call(
            CallKind.UPLOAD,
            "PUT",
            upload.upload_url,
            subject=f"upload of a {file_type} file",
            headers={"Content-Type": UPLOAD_TYPES[file_type]},
            body=data,
            sends_key=False,
        )

    def _about(self, request_id: str, kind: CallKind, method: str) -> Call:
        url = f"{self.base_url}{QUEUE_ROOT}/requests/{_in_path('request_id', request_id)}"
        return Call(
            kind,
            method,
            url,
            subject=f"request {request_id}",
            request_id=request_id,
            base_url=self.base_url,
            max_bytes=RECORD_MAX_BYTES,
        )

    def _call(
        self, kind: CallKind, method: str, path: str, *, subject: str, params: Mapping[str, str] | None = None
    ) -> Call:
        return Call(
            kind,
            method,
            f"{self.base_url}{QUEUE_ROOT}{path}",
            subject=subject,
            params=params or {},
            base_url=self.base_url,
        )

    def _json(
        self,
        kind: CallKind,
        method: str,
        path: str,
        body: Mapping[str, Any],
        *,
        subject: str,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> Call:
        return Call(
            kind,
            method,
            f"{self.base_url}{QUEUE_ROOT}{path}",
            subject=subject,
            headers={"Content-Type": "application/json"},
            body=json_body(body),
            base_url=self.base_url,
            timeouts=timeouts,
        )


def _in_path(name: str, value: str) -> str:
    """Return a value quoted for a path.

    :raises InvalidArgument: if the value can't be encoded.
    """
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidArgument(f"`{name}` is {shown_value(value)}, which can't be encoded.") from None


def _usable_key(api_key: object) -> str:
    key = api_key.strip() if isinstance(api_key, str) else ""
    if not key:
        raise Unauthorized(
            "The connection has no API key.", todo="Put the key into its field `API key` (password)."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise Unauthorized(
            "The API key in the connection has characters that an API key can't have (spaces, line breaks)."
        )
    return key
