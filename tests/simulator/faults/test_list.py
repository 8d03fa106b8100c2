"""Faults of the list over HTTP."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.simulator import ManualClock, Simulator
from tests.simulator.client import MODEL, Queue
from tests.simulator.fixture_types import Slow

TEXT_MODEL = "kling-v3-text-to-video"


@pytest.fixture
def ids(queue: Queue) -> list[str]:
    """Three requests of `MODEL`, newest first; there is one of another model as well."""
    ids = [queue.submit(prompt=f"prompt {n}") for n in range(3)]
    queue.submit(TEXT_MODEL, prompt="another model")
    for request_id in ids:
        queue.finished(request_id)
    return ids[::-1]


def rows(queue: Queue, **query: Any) -> list[Any]:
    return list(queue.list(model_id=MODEL, **query)["requests"])


def listed(queue: Queue, **query: Any) -> list[str]:
    return [row["request_id"] for row in rows(queue, **query)]


def spaced(queue: Queue, clock: ManualClock, count: int, seconds: float = 10) -> list[str]:
    """Create requests some seconds apart; return their ids, oldest first."""
    ids = []
    for _ in range(count):
        ids.append(queue.submit())
        clock.advance(seconds)
    return ids


def test_empty(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-empty")
    assert queue.list(model_id=MODEL) == {"requests": [], "total": 0, "has_more": False}


def test_without_has_more(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-no-has-more")
    assert set(queue.list(model_id=MODEL)) == {"requests"}


def test_ignores_limit(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    assert len(rows(queue, limit=1)) == 1
    sim.faults.add("list-ignores-limit")
    assert listed(queue, limit=1) == ids


def test_ignores_offset(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-ignores-offset")
    assert listed(queue, offset=2) == ids


def test_mixes_models(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-mixed-models")
    assert {row["model"] for row in rows(queue)} == {MODEL, TEXT_MODEL}


def test_without_outcomes(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-no-outcomes")
    assert {(row["status"], row["outcome"]) for row in rows(queue)} == {("success", None)}


def test_without_payloads(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-no-payloads")
    assert [row["payload"] for row in rows(queue)] == [{}] * 3
    assert queue.get(ids[0])["payload"]["prompt"] == "prompt 2"


def test_padded(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-padded", bytes=50_000)
    assert len(queue.call("GET", "/requests", params={"model_id": MODEL}).content) > 150_000


def test_lags(slow: Slow) -> None:
    simulator, queue, clock = slow
    fault = simulator.faults.add("list-lag", lag=30)
    queue.submit()
    assert rows(queue) == []
    clock.advance(31)
    assert len(rows(queue)) == 1
    queue.submit()
    assert len(rows(queue)) == 1
    simulator.faults.remove(fault)
    assert len(rows(queue)) == 2


def test_without_created_at(sim: Simulator, queue: Queue, ids: list[str]) -> None:
    sim.faults.add("list-no-created-at")
    assert all("created_at" not in row and "updated_at" in row for row in rows(queue))
    assert "created_at" in queue.get(ids[0])


def test_oldest_first(slow: Slow) -> None:
    simulator, queue, clock = slow
    ids = spaced(queue, clock, 5)
    simulator.faults.add("list-sorted")
    assert listed(queue) == ids
    assert [listed(queue, limit=2, offset=offset) for offset in (0, 2, 4)] == [ids[:2], ids[2:4], ids[4:]]
    assert queue.list(model_id=MODEL, limit=2)["has_more"] is True
    assert queue.list(model_id=MODEL)["total"] == 5


@pytest.mark.parametrize("first", ["newest", "oldest"])
def test_sorted_by_updated_at(slow: Slow, first: str) -> None:
    simulator, queue, clock = slow
    ids = spaced(queue, clock, 3)
    assert queue.call("DELETE", f"/requests/{ids[1]}").status_code == 200
    simulator.faults.add("list-sorted", by="updated_at", first=first)
    shown = listed(queue)
    assert shown[0 if first == "newest" else -1] == ids[1]
    moments = [row["updated_at"] for row in rows(queue)]
    assert moments == sorted(moments, reverse=first == "newest")


def test_pinned_row_stands_first(slow: Slow) -> None:
    simulator, queue, clock = slow
    ids = spaced(queue, clock, 5)
    simulator.faults.add("list-pinned")
    assert listed(queue) == [ids[0], ids[4], ids[3], ids[2], ids[1]]
    assert listed(queue, limit=2) == [ids[0], ids[4]]
    assert listed(queue, limit=2, offset=2) == [ids[3], ids[2]]


def test_two_pinned_rows(slow: Slow) -> None:
    simulator, queue, clock = slow
    ids = spaced(queue, clock, 4)
    simulator.faults.add("list-pinned", rows=2)
    assert listed(queue) == [ids[0], ids[1], ids[3], ids[2]]


def test_cached_page_has_its_old_content_and_date(slow: Slow) -> None:
    simulator, queue, clock = slow
    (old,) = spaced(queue, clock, 1)
    cached_at = int(clock.now())
    simulator.faults.add("list-cached", seconds=300)
    clock.advance(5)
    new = queue.submit()
    simulator.wait_rendered()
    clock.advance(200)
    answer = queue.call("GET", "/requests", params={"model_id": MODEL})
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == cached_at
    (row,) = answer.json()["requests"]
    assert (row["request_id"], row["outcome"]) == (old, None), "the content of the moment of the order"
    assert queue.get(new)["status"] == "success", "reads by id are not cached"
    clock.advance(96)
    answer = queue.call("GET", "/requests", params={"model_id": MODEL})
    assert [row["request_id"] for row in answer.json()["requests"]] == [new, old]
    assert parsedate_to_datetime(answer.headers["date"]).timestamp() == int(clock.now())


def test_age_of_a_cached_page(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("list-cached", with_age=True)
    clock.advance(40)
    assert queue.call("GET", "/requests").headers["age"] == "40"
    simulator.faults.clear()
    simulator.faults.add("list-cached")
    assert "age" not in queue.call("GET", "/requests").headers


@pytest.fixture(scope="module")
def many() -> Any:
    """A simulator with twelve requests, its client, and their ids, oldest first."""
    clock = ManualClock()
    with Simulator(clock=clock, render="fast", submit_seconds=0, generation_seconds=1e6) as simulator:
        queue = Queue(simulator.base_url, simulator.api_key)
        ids = [queue.submit(TEXT_MODEL, prompt=f"{n}") for n in range(12) if clock.advance(7)]
        yield simulator, queue, ids


@given(
    fault=st.sampled_from(
        [
            ("list-sorted", {}),
            ("list-sorted", {"by": "updated_at"}),
            ("list-sorted", {"by": "updated_at", "first": "newest"}),
            ("list-sorted", {"first": "newest"}),
            ("list-pinned", {"rows": 3}),
            ("list-pinned", {"rows": 0}),
            ("list-pinned", {"rows": 50}),
            ("list-cached", {}),
        ]
    ),
    limit=st.integers(1, 15),
)
def test_pages_together_show_every_request_once(many: Any, fault: Any, limit: int) -> None:
    simulator, queue, ids = many
    simulator.faults.clear()
    simulator.faults.add(fault[0], **fault[1])
    pages = [
        queue.list(model_id=TEXT_MODEL, limit=limit, offset=offset)
        for offset in range(0, len(ids) + limit, limit)
    ]
    shown = [row["request_id"] for page in pages for row in page["requests"]]
    assert sorted(shown) == sorted(ids)
    assert {page["total"] for page in pages} == {len(ids)}
    assert [page["has_more"] for page in pages] == [
        offset + limit < len(ids) for offset in range(0, len(ids) + limit, limit)
    ]
