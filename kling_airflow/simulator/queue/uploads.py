"""Hosted frames as two users saw them: presigned upload URLs, the PUT, and the public URL."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from kling_airflow.simulator.queue.refusal import Refusal, storage_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.simulator.clock import Clock

FOLDER = "/gmi-user-uploads/"
CONTENT_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpg",  # three users saw that the service signs this literal, not image/jpeg
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
}
MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was PUT."""

    data: bytes
    content_type: str


class Uploads:
    """The uploaded files and their presigned URLs.

    :param clock: decides which URLs have expired.
    :param expiry: seconds for which a signed URL is valid.
    """

    def __init__(self, clock: Clock, expiry: float) -> None:
        self._clock = clock
        self._expiry = expiry
        self._secret = secrets.token_bytes(32)
        self._files: dict[str, Upload] = {}
        self._expires_at: dict[str, float] = {}
        self.base_url = ""

    def sign(self, file_type: object, *, expiry: float | None = None) -> dict[str, str]:
        """Return `upload_url` and `public_url` for a new file.

        :param file_type: one of `CONTENT_TYPES`.
        :param expiry: seconds for which the URL is valid; None is the usual time.
        :raises Refusal: 400 for any other type. The text is assumed.
        """
        if not isinstance(file_type, str) or file_type not in CONTENT_TYPES:
            raise Refusal(400, f"unsupported file_type: {file_type}, want one of {', '.join(CONTENT_TYPES)}")
        path = f"{FOLDER}{uuid.uuid4()}.{file_type}"
        valid_for = self._expiry if expiry is None else expiry
        self._expires_at[path] = self._clock.now() + valid_for
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock.now()))
        seconds = str(math.ceil(valid_for))
        query = {
            "X-Goog-Algorithm": "GOOG4-HMAC-SHA256",
            "X-Goog-Date": date,
            "X-Goog-Expires": seconds,
            "X-Goog-SignedHeaders": "content-type;host",
            "X-Goog-Signature": self._signature(path, CONTENT_TYPES[file_type], date, seconds),
        }
        public_url = self.base_url + path
        return {"upload_url": f"{public_url}?{urlencode(query)}", "public_url": public_url}

    def check(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        """Return the content type a PUT may carry.

        :param path: the URL's path.
        :param headers: by lower-case name.
        :raises Refusal: XML, as an object store refuses: 400 without a content type, after the expiry, or
            with a key; 403 when the signature or the content type is another.
        """
        if "authorization" in headers:
            raise storage_refusal(
                400, "InvalidArgument", "A signed URL and an Authorization header exclude each other."
            )
        content_type = headers.get("content-type")
        if not content_type:
            text = "Your request has a malformed header. A signed header is not in the request: content-type"
            raise storage_refusal(400, "MalformedSecurityHeader", text)
        date, seconds = query.get("X-Goog-Date", ""), query.get("X-Goog-Expires", "")
        signature = self._signature(path, content_type, date, seconds)
        if not hmac.compare_digest(signature.encode(), query.get("X-Goog-Signature", "").encode()):
            raise storage_refusal(
                403,
                "SignatureDoesNotMatch",
                "Access denied. The request signature we calculated does not match the one you provided.",
            )
        if self._clock.now() > self._expires_at.get(path, 0.0):
            raise expired()
        return content_type

    def write(self, path: str, data: bytes, content_type: str) -> None:
        """Keep a file under its path."""
        self._files[path] = Upload(data, content_type)

    def read(self, path: str) -> Upload | None:
        """Return the file of a path."""
        return self._files.get(path)

    def owns(self, url: str) -> bool:
        """Return whether a URL is one of these public URLs."""
        return bool(self.base_url) and url.startswith(self.base_url + FOLDER)

    def read_url(self, url: str) -> Upload | None:
        """Return the file of a public URL."""
        return self.read(urlsplit(url).path)

    def clear(self) -> None:
        """Forget every file."""
        self._files.clear()
        self._expires_at.clear()

    def _signature(self, path: str, content_type: str, date: str, seconds: str) -> str:
        text = f"PUT\n{path}\n{content_type}\n{date}\n{seconds}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


def expired() -> Refusal:
    """Return the refusal of a PUT after the expiry. The code and the text are assumed."""
    return storage_refusal(400, "ExpiredToken", "The provided token has expired.")
