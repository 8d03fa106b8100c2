"""The requests in memory, by id, and by organization and model."""

from __future__ import annotations

import bisect
import heapq
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kling_airflow.simulator.queue.requests import QueueRequest


class Store:
    """Requests in memory.

    :param on_finish: called once with each request that has ended.
    """

    def __init__(self, on_finish: Callable[[QueueRequest], None]) -> None:
        self._on_finish = on_finish
        self._by_id: dict[str, QueueRequest] = {}
        self._lists: dict[tuple[str, str | None], list[QueueRequest]] = defaultdict(list)
        self._due: list[tuple[float, int, QueueRequest]] = []
        self._ordinal = itertools.count()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[QueueRequest]:
        return iter(self._by_id.values())

    def __reversed__(self) -> Iterator[QueueRequest]:
        return reversed(self._by_id.values())

    def add(self, request: QueueRequest) -> None:
        """Keep a new request; requests come in the order of their creation."""
        self._by_id[request.request_id] = request
        self._lists[request.organization, None].append(request)
        self._lists[request.organization, request.model.id].append(request)
        self.schedule(request, request.created_at + request.timeline.done)

    def schedule(self, request: QueueRequest, at: float) -> None:
        """Settle a request at a time, seconds since the epoch."""
        heapq.heappush(self._due, (at, next(self._ordinal), request))

    def get(self, request_id: str) -> QueueRequest | None:
        """Return the request of an id, of any organization."""
        return self._by_id.get(request_id)

    def advance(self, now: float) -> None:
        """End every request whose end is due."""
        while self._due and self._due[0][0] <= now:
            self.settle(heapq.heappop(self._due)[2], now)

    def settle(self, request: QueueRequest, now: float) -> None:
        """End one request if its end is due."""
        if request.terminal is None and request.settle(now):
            self._on_finish(request)

    def created_until(self, organization: str, model: str | None, until: float) -> list[QueueRequest]:
        """Return the requests that were created until a moment, oldest first.

        :param model: the model id, or None for every model.
        :param until: seconds since the epoch.
        """
        rows = self._lists.get((organization, model), [])
        return rows[: bisect.bisect_right(rows, until, key=lambda request: request.created_at)]

    def page(
        self, organization: str, model: str | None, *, until: float, limit: int, offset: int
    ) -> tuple[list[QueueRequest], int]:
        """Return one page, newest first, and how many there are in all.

        :param model: the model id, or None for every model.
        :param until: requests created after that time are left out.
        """
        rows = self._lists.get((organization, model), [])
        total = bisect.bisect_right(rows, until, key=lambda request: request.created_at)
        end = max(0, total - offset)
        return rows[max(0, end - limit) : end][::-1], total
