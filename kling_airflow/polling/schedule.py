"""Which requests are looked at when. Pure: it holds no futures and is told the time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from kling_airflow.gmi.request import Request
from kling_airflow.polling.durations import LONGEST_UNRIPE

EARLY = 0.1
"""A look may come this part of its interval early, if that lets it share a call."""
_SETTLE = 0.1
_SETTLE_MAX = 0.5


@dataclass(slots=True, eq=False)
class TrackedRequest:
    """One request that somebody waits for. Times are seconds of one monotonic clock.

    :param interval: seconds between two looks, the shortest that a waiter asked for.
    :param due_at: when it is to be looked at next.
    :param asked_at: when it was last asked by id.
    :param looked_at: when it was last looked at, by id or in a list.
    :param ripe_at: from when on it can be expected to be over; before, it stands back where calls are scarce.
    :param row: what the list of the round under way shows of it.
    :param over: whether the list has said that it is over, but not how: it is read by id.
    :param unlisted: how many times in a row the list did not show it.
    :param list_from: the round from which on the list may be asked for it again.
    :param was_active: whether it was seen before its end.
    """

    request_id: str
    model: str
    interval: float
    due_at: float
    asked_at: float = -math.inf
    looked_at: float = -math.inf
    ripe_at: float = -math.inf
    row: Request | None = None
    over: bool = False
    unlisted: int = 0
    list_from: int = 0
    was_active: bool = False

    def stands_back(self, now: float) -> bool:
        """Whether others are asked first: it was seen not long ago, and is likely not over yet."""
        return not self.over and now < self.ripe_at and now - self.looked_at < LONGEST_UNRIPE


@dataclass(slots=True)
class Schedule:
    """Every tracked request of a connection; those that are due about together are due together."""

    tracked: dict[str, TrackedRequest] = field(default_factory=dict)
    _next: float = math.inf

    def __len__(self) -> int:
        return len(self.tracked)

    def add(
        self, request_id: str, model: str, interval: float, now: float, *, until: float
    ) -> TrackedRequest:
        """Track a request: look with the next round, or within the interval, or soon where nobody waits.

        :param until: when its waiter gives up: it is looked at once more then.
        """
        found = self.tracked.get(request_id)
        if found is not None:
            found.interval = min(found.interval, interval)
            found.due_at = min(found.due_at, now + interval, until)
            found.ripe_at = min(found.ripe_at, until)
        else:
            soon = now + min(interval * _SETTLE, _SETTLE_MAX)
            # With others, it waits for their next round: its own call is saved, and it is no later than
            # an interval. Alone, only as long as others of the same burst take to arrive.
            due_at = min(now + interval, max(soon, self._next) if self.tracked else soon, until)
            found = TrackedRequest(request_id, model, interval, due_at)
            self.tracked[request_id] = found
        self._next = min(self._next, found.due_at)
        return found

    def drop(self, request_id: str) -> None:
        """Track it no longer."""
        self.tracked.pop(request_id, None)

    def next_at(self) -> float:
        """Return when the next round is due; infinity without any request."""
        return self._next

    def due(self, now: float) -> list[TrackedRequest]:
        """Return what is to be looked at in a round that begins now."""
        return [one for one in self.tracked.values() if one.due_at <= now + one.interval * EARLY]

    def looked(
        self, one: TrackedRequest, began: float, pause: float, *, until: float, unripe: float = 0.0
    ) -> None:
        """Note a look; the next one is due after the pause.

        :param began: when the round began: what was seen is at least as new.
        :param until: as in :meth:`add`, the earliest of its waiters: the last look stands back for nobody.
        :param unripe: seconds for which it is likely not over yet.
        """
        one.looked_at, one.ripe_at = began, min(began + unripe, until)
        one.due_at = began + pause if until <= began else min(began + pause, until)

    def round_begins(self, now: float) -> None:
        """Let requests that come while a round is under way join the next one."""
        self._next = now + min((one.interval for one in self.tracked.values()), default=0.0)

    def round_ends(self) -> None:
        """Find when the next round is due."""
        self._next = min((one.due_at for one in self.tracked.values()), default=math.inf)


def of_model(due: Iterable[TrackedRequest]) -> dict[str, list[TrackedRequest]]:
    """Return the requests by their model: a list call names one."""
    groups: dict[str, list[TrackedRequest]] = {}
    for one in due:
        groups.setdefault(one.model, []).append(one)
    return groups
