"""Section "Limits and times" of the wire contract, and organizations."""

from __future__ import annotations

from kling_airflow.simulator import Account, ManualClock
from tests.simulator.client import GOOD, MODEL, Queue
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Slow, Started

TWO = [
    Account(key="key-a", name="a", organization="org-a", user="ann", credit_usd=1.0),
    Account(key="key-a2", name="a2", organization="org-a", user="abe"),
    Account(key="key-b", name="b", organization="org-b", user="bob"),
]


@row("Rate limits are requests an hour, 429 beyond them (`requests_per_hour`)", "doc")
def test_hourly_limit(started: Started) -> None:
    clock = ManualClock()
    simulator, queue = started(
        clock=clock, submit_seconds=0, accounts=[Account(key="k", requests_per_hour=2)], retry_after=60
    )
    assert [queue.post(GOOD).status_code for _ in range(3)] == [200, 200, 429]
    limited = queue.post(GOOD)
    assert limited.headers["retry-after"] == "60"
    assert len(simulator.ledger()) == 2
    clock.advance(3599)
    assert queue.post(GOOD).status_code == 429
    clock.advance(1)
    assert [queue.post(GOOD).status_code for _ in range(3)] == [200, 200, 429]


@row("... per organization, whichever of its keys is used", "doc")
def test_limit_is_the_organization_s(started: Started) -> None:
    accounts = [
        Account(key="a1", organization="a", requests_per_hour=1),
        Account(key="a2", organization="a"),
        Account(key="b", organization="b", requests_per_hour=1),
    ]
    simulator, queue = started(accounts=accounts)
    assert queue.post(GOOD).status_code == 200
    assert Queue(simulator.base_url, "a2").post(GOOD).status_code == 429
    assert Queue(simulator.base_url, "b").post(GOOD).status_code == 200


@row("... and they count submissions, not reads", "doc")
def test_reads_are_not_limited(started: Started) -> None:
    _, queue = started(accounts=[Account(key="k", requests_per_hour=1)])
    request_id = queue.submit()
    for _ in range(5):
        assert queue.call("GET", f"/requests/{request_id}").status_code == 200
        assert queue.call("GET", "/requests", params={"model_id": MODEL}).status_code == 200
    assert queue.post(GOOD).status_code == 429


@row("A clip takes minutes: about 165 s for 5 s", "seen")
def test_usual_time(started: Started) -> None:
    clock = ManualClock()
    simulator, queue = started(clock=clock, speed=1, submit_seconds=0)
    ids = [queue.submit() for _ in range(20)]
    simulator.wait_rendered()
    clock.advance(130)
    assert {queue.get(request_id)["outcome"] is None for request_id in ids} == {True}
    clock.advance(70)
    assert {queue.get(request_id)["status"] for request_id in ids} == {"success"}
    times = [(entry.finished_at or 0) - entry.created_at for entry in simulator.ledger()]
    assert 140 <= min(times) < max(times) <= 190
    assert max(times) - min(times) > 10


@row("Speed scales that time", "assumed")
def test_speed(started: Started) -> None:
    clock = ManualClock()
    simulator, queue = started(clock=clock, speed=165, submit_seconds=0)
    request_id = queue.submit()
    simulator.wait_rendered()
    clock.advance(0.5)
    assert queue.get(request_id)["outcome"] is None
    clock.advance(0.8)
    queue.finished(request_id)
    (entry,) = simulator.ledger()
    assert 0.8 <= (entry.finished_at or 0) - entry.created_at <= 1.2


@row("No concurrency limit is documented", "seen")
def test_no_concurrency_limit(slow: Slow) -> None:
    _, queue, clock = slow
    for _ in range(50):
        queue.submit("kling-v3-text-to-video", prompt="p")
    clock.advance(100)
    records = queue.list(model_id="kling-v3-text-to-video")["requests"]
    assert {record["status"] for record in records} == {"processing"}


@row("One organization never sees another's requests", "doc")
def test_organizations_are_apart(started: Started) -> None:
    simulator, ann = started(accounts=TWO)
    abe, bob = Queue(simulator.base_url, "key-a2"), Queue(simulator.base_url, "key-b")
    request_id = ann.submit()
    assert bob.call("GET", f"/requests/{request_id}").status_code == 404
    assert bob.call("DELETE", f"/requests/{request_id}").status_code == 404
    assert bob.list(model_id=MODEL)["requests"] == bob.list()["requests"] == []
    assert abe.get(request_id)["user_id"] == "ann"
    assert abe.list(model_id=MODEL)["total"] == 1


@row("Credit is the organization's", "doc")
def test_credit_is_the_organization_s(started: Started) -> None:
    simulator, ann = started(accounts=TWO)
    abe, bob = Queue(simulator.base_url, "key-a2"), Queue(simulator.base_url, "key-b")
    assert [client.post(GOOD).status_code for client in (ann, abe, bob)] == [200, 402, 200]
    entries = [(entry.key_name, entry.organization) for entry in simulator.ledger()]
    assert entries == [("a", "org-a"), ("b", "org-b")]


@row("The Date header is the service's clock, which need not be ours (`clock_skew_seconds`)", "assumed")
def test_date_header_is_the_service_s_clock(started: Started) -> None:
    clock = ManualClock(start=1_700_000_000)
    _, queue = started(clock=clock, submit_seconds=0, clock_skew_seconds=90)
    answer = queue.post(GOOD)
    assert answer.headers["date"] == "Tue, 14 Nov 2023 22:14:50 GMT"
    assert answer.json()["created_at"] == 1_700_000_090


@row("By the number of reads, or at once, a request can be moved on too (`transitions`)", "assumed")
def test_transitions(started: Started) -> None:
    _, by_reads = started(transitions="reads", reads_per_step=2, speed=1, submit_seconds=0)
    request_id = by_reads.submit()
    seen = [by_reads.get(request_id)["status"] for _ in range(3)]
    assert len(set(seen)) == 2
    assert "success" not in seen
    assert by_reads.finished(request_id)["status"] == "success"
    listed = by_reads.submit()
    for _ in range(12):
        record = by_reads.list(model_id=MODEL)["requests"][0]
    assert (record["request_id"], record["status"]) == (listed, "success")
    _, at_once = started(transitions="immediate", speed=1, submit_seconds=0)
    assert at_once.finished(at_once.submit(), within=10)["status"] == "success"
