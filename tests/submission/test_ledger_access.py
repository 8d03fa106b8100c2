"""An order's records, and the retries with which an accepted request id is stored."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from kling_airflow.errors import UnreadableRecord, UnresolvedSubmission
from kling_airflow.submission.ledger import MemoryLedger
from kling_airflow.submission.ledger_access import STORE_ID_TIMEOUT, LedgerAccess
from kling_airflow.submission.order import Order
from kling_airflow.submission.record import State, SubmissionRecord

ORDER = Order(
    "m",
    "f" * 64,
    2,
    lambda *_: pytest.fail("nothing is delivered"),
    lambda _: pytest.fail("nothing is sent"),
    {},
)
RECORD = SubmissionRecord("f" * 64, 2, "m", State.SUBMITTED, request_id="r")


class Away(MemoryLedger):
    """A ledger whose store is away for a while."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        super().__init__()
        self.failures, self.error = failures, error or ConnectionError("no route")

    def write(self, record: SubmissionRecord) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error
        super().write(record)

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        if isinstance(self.error, UnreadableRecord):
            raise self.error
        return super().read(fingerprint, take)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def access(ledger: Any, clock: Clock | None = None) -> LedgerAccess:
    clock = clock or Clock()
    return LedgerAccess(ledger, logging.getLogger("access"), now=clock.now, sleep=clock.sleep)


def test_without_a_record_nothing_was_sent() -> None:
    record = access(MemoryLedger()).read(ORDER)
    assert record == SubmissionRecord("f" * 64, 2, "m", State.NOT_SENT)


def test_each_take_has_its_own() -> None:
    ledger = MemoryLedger()
    access(ledger).write(RECORD)
    assert access(ledger).read(ORDER) == RECORD
    assert access(ledger).read(replace(ORDER, take=1)).state is State.NOT_SENT


def test_unreadable_is_not_absent() -> None:
    with pytest.raises(UnresolvedSubmission, match=r"can't be read: odd\..*Nothing was sent.*`take`"):
        access(Away(0, UnreadableRecord("odd"))).read(ORDER)


def test_the_fence_before_a_post_holds_at_once() -> None:
    ledger = Away(1)
    with pytest.raises(ConnectionError):
        access(ledger).write(RECORD)
    assert ledger.kept == {}


def test_an_id_is_written_down_as_soon_as_it_can_be(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Away(3)
    access(ledger).store_id(RECORD)
    assert ledger.read("f" * 64, 2) == RECORD
    assert caplog.text.count("Request r could not be stored yet: no route") == 3


def test_for_a_minute_and_then_the_error_has_it() -> None:
    clock, ledger = Clock(), Away(10_000)
    with pytest.raises(
        UnresolvedSubmission, match=r"Request r is in the queue.*`adopt_request_id` to r"
    ) as caught:
        access(ledger, clock).store_id(RECORD)
    assert caught.value.request_id == "r"
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert clock.time - 1000 == pytest.approx(STORE_ID_TIMEOUT, abs=5)


def test_a_claim_names_the_order() -> None:
    ledger = MemoryLedger()
    assert access(ledger).claim("r", ORDER) is True
    assert access(ledger).claim("r", ORDER) is True
    assert access(ledger).claim("r", replace(ORDER, take=3)) is False
