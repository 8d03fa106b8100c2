"""Requests that the vendor cancels, and the words of a fault on the page."""

from __future__ import annotations

import pytest
import requests

from kling_airflow.simulator import Simulator
from tests.simulator.client import Queue
from tests.simulator.fixture_types import Slow, Started


def test_cancelled_by_the_vendor(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("cancelled-by-vendor")
    request_id = queue.submit()
    clock.advance(164)
    assert queue.get(request_id)["outcome"] is None
    clock.advance(2)
    record = queue.get(request_id)
    assert (record["status"], record["outcome"]) == ("cancelled", {})
    assert record["updated_at"] - record["created_at"] == 165
    assert [(entry.outcome, entry.billed) for entry in simulator.ledger()] == [("cancelled", False)]


def test_cancelled_by_the_vendor_while_it_runs(slow: Slow) -> None:
    simulator, queue, clock = slow
    request_id = queue.submit()
    clock.advance(60)
    simulator.faults.add("cancelled-by-vendor", request_id=request_id, after=0)
    assert queue.get(request_id)["status"] == "cancelled"
    assert queue.call("DELETE", f"/requests/{request_id}").status_code == 409


def test_cancelled_by_the_vendor_and_billed(started: Started) -> None:
    simulator, queue = started(bill_cancelled=True)
    simulator.faults.add("cancelled-by-vendor")
    assert queue.finished(queue.submit())["status"] == "cancelled"
    assert [entry.amount_usd for entry in simulator.ledger()] == [0.84]


@pytest.mark.parametrize("order", [("failed", "cancelled-by-vendor"), ("cancelled-by-vendor", "failed")])
def test_the_last_end_that_is_ordered_counts(sim: Simulator, queue: Queue, order: tuple[str, str]) -> None:
    for name in order:
        sim.faults.add(name)
    expected = "failed" if order[1] == "failed" else "cancelled"
    assert queue.finished(queue.submit())["status"] == expected


def test_page_names_the_faults_of_a_request(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("failed", reason="no", after=5)
    sim.faults.add("upper-case-status")
    queue.submit()
    queue.submit()
    shown = requests.get(f"{sim.base_url}/_simulator/overview", timeout=5).json()
    assert [request["ordered"] for request in shown["requests"]] == [
        [],
        ["failed (reason: no, after: 5)", "upper-case-status"],
    ]
    assert shown["faults"] == [], "both have struck, so no fault is in force"
