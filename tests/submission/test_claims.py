"""Claims on requests: one order each, for all deployments of a ledger."""

from __future__ import annotations

import threading
from pathlib import Path

from kling_airflow.submission.claims import Claims
from kling_airflow.submission.exclusive_store import LocalStore


def claims(root: Path) -> Claims:
    return Claims(LocalStore(root))


def test_the_first_order_has_it(tmp_path: Path) -> None:
    assert claims(tmp_path).owner("r") is None
    assert [claims(tmp_path).claim("r", owner) for owner in ("a", "a", "b")] == [True, True, False]
    assert claims(tmp_path).owner("r") == "a"


def test_a_claim_moves_only_from_the_order_that_has_it(tmp_path: Path) -> None:
    it = claims(tmp_path)
    it.claim("r", "a")
    assert not it.take_over("r", "b", "c")
    assert it.take_over("r", "a", "b")
    assert it.take_over("r", "a", "b"), "already"
    assert not it.take_over("r", "a", "c"), "it has moved on"
    assert it.take_over("r", "b", "a"), "and back"
    assert [it.claim("r", owner) for owner in ("a", "b", "c")] == [True, False, False]


def test_a_request_that_no_order_claimed_can_be_taken_over(tmp_path: Path) -> None:
    assert claims(tmp_path).take_over("r", "a", "b")
    assert claims(tmp_path).owner("r") == "b"


def test_of_many_orders_exactly_one_takes_it_over(tmp_path: Path) -> None:
    claims(tmp_path).claim("r", "first")
    start, got = threading.Barrier(12), []

    def take_over(owner: str) -> None:
        it = claims(tmp_path)
        start.wait()
        if it.take_over("r", "first", owner):
            got.append(owner)

    threads = [threading.Thread(target=take_over, args=(f"order {number}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [claims(tmp_path).owner("r")]
