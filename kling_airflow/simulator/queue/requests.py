"""One request of the queue and its status at a moment."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.queue.lifecycle import Status, Timeline

if TYPE_CHECKING:
    from kling_airflow.simulator.media.render_pool import Media
    from kling_airflow.simulator.queue.catalog import Model


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a generation ended: with media, or with a reason.

    :param at: when the generation ended, seconds since the epoch.
    :param late: the failure shows only after `late_failure_seconds`.
    :param result: what the outcome of a model without clips holds.
    """

    at: float
    media: Media | None = None
    reason: str | None = None
    late: bool = False
    result: dict[str, Any] | None = None


@dataclass(slots=True)
class Overrides:
    """What faults order for a request.

    :param stuck_in: the status that the request never leaves.
    :param failure: the reason of the failure that is ordered.
    :param failure_after: seconds after the creation at which it fails; None is when it would succeed.
    :param hidden_for: seconds after the creation in which a read by id answers 404; the list has it.
    :param success_shape: how the outcome names the medium; None is the model's own way.
    :param trace_id: whether the outcome has a `request_id` of the upstream vendor.
    :param error_place: where the record has the reason of a failure.
    :param shown_as: the status that the record shows while the request runs.
    :param upper_case: whether the record shows the status in capitals.
    :param ends_as: the status that an ordered failure ends in.
    :param price: micro-dollars a unit; None is the price of the catalogue.
    :param faults: the faults that ordered this, in words.
    :param refusal: the text of a 500 that refuses the POST and leaves a failed record.
    """

    stuck_in: Status | None = None
    failure: str | None = None
    failure_after: float | None = None
    hidden_for: float = 0.0
    success_shape: str | None = None
    trace_id: bool = False
    error_place: str = "outcome.error"
    shown_as: str | None = None
    upper_case: bool = False
    refusal: str | None = None
    ends_as: Status = Status.FAILED
    price: int | None = None
    faults: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class QueueRequest:
    """One entry of the queue. Mutable, and touched by the server's event loop only."""

    request_id: str
    organization: str
    user: str
    key_name: str
    model: Model
    payload: dict[str, Any]
    payload_digest: str
    created_at: float
    timeline: Timeline
    amount: int
    """What it costs if it succeeds, in micro-dollars."""
    object_errors: bool = False
    """Whether `outcome.error` is an object."""
    from_console: bool = False
    webhook: str | None = None
    """The address that the submission names to be told the result."""
    overrides: Overrides = field(default_factory=Overrides)
    verdict: Verdict | None = None
    terminal: Status | None = None
    finished_at: float | None = None
    error: str | None = None
    reads: int = 0
    reads_per_step: int | None = None
    billed: bool = True
    """Whether the money is held or charged; False after a failure or a cancellation."""
    calls: Counter[str] = field(default_factory=Counter)
    _seen: tuple[Status, float] | None = None

    def payload_text(self) -> str:
        """Return the payload as JSON."""
        return json.dumps(self.payload, ensure_ascii=False)

    def settle(self, now: float) -> bool:
        """End the request if that is due; return whether it has ended."""
        if self.terminal is not None:
            return True
        if self.overrides.stuck_in is not None:
            return False
        if self.overrides.failure is not None:
            after = (
                self.timeline.done if self.overrides.failure_after is None else self.overrides.failure_after
            )
            if self._elapsed(now) >= after:
                failed = self.overrides.ends_as is Status.FAILED
                error = self.overrides.failure if failed else None
                self.finish(self.overrides.ends_as, self._moment(after, now), error=error)
        elif self.verdict is not None and self._elapsed(now) >= self.timeline.done:
            at = max(self._moment(self.timeline.done, now), self.verdict.at)
            if self.verdict.reason is None:
                self.finish(Status.SUCCESS, at)
            else:
                self.finish(Status.FAILED, at, error=self.verdict.reason)
        return self.terminal is not None

    def finish(self, status: Status, at: float, *, error: str | None = None) -> None:
        """End the request.

        :param at: when, seconds since the epoch.
        """
        self.terminal, self.finished_at, self.error = status, at, error

    def view(self, now: float) -> tuple[Status, float]:
        """Return the status at a moment after the creation, and since when the request has that status."""
        if self.terminal is not None and self.finished_at is not None and self.finished_at <= now:
            return self.terminal, self.finished_at
        status, since = self.timeline.at(self._elapsed(now))
        stuck = self.overrides.stuck_in
        if stuck is not None:
            starts = dict(self.timeline.steps)
            begin = starts.get(stuck, 0.0)
            if stuck is Status.QUEUED or self._elapsed(now) >= begin:
                status, since = stuck, 0.0 if stuck is Status.QUEUED else begin
        if self.reads_per_step is None:
            return status, self.created_at + since
        if self._seen is None or self._seen[0] is not status:
            self._seen = (status, now)
        return self._seen

    def _elapsed(self, now: float) -> float:
        if self.reads_per_step is None:
            return now - self.created_at
        step = self.reads // self.reads_per_step
        return self.timeline.steps[step][1] if step < len(self.timeline.steps) else self.timeline.done

    def _moment(self, after: float, now: float) -> float:
        return now if self.reads_per_step is not None else self.created_at + after
