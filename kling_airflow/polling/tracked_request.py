"""One request that a poller tracks: when it is looked at next, and what the list has shown of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kling_airflow.gmi.request import Request
from kling_airflow.polling.durations import MAX_LOW_PRIORITY

_MAX_ROUNDS_EXPONENT = 6


@dataclass(slots=True, eq=False)
class TrackedRequest:
    """A request that has at least one waiter. Only the methods of this class write its fields.

    Times are seconds of one monotonic clock.

    :param interval: seconds between two looks: the shortest that one of its waiters asked for.
    :param due_at: when the request is looked at next.
    :param last_read_at: when the request was last read by id.
    :param last_look_at: when the request was last looked at, by id or in a list.
    :param likely_end_at: earliest likely finish time. Until then the request has low priority.
    :param active_row: the row that the list of the current round shows, if that row is active.
    :param ended_in_list: whether the list has shown an end without its outcome: the request is read by id.
    :param rounds_not_listed: number of list scans in a row that did not show the request.
    :param next_list_round: the first round whose list scan looks for the request again.
    :param seen_active: whether the request was seen before its end.
    """

    request_id: str
    model: str
    interval: float
    due_at: float
    last_read_at: float = -math.inf
    last_look_at: float = -math.inf
    likely_end_at: float = -math.inf
    active_row: Request | None = None
    ended_in_list: bool = False
    rounds_not_listed: int = 0
    next_list_round: int = 0
    seen_active: bool = False

    def has_low_priority(self, now: float) -> bool:
        """Return whether other requests are read first: its last look is recent and its end is not likely."""
        return (
            not self.ended_in_list and now < self.likely_end_at and now - self.last_look_at < MAX_LOW_PRIORITY
        )

    def add_waiter(self, interval: float, now: float, *, deadline: float) -> None:
        """Take in another waiter: the shortest interval and the earliest deadline count."""
        self.interval = min(self.interval, interval)
        self.due_at = min(self.due_at, now + interval, deadline)
        self.likely_end_at = min(self.likely_end_at, deadline)

    def start_round(self) -> None:
        """Forget what the list of the last round showed."""
        self.active_row = None

    def start_read(self, now: float) -> None:
        """Record that the request is being read by id."""
        self.last_read_at = now

    def record_read(self, request: Request) -> None:
        """Record what a read by id brought."""
        self.ended_in_list = False
        if request.model and request.model != self.model:
            self.model, self.next_list_round = request.model, 0

    def record_active_row(self, row: Request) -> None:
        """Record that the list shows the request as active."""
        self.rounds_not_listed = 0
        self.active_row = row

    def record_ended_row(self, *, is_whole: bool) -> None:
        """Record that the list shows the request's end.

        :param is_whole: whether the row has the outcome.
        """
        self.rounds_not_listed = 0
        self.ended_in_list = self.ended_in_list or not is_whole

    def record_not_listed(self, round_number: int) -> None:
        """Record that the list lacks the request: the next list scan for it is some rounds later."""
        self.rounds_not_listed += 1
        self.next_list_round = round_number + 2 ** min(self.rounds_not_listed, _MAX_ROUNDS_EXPONENT)

    def record_active(self) -> None:
        """Record that the request was seen before its end."""
        self.seen_active = True

    def record_look(
        self, round_started_at: float, pause: float, *, deadline: float, likely_end_in: float = 0.0
    ) -> None:
        """Record a look; the next one is due after the pause, and once at the deadline.

        :param round_started_at: what was seen is at least as new as this moment.
        :param pause: seconds until the next look.
        :param deadline: the earliest one of its waiters.
        :param likely_end_in: seconds in which an end is not likely.
        """
        self.last_look_at = round_started_at
        self.likely_end_at = min(round_started_at + likely_end_in, deadline)
        next_look = round_started_at + pause
        self.due_at = next_look if deadline <= round_started_at else min(next_look, deadline)
