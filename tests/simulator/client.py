"""A plain client of the queue: bytes in, bytes out, nothing of the package under test."""

from __future__ import annotations

import base64
import io
import socket
import time
from typing import Any

import requests
from PIL import Image

QUEUE = "/api/v1/ie/requestqueue/apikey"
MODEL = "kling-v3-image-to-video"
TERMINAL = ("success", "failed", "cancelled")


def picture(width: int = 320, height: int = 320, kind: str = "JPEG", color: str = "teal") -> bytes:
    """An image file."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, kind)
    return buffer.getvalue()


def base64_picture(**shape: Any) -> str:
    """An image file as the queue takes it: Base64 without a prefix."""
    return base64.b64encode(picture(**shape)).decode()


FRAME = base64_picture()
GOOD = {"prompt": "p", "image": FRAME}
"""A payload of `MODEL` that the queue accepts."""


class Queue:
    """The queue's calls, as a user with curl would make them."""

    def __init__(self, base_url: str, key: str | None, **headers: str) -> None:
        self.base_url = base_url
        self.root = base_url + QUEUE
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update(headers)
        if key is not None:
            self.session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.root + path, timeout=kwargs.pop("timeout", 20), **kwargs)

    def post(self, payload: Any = None, model: Any = MODEL, **kwargs: Any) -> requests.Response:
        return self.call("POST", "/requests", json={"model": model, "payload": payload}, **kwargs)

    def submit(self, model: str = MODEL, **payload: Any) -> str:
        """Create a request that the queue accepts; return its id."""
        if model == MODEL:
            payload = {"prompt": "a prompt", "image": FRAME} | payload
        answer = self.post(payload, model)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["request_id"])

    def get(self, request_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/requests/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def list(self, **query: Any) -> dict[str, Any]:
        answer = self.call("GET", "/requests", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def finished(self, request_id: str, within: float = 20) -> dict[str, Any]:
        """The record, once it is terminal."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            record = self.get(request_id)
            if record["status"] in TERMINAL:
                return record
            time.sleep(0.01)
        raise AssertionError(f"{request_id} is still {record['status']} after {within} s")

    def clip(self, record: dict[str, Any], **kwargs: Any) -> requests.Response:
        url = record["outcome"]["media_urls"][0]["url"]
        return requests.get(url, timeout=20, **kwargs)

    def upload(self, data: bytes, file_type: str, content_type: str) -> str:
        """Host a frame; return its public URL."""
        signed = self.call("POST", "/upload-url", json={"file_type": file_type}).json()
        put = requests.put(
            signed["upload_url"], data=data, headers={"Content-Type": content_type}, timeout=20
        )
        assert put.status_code == 200, put.text
        return str(signed["public_url"])


def message(answer: requests.Response) -> str:
    """The text of a refusal, in either of its shapes."""
    error = answer.json()["error"]
    return str(error["message"] if isinstance(error, dict) else error)


def raw_read(base_url: str, key: str, path: str = "/models", *, close: bool = False) -> bytes:
    """Everything that a plain socket reads after it has sent a whole GET of the queue.

    :param close: ask the server to close the connection after its answer.
    """
    with socket.create_connection(("127.0.0.1", int(base_url.rpartition(":")[2])), timeout=10) as connection:
        head = f"GET {QUEUE}{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        connection.sendall((head + ("Connection: close\r\n\r\n" if close else "\r\n")).encode())
        received = b""
        while part := connection.recv(65536):
            received += part
        return received
