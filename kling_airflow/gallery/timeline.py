"""The steps of a request, from its first POST to its landing, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.submission.journal import JournalEntry
from kling_airflow.submission.record import State, SubmissionRecord

if TYPE_CHECKING:
    from kling_airflow.gallery.queue_state import QueueState

LEDGER: Final = "ledger"
QUEUE: Final = "queue"
LANDING: Final = "landing"


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    :param at: Unix seconds.
    :param source: which of :data:`LEDGER`, :data:`QUEUE` and :data:`LANDING` says so.
    :param what: in a few words.
    :param detail: more, or "".
    :param rank: the order of steps within one second: the queue's times are whole seconds.
    """

    at: float
    source: str
    what: str
    detail: str = ""
    rank: int = 0

    @property
    def iso(self) -> str:
        """When it was, ISO 8601, UTC."""
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the ledger says of a request.

    :param task: the task that has submitted it, ``submit[3]``.
    :param record: the last record of its order.
    :param steps: in order.
    """

    task: str
    record: SubmissionRecord
    steps: Sequence[Step]


def in_order(steps: Iterable[Step]) -> list[tuple[Step, str]]:
    """Return the steps by time, each with the time since the one before it."""
    found: list[tuple[Step, str]] = []
    for step in sorted(steps, key=lambda step: (int(step.at), step.rank, step.at)):
        found.append((step, _since(int(step.at) - int(found[-1][0].at)) if found else ""))
    return found


def steps_of_landing(sidecar: Mapping[str, Any]) -> list[Step]:
    """Return what a sidecar knows: the queue's own times, and the landing."""
    clip = sidecar.get("clip") or {}
    named = (
        ("submitted_at", QUEUE, "The queue has the request", str(sidecar.get("model") or ""), 1),
        ("finished_at", QUEUE, "The queue has made the clip", _cost(sidecar.get("cost_usd")), 3),
        ("landed_at", LANDING, "Checked and stored", f"{int(clip.get('bytes') or 0):,} bytes", 4),
    )
    return [
        Step(at, source, what, detail, rank)
        for name, source, what, detail, rank in named
        if (at := _seconds(sidecar.get(name))) is not None
    ]


def steps_of_queue(state: QueueState | None) -> list[Step]:
    """Return what the queue says of a request that has not landed."""
    if state is None:
        return []
    steps = []
    if state.submitted_at is not None:
        steps.append(Step(state.submitted_at, QUEUE, "The queue has the request", rank=1))
    if state.has_ended and state.changed_at is not None:
        steps.append(Step(state.changed_at, QUEUE, f"The request has ended: {state.status}", rank=3))
    return steps


def steps_of_journal(entries: Iterable[JournalEntry], request_id: str) -> list[Step]:
    """Return what each entry of an order's journal says."""
    return [
        Step(
            entry.at,
            LEDGER,
            _what(entry.record, request_id),
            _detail(entry.record, entry.by),
            rank=2 if entry.record.state is State.SUBMITTED else 0,
        )
        for entry in entries
    ]


def steps_of_record(record: SubmissionRecord, request_id: str) -> list[Step]:
    """Return what one record says, where only the last is kept: Airflow's task state store."""
    steps = []
    if record.doubted_since is not None and record.doubted_since != record.sent_at:
        steps.append(Step(record.doubted_since, LEDGER, "A POST left whose answer was lost"))
    if record.sent_at is not None:
        steps.append(Step(record.sent_at, LEDGER, f"POST {record.posts} is about to leave"))
    if record.submitted_at is not None and record.state is State.SUBMITTED:
        steps.append(Step(record.submitted_at, LEDGER, _what(record, request_id), _detail(record, ""), 2))
    return steps


def _what(record: SubmissionRecord, request_id: str) -> str:
    if record.state is State.SENDING:
        again = " It is not known whether it arrived." if record.arrives_by is not None else ""
        return f"POST {record.posts} {'has ended.' if again else 'is about to leave'}{again}"
    if record.state is State.NOT_SENT:
        return "The queue has no request of this POST"
    if record.request_id == request_id:
        return "The request id is noted"
    return f"The order goes on with request {record.request_id}"


def _detail(record: SubmissionRecord, by: str) -> str:
    parts = [by, record.reason or ""]
    if record.take > 1:
        parts.append(f"take {record.take}")
    if record.earlier:
        parts.append(f"earlier requests: {', '.join(record.earlier)}")
    return "; ".join(part for part in parts if part)


def _cost(usd: object) -> str:
    return f"${float(str(usd)):,.2f}" if usd is not None else ""


def _seconds(text: object) -> float | None:
    try:
        moment = datetime.fromisoformat(str(text or ""))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _since(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"+{whole} s"
    return f"+{whole // 60} min" if whole < 7200 else f"+{whole // 3600} h {whole % 3600 // 60} min"
