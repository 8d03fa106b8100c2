"""One round against a queue that is made up: what is asked, in which order, and what counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container
from dataclasses import dataclass, field
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


def record(name: str, status: str = "processing", updated: int = NOW, **fields: Any) -> Request:
    row = {"request_id": name, "status": status, "created_at": NOW - 100, "updated_at": updated, "model": "m"}
    made = Request.read(row | {"payload": {"duration": "5"}} | fields)
    assert made is not None
    return made


@dataclass
class Queue:
    """A queue that answers as it is told to.

    :param by_id: what a read by id answers; a 404 for what is not in it.
    :param listed: what the list shows, newest first, or how it fails.
    :param takes: seconds that a read by id takes.
    """

    by_id: dict[str, Request | GMIError]
    listed: list[Request] | GMIError
    rate_limiter: RateLimiter = field(default_factory=lambda: RateLimiter(1e6))
    refuses: bool = False
    takes: float = 0.0
    asked: list[str] = field(default_factory=list)
    pages: int = 0
    checks: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def get(self, request_id: str, interval: float) -> tuple[Request, float]:
        self.asked.append(request_id)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(self.takes)
        self.at_once -= 1
        found = self.by_id.get(request_id, NotFound("404"))
        if isinstance(found, GMIError):
            if isinstance(found, Unreachable):
                now = asyncio.get_running_loop().time()
                self.rate_limiter.failed(now, asked_at=now)
            raise found
        self.rate_limiter.answered()
        return found, float(NOW)

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
        return self.refuses


@dataclass
class Played:
    seen: dict[str, Request | GMIError]
    left: list[str]
    round: Round
    usage: ListUsage


def play(
    queue: Queue, *, number: int = 1, usage: ListUsage | None = None, schedule: Schedule | None = None
) -> Played:
    """One round in which everything is due."""
    seen: dict[str, Request | GMIError] = {}
    made = schedule or Schedule()
    for name in {} if schedule else queue.by_id:
        made.add(name, "m", 10.0, 0.0, until=1e9)
    list_usage = {"m": ListUsage()}

    async def run() -> tuple[Round, list[str]]:
        round_ = Round(
            queue,  # type: ignore[arg-type]
            made.tracked,
            list_usage,
            lambda one, what, _: seen.__setitem__(one.request_id, what),
            number,
        )
        left = await round_.run(made.tracked.values())
        return round_, [one.request_id for one in left]

    round_, left = asyncio.run(run())
    return Played(seen, left, round_, list_usage["m"])


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


def queue_of(count: int = 20, **fields: Any) -> Queue:
    rows = [record(name) for name in names(count)]
    return Queue(**({"by_id": {row.request_id: row for row in rows}, "listed": rows} | fields))


@pytest.mark.parametrize(("waiting", "read_next_time"), [(5, False), (20, False), (300, True)])
def test_a_list_that_proves_nothing_is_tried_again_sooner_the_less_its_reading_weighs(
    waiting: int, read_next_time: bool
) -> None:
    """Nothing has happened for a while: everyone is asked by id, until the list can prove itself again."""
    queue = queue_of(waiting, listed=[record(name, updated=NOW - 100) for name in names(waiting)])
    played = play(queue)
    assert len(queue.asked) == waiting
    assert played.usage.is_worth_reading(waiting, time.monotonic() + 9) is read_next_time
    assert played.usage.is_worth_reading(waiting, time.monotonic() + 61)


def young_and_old(queue: Queue, young: list[str], *, interval: float) -> Schedule:
    """Return a schedule of all in the queue; the young were just asked, and are likely not over yet."""
    schedule = Schedule()
    for name in queue.by_id:
        one = schedule.add(name, "m", interval, 0.0, until=1e9)
        if name in young:
            one.last_look_at, one.likely_end_at = time.monotonic(), time.monotonic() + 60
    return schedule


def test_where_calls_are_scarce_the_young_stand_back_for_those_who_may_be_over() -> None:
    queue = queue_of(600, listed=Unreachable("refused"), takes=0.02)
    young = names(590)
    played = play(queue, schedule=young_and_old(queue, young, interval=0.1))
    assert set(queue.asked[:10]) == set(names(600)) - set(young), "those who may be over come first"
    assert played.left, "a round that takes longer than an interval leaves the young to the next one"
    assert set(played.left) < set(young)
    assert played.round.stopped_by is None


def test_of_those_never_asked_by_id_the_oldest_comes_first() -> None:
    """As when a list that served everyone is refused from one round to the next."""
    queue = queue_of(20, listed=Unreachable("refused"))
    play(queue)
    assert queue.asked == names(20)


def test_where_there_is_room_the_young_are_asked_too() -> None:
    queue = queue_of(20, listed=Unreachable("refused"))
    played = play(queue, schedule=young_and_old(queue, names(20), interval=10.0))
    assert len(played.seen) == 20
    assert played.left == []


def test_an_interval_of_nothing_stops_nobody() -> None:
    queue = queue_of(20, listed=Unreachable("refused"))
    schedule = young_and_old(queue, names(20), interval=10.0)
    schedule.tracked["r0"].interval = 0.0
    assert play(queue, schedule=schedule).left == []


def test_who_is_known_to_be_over_stands_back_for_nobody() -> None:
    queue = queue_of(600, listed=Unreachable("refused"), takes=0.02)
    schedule = young_and_old(queue, names(600), interval=0.1)
    schedule.tracked["r7"].over = True
    played = play(queue, schedule=schedule)
    assert queue.asked[0] == "r7"
    assert played.left


def test_nobody_stands_back_for_long() -> None:
    queue = queue_of(600, listed=Unreachable("refused"), takes=0.02)
    schedule = young_and_old(queue, names(600), interval=0.01)
    for one in schedule.tracked.values():
        one.last_look_at -= MAX_LOW_PRIORITY
    assert play(queue, schedule=schedule).left == []


def test_one_page_stands_for_all_and_one_read_holds_it_against_the_truth() -> None:
    queue = queue_of(20)
    played = play(queue)
    assert set(played.seen) == set(names(20))
    assert (queue.pages, len(queue.asked)) == (1, 1)
    assert played.left == []


def test_a_list_that_hides_an_end_is_caught_and_left_alone() -> None:
    queue = queue_of(20)
    for name in names(20):
        queue.by_id[name] = record(name, "success", updated=NOW - 60, outcome=CLIP)
    played = play(queue)
    assert all(isinstance(seen, Request) and seen.status.terminal for seen in played.seen.values())
    assert len(queue.asked) == 20, "whoever it showed as active is asked by id at once"
    assert not played.usage.is_worth_reading(20, asyncio.new_event_loop().time() + 60)


def test_an_end_that_came_after_the_list_was_read_is_no_lie() -> None:
    queue = queue_of(20)
    for name in names(20):
        queue.by_id[name] = record(name, "success", updated=NOW - 1, outcome=CLIP)
    played = play(queue)
    assert len(queue.asked) == 1
    assert played.usage.skip_until == 0


def test_the_truth_is_asked_of_another_each_time() -> None:
    queue, schedule = queue_of(6), Schedule()
    for name in queue.by_id:
        schedule.add(name, "m", 10.0, 0.0, until=1e9)
    for number in range(6):
        play(queue, number=number, schedule=schedule)
    assert sorted(queue.asked) == names(6)


def test_what_the_list_lacks_is_asked_by_id_in_the_same_round_and_not_looked_for_again_at_once() -> None:
    queue, schedule = queue_of(20), Schedule()
    assert isinstance(queue.listed, list)
    queue.listed = queue.listed[:15]
    for name in queue.by_id:
        schedule.add(name, "m", 10.0, 0.0, until=1e9)
    played = play(queue, schedule=schedule)
    assert set(played.seen) == set(names(20))
    assert set(queue.asked) >= set(names(20)[15:])
    assert {name for name, one in schedule.tracked.items() if one.list_from > 2} == set(names(20)[15:])


@pytest.mark.parametrize("error", [Unauthorized("403"), NotFound("404"), Unreachable("502")])
def test_a_list_that_is_refused_is_done_without(error: GMIError) -> None:
    queue = queue_of(20, listed=error)
    played = play(queue)
    assert sorted(queue.asked) == sorted(names(20))
    assert set(played.seen) == set(names(20))
    assert played.usage.skip_until > 0


def test_who_was_not_asked_for_longest_comes_first() -> None:
    queue, schedule = queue_of(3, listed=[]), Schedule()
    for name, asked_at in {"r0": 3.0, "r1": 1.0, "r2": 2.0}.items():
        schedule.add(name, "m", 10.0, 0.0, until=1e9).asked_at = asked_at
    play(queue, schedule=schedule)
    assert queue.asked == ["r1", "r2", "r0"]


def test_reads_by_id_are_bounded() -> None:
    queue = queue_of(100, listed=[])
    play(queue)
    assert len(queue.asked) == 100
    assert queue.most_at_once == CONCURRENT_READS


def test_a_request_that_only_the_list_knows_is_believed_to_exist() -> None:
    """Made in the web console (seen): 404 by id, but there."""
    queue = queue_of(8)
    queue.by_id = {name: NotFound("404") for name in queue.by_id}
    played = play(queue)
    assert all(isinstance(seen, Request) for seen in played.seen.values())


def test_a_connection_that_failed_is_tried_with_one_call() -> None:
    queue = queue_of(100, listed=Unreachable("502"))
    queue.by_id = {name: Unreachable("502") for name in queue.by_id}
    queue.rate_limiter.failed(0.0, asked_at=0.0)
    played = play(queue)
    assert len(queue.asked) == 1
    assert isinstance(played.round.stopped_by, Unreachable)
    assert len(played.left) == 99


def test_a_refused_key_is_checked_once_and_stops_the_round() -> None:
    queue = queue_of(50, listed=[], refuses=True)
    queue.by_id = {name: Unauthorized("401") for name in queue.by_id}
    played = play(queue)
    assert isinstance(played.round.stopped_by, Unauthorized)
    assert len(queue.asked) <= CONCURRENT_READS
    assert queue.checks <= CONCURRENT_READS


def test_one_refused_request_stops_nothing() -> None:
    queue = queue_of(50, listed=[])
    queue.by_id["r7"] = Unauthorized("403")
    played = play(queue)
    assert played.round.stopped_by is None
    assert set(played.seen) == set(names(50))


@st.composite
def queues(draw: st.DrawFn) -> Queue:
    """Any truth, and a list that tells any part of it, late or wrongly, or fails."""
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
def test_nothing_that_is_due_is_ever_left_out_and_no_end_is_missed(queue: Queue) -> None:
    played = play(queue)
    assert played.left == []
    assert set(played.seen) == set(queue.by_id)
    for name, truth in queue.by_id.items():
        seen = played.seen[name]
        assert isinstance(truth, Request)
        assert isinstance(seen, Request)
        assert seen.status == truth.status
        if truth.status.terminal:
            assert seen.outcome.video_url
            assert seen.duration == 5
    assert len(queue.asked) <= len(queue.by_id) + 1
    assert len(set(queue.asked)) == len(queue.asked), "nobody is asked twice in a round"


@pytest.mark.parametrize(
    ("row", "whole"),
    [
        (record("a", "success", outcome=CLIP), True),
        (record("a", "success"), False),
        (record("a", "success", outcome=CLIP, payload={}), False),
        (record("a", "failed", outcome={"error": "content"}), True),
        (record("a", "failed"), False),
        (record("a", "cancelled", payload={}), True),
    ],
)
def test_a_row_is_whole_when_it_says_how_and_what(row: Request, whole: bool) -> None:
    assert is_whole(row) is whole
