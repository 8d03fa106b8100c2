"""Which requests are looked at when. Pure: no futures, and every method is told the time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from kling_airflow.polling.tracked_request import TrackedRequest

EARLY = 0.1
"""A look may come this part of its interval early, if the look can then share a call."""
_BURST_PART = 0.1
_BURST_MAX = 0.5


@dataclass(slots=True)
class Schedule:
    """Every tracked request of a connection. Requests that are due at about the same time share a round."""

    tracked: dict[str, TrackedRequest] = field(default_factory=dict)
    _next_round_at: float = math.inf

    def __len__(self) -> int:
        return len(self.tracked)

    def add(
        self, request_id: str, model: str, interval: float, now: float, *, deadline: float
    ) -> TrackedRequest:
        """Track a request for one more waiter; its first look comes within the interval.

        :param deadline: when the waiter gives up. The request is looked at once more at that moment.
        """
        tracked = self.tracked.get(request_id)
        if tracked is not None:
            tracked.add_waiter(interval, now, deadline=deadline)
        else:
            soon = now + min(interval * _BURST_PART, _BURST_MAX)
            # If there are other requests, the first look waits for their next round: this saves a call.
            # If there are none, the first look waits only for the other requests of the same burst.
            first_look = max(soon, self._next_round_at) if self.tracked else soon
            due_at = min(now + interval, first_look, deadline)
            tracked = TrackedRequest(request_id, model, interval, due_at)
            self.tracked[request_id] = tracked
        self._next_round_at = min(self._next_round_at, tracked.due_at)
        return tracked

    def remove(self, request_id: str) -> None:
        """Stop tracking a request."""
        self.tracked.pop(request_id, None)

    def next_round_at(self) -> float:
        """Return when the next round is due; infinity if there is no request."""
        return self._next_round_at

    def due(self, now: float) -> list[TrackedRequest]:
        """Return the requests that a round which starts now looks at."""
        return [
            tracked for tracked in self.tracked.values() if tracked.due_at <= now + tracked.interval * EARLY
        ]

    def start_round(self, now: float) -> None:
        """Let requests that are added during a round join the next one."""
        self._next_round_at = now + min((tracked.interval for tracked in self.tracked.values()), default=0.0)

    def end_round(self) -> None:
        """Find when the next round is due."""
        self._next_round_at = min((tracked.due_at for tracked in self.tracked.values()), default=math.inf)


def group_by_model(due: Iterable[TrackedRequest]) -> dict[str, list[TrackedRequest]]:
    """Return the requests by their model: a list call names one model."""
    groups: dict[str, list[TrackedRequest]] = {}
    for tracked in due:
        groups.setdefault(tracked.model, []).append(tracked)
    return groups
