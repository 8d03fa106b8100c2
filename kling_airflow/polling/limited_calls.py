"""The poller's calls: each in its turn, counted, and telling the connection's pace how it went."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from kling_airflow.errors import KlingError, NotFound, ResponseTooLarge, Unauthorized
from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.call import Call, Timeouts
from kling_airflow.gmi.protocol import PAGE_SIZE
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Response, read_json
from kling_airflow.polling.metrics import PollMetrics
from kling_airflow.polling.rate_limiter import RateLimiter

T = TypeVar("T")

LIST_MAX_BYTES: Final = 4 * 1024 * 1024
"""The largest page that is read: 40 KB a row. Echoes of Base64 frames are beyond it, and would hold up
the event loop; then the requests are asked by id."""
_SHORTEST, _LONGEST = 10.0, 30.0


class LimitedCalls:
    """Calls of one connection that change nothing, never faster than its pace.

    :param client: the transport; nothing is repeated here, the next round is the retry.
    :param pace: how fast.
    :param meter: counts them.
    """

    def __init__(self, client: AsyncGMIClient, pace: RateLimiter, meter: PollMetrics) -> None:
        self.pace = pace
        self.last_answer_at: float | None = None
        """When the queue last gave a good answer, in Unix seconds."""
        self._client = client
        self._protocol = client.protocol
        self._meter = meter

    async def get(self, request_id: str, interval: float) -> tuple[Request, float | None]:
        """Return a request as it stands, and the queue's own clock."""
        call = _within(self._protocol.get(request_id), interval)
        return await self._make(
            "id", call, lambda call, answer: (self._protocol.read_get(call, answer), answer.served_at)
        )

    async def list_page(
        self, model: str, offset: int, interval: float, *, only: Container[str] | None = None
    ) -> Page:
        """Return one page of a model's requests, newest first; `only` as in :meth:`Page.read`."""
        call = self._protocol.list_page(model, limit=PAGE_SIZE, offset=offset)
        call = replace(_within(call, interval), max_bytes=LIST_MAX_BYTES)
        return await self._make("list", call, partial(self._protocol.read_list_page, only=only))

    async def refuses_the_key(self) -> bool:
        """Ask whether the queue refuses the key as such, and not only one request."""
        try:
            await self._make("check", self._protocol.check(), read_json)
        except Unauthorized:
            return True
        except KlingError:
            return False
        return False

    async def _make(self, kind: str, call: Call, read: Callable[[Call, Response], T]) -> T:
        asked_at = await self._turn()
        answer: Response | None = None
        try:
            answer = await self._client.send(call)
            result = read(call, answer)
        except KlingError as error:
            self._meter.call(kind, self._failed(error, asked_at, limited=_limited(answer)))
            raise
        self._answered()
        self._meter.call(kind, "ok")
        return result

    async def _turn(self) -> float:
        """Wait until the pace allows a call; return when that is."""
        now = asyncio.get_running_loop().time
        while True:
            at = self.pace.reserve(now())
            if at > now():
                await asyncio.sleep(at - now())
            if not self.pace.paused(now()):
                return at

    def _answered(self) -> None:
        self.pace.answered()
        self.last_answer_at = time.time()

    def _failed(self, error: KlingError, asked_at: float, *, limited: bool) -> str:
        """Tell the pace; return the outcome's name."""
        if isinstance(error, NotFound):
            self._answered()
            return "not_found"
        if isinstance(error, ResponseTooLarge):
            return "too_large"
        if isinstance(error, Unauthorized):
            return "unauthorized"
        retry_after: float | None = getattr(error, "retry_after", None)
        now = asyncio.get_running_loop().time()
        pause = self.pace.failed(now, asked_at=asked_at, retry_after=retry_after, limited=limited)
        if pause:
            self._meter.paused(pause, limited=limited or retry_after is not None)
        return "limited" if limited else "failed"


def _limited(answer: Response | None) -> bool:
    return answer is not None and answer.status == 429


def _within(call: Call, interval: float) -> Call:
    """Bound a call, so that one that hangs holds up its round by an interval, and no longer."""
    total = min(max(interval, _SHORTEST), _LONGEST)
    return replace(call, timeouts=Timeouts(connect=total / 2, read=total, total=total))
