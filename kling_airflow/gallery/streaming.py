"""Files of the gallery as responses: whole or in part, in constant memory."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from kling_airflow.gallery.byte_range import Unsatisfiable, byte_range
from kling_airflow.gallery.folder import Folder

log = logging.getLogger(__name__)

TYPES: Final[Mapping[str, str]] = {
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".vtt": "text/vtt; charset=utf-8",
    ".srt": "text/plain; charset=utf-8",
    ".otio": "application/json",
}
"""What is served, by suffix. The store's own content types are data, and are not passed on."""
_BLOCK: Final = 256 << 10
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Accept-Ranges": "bytes",
    # Airflow 3.1 and 3.2 compress a video otherwise: without its length, and a part of it as another part.
    "Content-Encoding": "identity",
    # Kept by the browser, and shown again only after this server has looked at the user's rights again.
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie, Authorization",
}
_PLACEHOLDER: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180" viewBox="0 0 320 180">'
    '<rect width="320" height="180" fill="#1e293b"/><text x="160" y="96" fill="#cbd5e1" font-size="17"'
    ' font-family="sans-serif" text-anchor="middle">{}</text></svg>'
)


def file_response(request: Request, folder: Folder, path: str, size: int | None = None) -> Response:
    """Return a file of the gallery, or the part of it that is asked for: 200, 206, 304, 404 or 416.

    :param path: relative to the gallery's folder, of a suffix in :data:`TYPES`.
    :param size: of the file that was landed, bytes; another one at its place is not served.
    """
    info = folder.info(path)
    if info is None or (size is not None and info["size"] != size):
        return Response("There is no such file.", 404, headers=_HEADERS, media_type="text/plain")
    length = int(info["size"])
    tag = _tag(info)
    headers = {**_HEADERS, "ETag": tag, "Content-Disposition": "inline"}
    if tag in (request.headers.get("if-none-match") or ""):
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range")
    if request.headers.get("if-range") not in (None, tag):
        asked = None
    try:
        part = byte_range(asked, length)
    except Unsatisfiable:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{length}"})
    first, end = part or (0, length)
    headers["Content-Length"] = str(end - first)
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{length}"
    status = 200 if part is None else 206
    kind = TYPES[path[path.rindex(".") :].lower()]
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(_blocks(folder, path, first, end), status, headers, media_type=kind)


def picture_response(request: Request, data: bytes) -> Response:
    """Return a small JPEG that was made here: 200 or 304."""
    headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"', "Accept-Ranges": "none"}
    if headers["ETag"] in (request.headers.get("if-none-match") or ""):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="image/jpeg")


def placeholder_response(text: str) -> Response:
    """Return a 404 whose body is a picture of a text: a browser shows it in the place of what isn't there."""
    return Response(
        _PLACEHOLDER.format(escape(text)).encode(),
        404,
        headers={**_HEADERS, "Accept-Ranges": "none"},
        media_type="image/svg+xml",
    )


def _blocks(folder: Folder, path: str, first: int, end: int) -> Iterator[bytes]:
    with folder.open(path, end - first) as file:
        file.seek(first)
        left = end - first
        while left > 0:
            block = file.read(min(_BLOCK, left))
            if not block:
                log.warning("%s/%s has ended before its time; it was replaced meanwhile.", folder.uri, path)
                return
            left -= len(block)
            yield block


def _tag(info: Mapping[str, Any]) -> str:
    found = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("created") or ""
    text = "".join(letter for letter in str(found) if letter.isalnum() or letter in "-.")
    return f'"{text}-{info["size"]}"'
