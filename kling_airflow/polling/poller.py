"""Every wait of a connection in this process, in one loop: the triggerer's.

Requests that are due together are read together. The queue is asked, slowed for and given up as one,
whatever the number of waiters.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import time
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from kling_airflow.errors import KlingError, Unauthorized
from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.request import Request, Status
from kling_airflow.polling.decision import Wait
from kling_airflow.polling.durations import ClipDurations
from kling_airflow.polling.limited_calls import LimitedCalls
from kling_airflow.polling.list_scan import Habit
from kling_airflow.polling.metrics import NoMetrics, PollMetrics
from kling_airflow.polling.rate_limiter import CEILING, RateLimiter
from kling_airflow.polling.round import BREATH, Round
from kling_airflow.polling.schedule import Schedule, TrackedRequest
from kling_airflow.polling.waiter import Waiter

log = logging.getLogger(__name__)

LINGER: Final = 30.0
"""Seconds after its last waiter for which a connection is kept."""
JITTER: Final = 0.1
"""The part of an interval by which a round may come early, so that processes don't fall into step."""

_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, Poller]] = WeakKeyDictionary()


def poller_of(
    client: AsyncGMIClient, *, ceiling: float = CEILING, meter: PollMetrics | None = None
) -> Poller:
    """Return the running loop's poller for the client's base URL, organization and key.

    :param client: becomes the poller's own where there is none yet; else it is not used, and as it has
        opened nothing, there is nothing to close.
    :param ceiling: calls per second; of several waiters' figures the lowest counts.
    :param meter: keeps the metrics.
    """
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    identity = client.protocol.identity
    poller = pollers.get(identity)
    if poller is None:
        poller = Poller(client, ceiling, meter or NoMetrics(), lambda: pollers.pop(identity, None))
        pollers[identity] = poller
    poller.pace.lower(ceiling)
    return poller


