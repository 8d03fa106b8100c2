"""One round against a scripted queue: what is read, in which order, and which rows count as looks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Container
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import GMIError, NotFound, Unauthorized, Unreachable
from kling_airflow.gmi.request import Page, Request
from kling_airflow.polling.durations import MAX_LOW_PRIORITY
from kling_airflow.polling.list_scan import ListUsage
from kling_airflow.polling.rate_limiter import RateLimiter
from kling_airflow.polling.round import CONCURRENT_READS, Round, is_whole
from kling_airflow.polling.schedule import Schedule

NOW = 10_000
CLIP = {"video_url": "https://m/a.mp4"}
ELEMENT = {"element_id": "7"}


def record(name: str, status: str = "processing", updated: int = NOW, **fields: Any) -> Request:
    row = {"request_id": name, "status": status, "created_at": NOW - 100, "updated_at": updated, "model": "m"}
    made = Request.read(row | {"payload": {"duration": "5"}} | fields)
    assert made is not None
    return made


@dataclass
class Queue:
    """A queue that responds as a test says.

    :param by_id: what a read by id returns; 404 for every other id.
    :param listed: what the list shows, newest first, or its error.
    :param read_seconds: how long a read by id read_seconds.
    """

    by_id: dict[str, Request | GMIError]
    listed: list[Request] | GMIError
    rate_limiter: RateLimiter = field(default_factory=lambda: RateLimiter(1e6))
    refuses_key: bool = False
    key_was_refused: bool = False
    read_seconds: float = 0.0
    reads: list[str] = field(default_factory=list)
    pages: int = 0
    checks: int = 0
    parallel: int = 0
    max_parallel: int = 0

    async def get(self, request_id: str, interval: float) -> Request:
        self.reads.append(request_id)
        self.parallel += 1
        self.max_parallel = max(self.parallel, self.max_parallel)
        await asyncio.sleep(self.read_seconds)
        self.parallel -= 1
        found = self.by_id.get(request_id, NotFound("404"))
        if isinstance(found, GMIError):
            if isinstance(found, Unreachable):
                now = asyncio.get_running_loop().time()
                self.rate_limiter.record_failure(now, asked_at=now)
            raise found
        self.rate_limiter.record_response()
        return replace(found, served_at=float(NOW))

    async def list_page(self, model: str, offset: int, interval: float, *, only: Container[str]) -> Page:
        self.pages += 1
        if isinstance(self.listed, GMIError):
            raise self.listed
        rows = self.listed[offset : offset + 100]
        return Page(
            tuple(row for row in rows if row.request_id in only),
            rows=len(rows),
            total=len(self.listed),
            served_at=float(NOW),
            unread={row.request_id: row.stamp for row in rows if row.request_id not in only},
        )

    async def key_is_refused(self) -> bool:
        self.checks += 1
        return self.refuses_key


@dataclass
class RoundResult:
    seen: dict[str, Request | GMIError]
    without_look: list[str]
    round: Round
    usage: ListUsage


def run_round(
    queue: Queue, *, number: int = 1, usage: ListUsage | None = None, schedule: Schedule | None = None
) -> RoundResult:
    """Run one round in which every request is due."""
    seen: dict[str, Request | GMIError] = {}
    made = schedule or Schedule()
    for name in {} if schedule else queue.by_id:
        made.add(name, "m", 10.0, 0.0, deadline=1e9)
    list_usage = {"m": ListUsage()}

    async def run() -> tuple[Round, list[str]]:
        round_ = Round(
            queue,  # type: ignore[arg-type]
            made.tracked,
            list_usage,
            lambda one, what, _: seen.__setitem__(one.request_id, what),
            number,
        )
        without_look = await round_.run(made.tracked.values())
        return round_, [one.request_id for one in without_look]

    round_, without_look = asyncio.run(run())
    return RoundResult(seen, without_look, round_, list_usage["m"])


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


def queue_of(count: int = 20, **fields: Any) -> Queue:
    rows = [record(name) for name in names(count)]
    return Queue(**({"by_id": {row.request_id: row for row in rows}, "listed": rows} | fields))


@pytest.mark.parametrize(("waiting", "is_read_next_time"), [(5, False), (20, False), (300, True)])
def test_a_list_that_proves_nothing_is_tried_again_the_sooner_the_more_requests_wait(
    waiting: int, is_read_next_time: bool
) -> None:
    """Nothing has changed for a while: until the list proves how recent it is, each request is read by id."""
    queue = queue_of(waiting, listed=[record(name, updated=NOW - 100) for name in names(waiting)])
    result = run_round(queue)
    assert len(queue.reads) == waiting
    assert result.usage.is_worth_reading(waiting, time.monotonic() + 9) is is_read_next_time
    assert result.usage.is_worth_reading(waiting, time.monotonic() + 61)


def schedule_of(queue: Queue, low_priority: list[str], *, interval: float) -> Schedule:
    """Return a schedule of all requests in the queue, some of them with low priority for a minute."""
    schedule = Schedule()
    for name in queue.by_id:
        one = schedule.add(name, "m", interval, 0.0, deadline=1e9)
        if name in low_priority:
            one.record_look(time.monotonic(), 0.0, deadline=math.inf, likely_end_in=60.0)
    return schedule


def test_if_the_round_is_too_long_requests_that_may_have_ended_are_read_first() -> None:
    queue = queue_of(600, listed=Unreachable("refused"), read_seconds=0.02)
    low_priority = names(590)
    result = run_round(queue, schedule=schedule_of(queue, low_priority, interval=0.1))
    assert set(queue.reads[:10]) == set(names(600)) - set(low_priority), (
        "requests that may have ended come first"
    )
    assert result.without_look, "the next round reads them"
    assert set(result.without_look) < set(low_priority)
    assert result.round.stopped_by is None


def test_of_requests_that_were_never_read_the_oldest_comes_first() -> None:
    """This happens when the queue begins to refuse a list that it served before."""
    queue = queue_of(20, listed=Unreachable("refused"))
    run_round(queue)
    assert queue.reads == names(20)


def test_if_there_is_time_low_priority_requests_are_read_too() -> None:
    queue = queue_of(20, listed=Unreachable("refused"))
    result = run_round(queue, schedule=schedule_of(queue, names(20), interval=10.0))
    assert len(result.seen) == 20
    assert result.without_look == []


def test_an_interval_of_zero_does_not_end_the_round() -> None:
    queue = queue_of(20, listed=Unreachable("refused"))
    schedule = schedule_of(queue, names(20), interval=10.0)
    schedule.add("r0", "m", 0.0, 0.0, deadline=1e9)
    assert run_round(queue, schedule=schedule).without_look == []


def test_a_request_that_the_list_shows_as_ended_is_read_first() -> None:
    queue = queue_of(600, listed=Unreachable("refused"), read_seconds=0.02)
    schedule = schedule_of(queue, names(600), interval=0.1)
    schedule.tracked["r7"].record_ended_row(is_whole=False)
    result = run_round(queue, schedule=schedule)
    assert queue.reads[0] == "r7"
    assert result.without_look


def test_low_priority_ends_after_a_time() -> None:
    queue = queue_of(600, listed=Unreachable("refused"), read_seconds=0.02)
    schedule = schedule_of(queue, names(600), interval=0.01)
    for one in schedule.tracked.values():
        one.record_look(one.last_look_at - MAX_LOW_PRIORITY, 0.0, deadline=math.inf, likely_end_in=1e6)
    assert run_round(queue, schedule=schedule).without_look == []


def test_one_page_is_a_look_at_every_request_and_one_read_checks_the_page() -> None:
    queue = queue_of(20)
    result = run_round(queue)
    assert set(result.seen) == set(names(20))
    assert (queue.pages, len(queue.reads)) == (1, 1)
    assert result.without_look == []


def test_a_list_that_shows_an_end_too_late_is_skipped() -> None:
    queue = queue_of(20)
    for name in names(20):
        queue.by_id[name] = record(name, "success", updated=NOW - 60, outcome=CLIP)
    result = run_round(queue)
    assert all(isinstance(seen, Request) and seen.status.terminal for seen in result.seen.values())
    assert len(queue.reads) == 20, "each request that it showed as active is read by id at once"
    assert not result.usage.is_worth_reading(20, asyncio.new_event_loop().time() + 60)


def test_an_end_after_the_list_was_read_proves_nothing_against_the_list() -> None:
    queue = queue_of(20)
    for name in names(20):
        queue.by_id[name] = record(name, "success", updated=NOW - 1, outcome=CLIP)
    result = run_round(queue)
    assert len(queue.reads) == 1
    assert result.usage.skip_until == 0


def test_each_round_checks_another_row() -> None:
    queue, schedule = queue_of(6), Schedule()
    for name in queue.by_id:
        schedule.add(name, "m", 10.0, 0.0, deadline=1e9)
    for number in range(6):
        run_round(queue, number=number, schedule=schedule)
    assert sorted(queue.reads) == names(6)


def test_a_request_that_the_list_lacks_is_read_by_id_in_the_same_round() -> None:
    queue, schedule = queue_of(20), Schedule()
    assert isinstance(queue.listed, list)
    queue.listed = queue.listed[:15]
    for name in queue.by_id:
        schedule.add(name, "m", 10.0, 0.0, deadline=1e9)
    result = run_round(queue, schedule=schedule)
    assert set(result.seen) == set(names(20))
    assert set(queue.reads) >= set(names(20)[15:])
    assert {name for name, one in schedule.tracked.items() if one.next_list_round > 2} == set(names(20)[15:])


@pytest.mark.parametrize("error", [Unauthorized("403"), NotFound("404"), Unreachable("502")])
def test_if_the_list_is_refused_each_request_is_read_by_id(error: GMIError) -> None:
    queue = queue_of(20, listed=error)
    result = run_round(queue)
    assert sorted(queue.reads) == sorted(names(20))
    assert set(result.seen) == set(names(20))
    assert result.usage.skip_until > 0


def test_the_longest_unread_request_comes_first() -> None:
    queue, schedule = queue_of(3, listed=[]), Schedule()
    for name, read_at in {"r0": 3.0, "r1": 1.0, "r2": 2.0}.items():
        schedule.add(name, "m", 10.0, 0.0, deadline=1e9).start_read(read_at)
    run_round(queue, schedule=schedule)
    assert queue.reads == ["r1", "r2", "r0"]


def test_the_number_of_parallel_reads_is_bounded() -> None:
    queue = queue_of(100, listed=[])
    run_round(queue)
    assert len(queue.reads) == 100
    assert queue.max_parallel == CONCURRENT_READS


def test_a_request_that_only_the_list_shows_exists() -> None:
    """Requests of the web console answer 404 by id."""
    queue = queue_of(8)
    queue.by_id = {name: NotFound("404") for name in queue.by_id}
    result = run_round(queue)
    assert all(isinstance(seen, Request) for seen in result.seen.values())


def test_after_a_failure_one_call_tries_the_connection() -> None:
    queue = queue_of(100, listed=Unreachable("502"))
    queue.by_id = {name: Unreachable("502") for name in queue.by_id}
    queue.rate_limiter.record_failure(0.0, asked_at=0.0)
    result = run_round(queue)
    assert len(queue.reads) == 1
    assert isinstance(result.round.stopped_by, Unreachable)
    assert len(result.without_look) == 99


def test_a_refused_key_stops_the_round() -> None:
    queue = queue_of(50, listed=[], refuses_key=True)
    queue.by_id = {name: Unauthorized("401") for name in queue.by_id}
    result = run_round(queue)
    assert isinstance(result.round.stopped_by, Unauthorized)
    assert len(queue.reads) <= CONCURRENT_READS
    assert queue.checks <= CONCURRENT_READS


def test_one_refused_request_does_not_stop_the_round() -> None:
    queue = queue_of(50, listed=[])
    queue.by_id["r7"] = Unauthorized("403")
    result = run_round(queue)
    assert result.round.stopped_by is None
    assert set(result.seen) == set(names(50))


@st.composite
def queues(draw: st.DrawFn) -> Queue:
    """Any records, and a list that shows any part of them, late or incomplete, or fails."""
    count = draw(st.integers(1, 40))
    truth: dict[str, Request | GMIError] = {}
    rows = []
    for name in names(count):
        age = draw(st.sampled_from([0, 5, 30, 300]))
        over = draw(st.booleans())
        truth[name] = record(name, "success" if over else "processing", updated=NOW - age, outcome=CLIP)
        match draw(st.sampled_from(["same", "same", "missing", "without outcome", "without payload"])):
            case "same":
                rows.append(truth[name])
            case "without outcome":
                rows.append(record(name, "success" if over else "processing", updated=NOW - age))
            case "without payload":
                row = record(name, "success" if over else "processing", NOW - age, outcome=CLIP, payload={})
                rows.append(row)
    others = [record(f"o{number}", updated=NOW - 400) for number in range(draw(st.integers(0, 30)))]
    listed: Any = draw(st.permutations(rows + others))
    if draw(st.integers(0, 5)) == 0:
        listed = draw(st.sampled_from([Unreachable("502"), Unauthorized("403"), NotFound("404")]))
    return Queue(truth, listed)


@given(queues())
def test_each_due_request_is_looked_at_and_each_end_is_seen(queue: Queue) -> None:
    result = run_round(queue)
    assert result.without_look == []
    assert set(result.seen) == set(queue.by_id)
    for name, truth in queue.by_id.items():
        seen = result.seen[name]
        assert isinstance(truth, Request)
        assert isinstance(seen, Request)
        assert seen.status == truth.status
        if truth.status.terminal:
            assert seen.outcome.video_url
            assert seen.duration == 5
    assert len(queue.reads) <= len(queue.by_id) + 1
    assert len(set(queue.reads)) == len(queue.reads), "no request is read twice in a round"


@pytest.mark.parametrize(
    ("row", "whole"),
    [
        (record("a", "success", outcome=CLIP), True),
        (record("a", "success"), False),
        (record("a", "success", outcome=CLIP, payload={}), False),
        (record("a", "success", outcome=ELEMENT, model="kling-v3-omni"), False),
        (record("a", "success", outcome=ELEMENT, model="kling-create-element"), True),
        (record("a", "success", model="kling-create-element"), False),
        (record("a", "failed", outcome={"error": "content"}), True),
        (record("a", "failed"), False),
        (record("a", "cancelled", payload={}), True),
    ],
)
def test_a_row_is_whole_if_it_has_the_outcome_and_the_payload(row: Request, whole: bool) -> None:
    assert is_whole(row) is whole
