"""Answers: JSON, refusals in the service's two shapes, files with Range."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError, to_json
from starlette.responses import Response, StreamingResponse

from kling_airflow.simulator.queue.refusal import Refusal, storage_refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON as the service sends it."""
    try:
        body = to_json(content, inf_nan_mode="null")
    except PydanticSerializationError:  # half a surrogate pair: json.dumps escapes it, to_json refuses it
        body = json.dumps(content).encode()
    return Response(body, status, headers, media_type="application/json; charset=utf-8")


def refusal_response(refusal: Refusal, *, as_object: bool) -> Response:
    """Return a refusal: `{"error": "<string>"}` or `{"error": {"message", "details"}}`; users saw both."""
    if refusal.body is not None:
        return Response(refusal.body, refusal.status, refusal.headers)
    error: Any = refusal.message
    if as_object:
        error = {"message": refusal.message, "details": None}
    return json_response({"error": error}, refusal.status, refusal.headers)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte that a Range header asks for; None is the whole file.

    :raises Refusal: 416 when the file has no such bytes.
    """
    match = _RANGE.fullmatch((header or "").strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        begin, end = max(0, size - int(last)), size - 1
    else:
        begin, end = int(first), min(int(last), size - 1) if last else size - 1
    if last and first and int(last) < begin:
        return None
    if begin >= size or (first == "" and int(last) == 0):
        refusal = storage_refusal(416, "InvalidRange", "The requested range cannot be satisfied.")
        refusal.headers["content-range"] = f"bytes */{size}"
        raise refusal
    return begin, end


def file_response(path: Path, content_type: str, range_header: str | None, *, head: bool) -> Response:
    """Return a file, or the part that the Range header names, as the object store does.

    :param head: without a body.
    :raises Refusal: 416.
    """
    stat = path.stat()
    wanted = byte_range(range_header, stat.st_size)
    begin, end = wanted or (0, stat.st_size - 1)
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=3600",
        "content-type": content_type,
        "content-length": str(end - begin + 1),
        "etag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
    }
    if wanted:
        headers["content-range"] = f"bytes {begin}-{end}/{stat.st_size}"
    status = 206 if wanted else 200
    if head:
        return Response(None, status, headers)
    return StreamingResponse(_chunks(path, begin, end + 1), status, headers)


async def _chunks(path: Path, begin: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end:
            chunk = file.read(min(CHUNK, end - begin))
            if not chunk:
                return
            begin += len(chunk)
            yield chunk