class Poller:
    """Looks at every request of a connection that somebody in this loop waits for.

    :param client: the transport, which is the poller's from now on.
    :param ceiling: calls per second.
    :param meter: keeps the metrics.
    :param on_close: called when it ends, for whatever reason.
    """

    def __init__(
        self,
        client: AsyncGMIClient,
        ceiling: float = CEILING,
        meter: PollMetrics | None = None,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        self.pace = RateLimiter(ceiling)
        self.closed = False
        """Whether it has ended; who waits next asks :func:`poller_of` for another."""
        self._client = client
        self._meter = meter or NoMetrics()
        self._on_close = on_close
        self._calls = LimitedCalls(client, self.pace, self._meter)
        self._schedule = Schedule()
        self._habits: dict[str, Habit] = {}
        self._lately = ClipDurations()
        self._watches: dict[str, list[Waiter]] = {}
        self._rounds = 0
        self._began = 0.0
        self._ahead = 0.0
        self._share = 1.0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # Of its own: else what it logs lands in the first waiter's task log.
        self._context = contextvars.Context()

    def watch(self, wait: Wait, *, model: str, interval: float) -> Waiter:
        """Begin to look at a request; use what is returned in `with`, which ends it.

        :param model: the request's model: list calls need it.
        :param interval: seconds between two looks.
        """
        watch = Waiter(wait, interval, self._let_go, self._context)
        self._watches.setdefault(wait.request_id, []).append(watch)
        before = self._schedule.next_at()
        now = self._now()
        until = now + wait.deadline - time.time()
        one = self._schedule.add(wait.request_id, model, interval, now, until=until)
        watch.next_look_at = one.due_at
        if self._schedule.next_at() < before:
            self._news.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="kling-poller", context=self._context
            )
        return watch

    def _let_go(self, watch: Waiter) -> None:
        watches = self._watches.get(watch.wait.request_id, [])
        if watch in watches:
            watches.remove(watch)
        if not watches:
            self._watches.pop(watch.wait.request_id, None)
            self._schedule.drop(watch.wait.request_id)
        if not self._watches:
            self._news.set()

    async def _run(self) -> None:
        try:
            while await self._until_due():
                await self._round()
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                log.exception("The poll broke down; each of its %d waiters is told.", len(self._watches))
            for watch in [watch for watches in self._watches.values() for watch in watches]:
                watch.crash(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self.closed, self._task = True, None
            self._on_close()
            await self._client.close()

    async def _until_due(self) -> bool:
        """Wait for the next round; return False when nobody has waited for anything for a while."""
        while True:
            waiting = bool(self._watches)
            now = self._now()
            due_in = max(self._schedule.next_at() - now, self.pace.paused(now)) if waiting else LINGER
            if due_in <= 0:
                return True
            self._news.clear()
            try:
                async with asyncio.timeout(due_in):
                    await self._news.wait()
            except TimeoutError:
                if not waiting and not self._watches:
                    self._meter.in_flight(0)
                    return False

    async def _round(self) -> None:
        self._rounds += 1
        self._began = self._now()
        self._ahead = self._began - time.time()
        self._share = 1.0 - random.uniform(0, JITTER)  # noqa: S311 -- spreads load, hides nothing
        due = self._schedule.due(self._began)
        self._schedule.round_begins(self._began)
        round_ = Round(self._calls, self._schedule.tracked, self._habits, self._saw, self._rounds)
        left = await round_.run(due)
        if round_.stopped_by is not None:
            await self._tell(left, round_.stopped_by)
        self._schedule.round_ends()
        self._meter.in_flight(len(self._schedule))

    async def _tell(self, left: list[TrackedRequest], error: KlingError) -> None:
        """Let one failure stand for all that could not be asked, or for everyone if it is the key."""
        everyone = isinstance(error, Unauthorized)
        for number, one in enumerate(list(self._schedule.tracked.values()) if everyone else left):
            self._inform(one, _own(error, one.request_id) if everyone else error)
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)

    def _saw(self, one: TrackedRequest, seen: Request | KlingError, served_at: float | None) -> None:
        """Take a look in, and decide when the next one is due."""
        unripe = 0.0
        if isinstance(seen, Request):
            if seen.status.terminal:
                self._note_end(one, seen, served_at)
            else:
                one.was_active = True
                unripe = self._unripe(one, seen, served_at)
        deadlines = [watch.wait.deadline for watch in self._watches.get(one.request_id, ())]
        until = min(deadlines) + self._ahead if deadlines else self._began
        self._schedule.looked(one, self._began, one.interval * self._share, until=until, unripe=unripe)
        self._inform(one, seen)

    def _unripe(self, one: TrackedRequest, request: Request, served_at: float | None) -> float:
        if served_at is None or request.created_at is None:
            return 0.0
        kind = (request.model or one.model, request.duration)
        return self._lately.unripe_for(kind, served_at - request.created_at, one.interval, self._began)

    def _inform(self, one: TrackedRequest, seen: Request | KlingError) -> None:
        over = True
        for watch in self._watches.get(one.request_id, ()):
            watch.next_look_at = one.due_at
            over = (watch.over or watch.look(seen, self._calls.last_answer_at)) and over
        if over:
            self._schedule.drop(one.request_id)

    def _note_end(self, one: TrackedRequest, request: Request, served_at: float | None) -> None:
        created, ended = request.created_at, request.updated_at
        if ended is not None and created is not None:
            self._lately.note((request.model or one.model, request.duration), ended - created, self._began)
            if request.status is Status.SUCCESS:
                self._meter.generated(request.model or one.model, request.duration, ended - created)
        if ended is not None and served_at is not None and one.was_active:
            self._meter.noticed(max(0.0, served_at - ended))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _own(error: KlingError, request_id: str) -> KlingError:
    """Return the same error for another request: an object of its own, as each may be raised."""
    return type(error)(error.what, money=error.money, todo=error.todo, request_id=request_id)
