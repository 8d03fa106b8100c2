"""The poller's calls: each one waits for the rate limiter, is counted, and tells the limiter its outcome."""

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
from kling_airflow.gmi.failures import read_json
from kling_airflow.gmi.protocol import PAGE_SIZE
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Response
from kling_airflow.polling.metrics import PollMetrics
from kling_airflow.polling.rate_limiter import RateLimiter

T = TypeVar("T")

LIST_MAX_BYTES: Final = 4 * 1024 * 1024
"""The largest list page that is read: 40 KB a row. Pages with echoed Base64 frames are larger and would block
the event loop; then the requests are read by id."""
MIN_CALL_SECONDS: Final = 10.0
MAX_CALL_SECONDS: Final = 30.0


class LimitedCalls:
    """Calls of one connection that change nothing, never faster than its rate limiter allows.

    :param client: makes the calls. A failed call is not repeated here: the next round asks again.
    :param rate_limiter: how fast.
    :param metrics: counts the calls.
    :param min_call_seconds: a call may take one interval, but at least so long.
    """

    def __init__(
        self,
        client: AsyncGMIClient,
        rate_limiter: RateLimiter,
        metrics: PollMetrics,
        *,
        min_call_seconds: float = MIN_CALL_SECONDS,
    ) -> None:
        self.rate_limiter = rate_limiter
        self.last_response_at: float | None = None
        """When the queue last gave a good response, in Unix seconds."""
        self.key_was_refused = False
        """Whether the queue refused the key the last time that it was checked."""
        self._client = client
        self._protocol = client.protocol
        self._metrics = metrics
        self._min_call_seconds = min_call_seconds

    async def get(self, request_id: str, interval: float) -> Request:
        """Return a request in its current state."""
        call = self._bounded(self._protocol.get(request_id), interval)
        return await self._make("id", call, self._protocol.read_get)

    async def list_page(
        self, model: str, offset: int, interval: float, *, only: Container[str] | None = None
    ) -> Page:
        """Return one page of a model's requests, newest first; `only` as in :meth:`Page.read`."""
        call = self._protocol.list_page(model, limit=PAGE_SIZE, offset=offset)
        call = replace(self._bounded(call, interval), max_bytes=LIST_MAX_BYTES)
        return await self._make("list", call, partial(self._protocol.read_list_page, only=only))

    async def key_is_refused(self) -> bool:
        """Ask whether the queue refuses the key for every call, and not for one request only."""
        try:
            call = replace(self._protocol.check(), max_bytes=LIST_MAX_BYTES)
            await self._make("check", call, read_json)
        except Unauthorized:
            self.key_was_refused = True
        except KlingError:
            self.key_was_refused = False
        return self.key_was_refused

    async def _make(self, kind: str, call: Call, read: Callable[[Call, Response], T]) -> T:
        asked_at = await self._wait_for_turn()
        response: Response | None = None
        try:
            response = await self._client.send(call)
            result = read(call, response)
        except KlingError as error:
            self._metrics.call(kind, self._record_failure(error, asked_at, limited=_is_limited(response)))
            raise
        self._record_response()
        self._metrics.call(kind, "ok")
        return result

    async def _wait_for_turn(self) -> float:
        """Wait until the rate limiter allows a call; return when that is."""
        now = asyncio.get_running_loop().time
        while True:
            at = self.rate_limiter.reserve(now())
            if at > now():
                await asyncio.sleep(at - now())
            if not self.rate_limiter.pause_left(now()):
                return at

    def _record_response(self) -> None:
        self.key_was_refused = False
        self.rate_limiter.record_response()
        self.last_response_at = time.time()

    def _record_failure(self, error: KlingError, asked_at: float, *, limited: bool) -> str:
        """Tell the rate limiter; return the outcome's name in the metrics."""
        if isinstance(error, NotFound):
            self._record_response()
            return "not_found"
        if isinstance(error, ResponseTooLarge):
            return "too_large"
        if isinstance(error, Unauthorized):
            return "unauthorized"
        retry_after: float | None = getattr(error, "retry_after", None)
        now = asyncio.get_running_loop().time()
        pause = self.rate_limiter.record_failure(
            now, asked_at=asked_at, retry_after=retry_after, limited=limited
        )
        if pause:
            self._metrics.paused(pause, limited=limited or retry_after is not None)
        return "limited" if limited else "failed"

    def _bounded(self, call: Call, interval: float) -> Call:
        """Bound a call by one interval, so that a call without a response delays its round no longer."""
        total = min(max(interval, self._min_call_seconds), MAX_CALL_SECONDS)
        return replace(call, timeouts=Timeouts(connect=total / 2, read=total, total=total))


def _is_limited(response: Response | None) -> bool:
    return response is not None and response.status == 429
