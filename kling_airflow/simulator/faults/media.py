"""Faults of the object store: clips and uploaded frames that are slow, broken, moved or gone."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

import asyncio

from kling_airflow.simulator.faults.call import (
    AnswerStream,
    Call,
    CutOffBody,
    Message,
    Send,
    length_of,
    with_length,
)
from kling_airflow.simulator.faults.options import HttpStatus
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import ALL, GET_UPLOAD, MEDIA, PUT_UPLOAD
from kling_airflow.simulator.queue.file_access import FileAccess, no_such_key
from kling_airflow.simulator.queue.uploads import expired

SLICE = 16 * 1024
FILES = (MEDIA, GET_UPLOAD)
_INVERTED = bytes(255 - value for value in range(256))


@register("media-slow", Stage.BODY, ALL, usual_call=MEDIA)
def slow(send: Send, call: Call, *, bytes_per_second: float = 100_000) -> AnswerStream:
    """The body comes at `bytes_per_second`."""
    return SlowBody(send, call, bytes_per_second)


@register("media-cut-off", Stage.BODY, ALL, usual_call=MEDIA)
def cut_off(send: Send, call: Call, *, share: float = 0.5) -> AnswerStream:
    """The body ends after `share` of its (right) Content-Length."""
    return CutOffBody(send, call, share)


@register("media-short", Stage.BODY, ALL, usual_call=MEDIA)
def short(send: Send, call: Call, *, share: float = 0.5) -> AnswerStream:
    """A wrong Content-Length: the answer looks whole and is `share` of the file."""
    return ShortBody(send, call, share)


@register("media-corrupt", Stage.BODY, ALL, usual_call=MEDIA)
def corrupt(send: Send, call: Call) -> AnswerStream:
    """The bytes are not those of the file."""
    return CorruptBody(send, call)


@register("media-gone", Stage.STORAGE, FILES, usual_call=MEDIA, lasting=True)
def gone(file: FileAccess, *, after: float = 0.0) -> None:
    """404, once the clip is `after` seconds old."""
    if file.age_seconds >= after:
        raise no_such_key()


@register("media-moved", Stage.STORAGE, FILES, usual_call=MEDIA)
def moved(file: FileAccess, *, status: HttpStatus = 302) -> None:
    """A redirect, `status` 302 or another, to where the file is now."""
    file.redirect_status = status


@register("media-no-range", Stage.STORAGE, FILES, usual_call=MEDIA, lasting=True)
def no_range(file: FileAccess) -> None:
    """Range is not understood: 200 and the whole file."""
    file.range_header = None


@register("upload-url-expired", Stage.STORAGE, (PUT_UPLOAD,))
def upload_url_expired(file: FileAccess) -> None:
    """The PUT comes too late: 400, XML."""
    raise expired()


class SlowBody(AnswerStream):
    """Sends the body slice by slice."""

    def __init__(self, send: Send, call: Call, bytes_per_second: float) -> None:
        super().__init__(send, call)
        self._rate = max(1.0, bytes_per_second)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Pass the body slice by slice."""
        step = max(1, min(SLICE, int(self._rate / 10)))
        for at in range(0, len(data), step):
            if self.call.connection.hung_up:
                return
            part = data[at : at + step]
            await asyncio.sleep(len(part) / self._rate)
            await super().body(part, more=True)
        if not more:
            await super().body(b"", more=False)


class ShortBody(AnswerStream):
    """Announces and sends less than the file has."""

    def __init__(self, send: Send, call: Call, share: float) -> None:
        super().__init__(send, call)
        self._share = share
        self._left = 0

    async def start(self, message: Message) -> None:
        """Announce less than there is."""
        self._left = int(length_of(message) * min(1.0, self._share))
        await self.send({**message, "headers": with_length(message, self._left)})

    async def body(self, data: bytes, *, more: bool) -> None:
        """Pass what was announced."""
        part = data[: self._left]
        self._left -= len(part)
        if part or not more:
            await super().body(part, more=more)


class CorruptBody(AnswerStream):
    """Sends other bytes than the file's, as many."""

    async def body(self, data: bytes, *, more: bool) -> None:
        """Invert every bit."""
        await super().body(data.translate(_INVERTED), more=more)
