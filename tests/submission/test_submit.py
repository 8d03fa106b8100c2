"""Submitting and adopting, on the real simulator with a clock moved by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.errors import InvalidArgument, UnresolvedSubmission
from kling_airflow.gmi.client import GMIClient
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.order import DeliveredFrames, Order, SubmitLater
from kling_airflow.submission.record import State
from kling_airflow.submission.task_key import TaskKey
from tests.media.pictures import ROCKET
from tests.submission.bench import MODEL, Bench

TEXT = "kling-v3-text-to-video"


def text_order(prompt: str = "a sunrise") -> Order:
    fields = {"prompt": prompt}
    return Order(TEXT, "f" * 64, 1, lambda *_: DeliveredFrames(), lambda _: fields, fields)


class TestOneClock:
    """A record has the queue's time, so that no worker's clock decides whether a request is absent."""

    @pytest.mark.parametrize("slow", [-7200, -300, 0, 120, 180, 240, 300, 7200])
    def test_a_slow_clock_of_the_worker_that_sent_proves_nothing(self, bench: Bench, slow: float) -> None:
        """The POST is still on its way when a worker with a right clock looks for it."""
        order, now = bench.order(), bench.clock.now
        bench.stranger()
        bench.clock.advance(20)
        bench.simulator.faults.add("created-late", call="POST /requests", seconds=150)
        with pytest.raises(SubmitLater):
            bench.submitter(now=lambda: now() - slow, sleep=lambda _: None).submit(order)
        record = bench.ledger.read(order.fingerprint, 1)
        assert abs(record.queue_sent_at - now()) <= 2
        bench.clock.advance(10)
        bench.stranger()
        found = bench.run(order, bench.ledger)
        assert len([row for row in bench.client.list_requests(MODEL) if row.payload["prompt"] == "rise"]) == 1
        assert not found.fresh

    def test_a_queue_that_never_tells_its_time_is_asked_for_it(self, bench: Bench) -> None:
        bench.client = GMIClient(bench.simulator.api_key, bench.simulator.base_url)
        order = bench.order()
        bench.submitter().submit(order)
        assert bench.ledger.read(order.fingerprint, 1).queue_sent_at is not None
        assert bench.simulator.calls()["GET /requests"] == 1

    def test_and_without_it_nothing_is_proven_for_a_day(self, bench: Bench) -> None:
        bench.client = GMIClient(bench.simulator.api_key, bench.simulator.base_url)
        bench.simulator.faults.add("date-absent", for_seconds=99_999)
        order = bench.order()
        bench.lose_the_answer(order, created=False)
        bench.simulator.faults.add("date-absent", for_seconds=99_999)
        bench.clock.advance(700)
        bench.stranger()
        with pytest.raises(SubmitLater):
            bench.submitter(grace=99_999, until=bench.clock.now() + 999_999).submit(order)
        bench.clock.advance(86_400)
        bench.stranger()
        assert bench.submitter(grace=99_999, until=bench.clock.now() + 999_999).submit(order).fresh


class TestLateArrival:
    """`arrives_by` is known when the attempt has ended; a margin says how late the queue may create."""

    def test_it_is_stored_when_the_attempt_has_ended(self, bench: Bench) -> None:
        order, kept = bench.order(), []
        keep = bench.ledger.write

        def write(record: Any) -> None:
            kept.append(record)
            keep(record)

        bench.ledger.write = write
        bench.lose_the_answer(order, created=True)
        sending = [record for record in kept if record.state is State.SENDING]
        assert [record.arrives_by is None for record in sending] == [True, False]

    @pytest.mark.parametrize(("margin", "created"), [(30.0, 205), (120.0, 290)])
    def test_what_is_created_within_the_margin_is_found(
        self, bench: Bench, margin: float, created: float
    ) -> None:
        order = bench.order()
        bench.simulator.faults.add("created-late", call="POST /requests", seconds=created)
        with pytest.raises(SubmitLater):
            bench.submitter(sleep=lambda _: None).submit(order)
        while True:
            bench.stranger()
            try:
                found = bench.submitter(late_arrival_margin=margin).submit(order)
                break
            except SubmitLater:
                bench.clock.advance(15)
        assert not found.fresh


class TestAdopting:
    def test_a_request_that_asks_for_something_else_is_refused(self, bench: Bench) -> None:
        payload = {"prompt": "a cat", "image": bench.strangers_image, "duration": "15", "sound": "on"}
        other = bench.client.submit(MODEL, payload)
        with pytest.raises(InvalidArgument, match=r"something else: its `prompt` and `duration`") as caught:
            bench.submitter().adopt(bench.order(), other.request_id)
        assert caught.value.request_id == other.request_id
        assert bench.ledger.read("f" * 64, 1) is None

    def test_unless_the_user_allows_it(self, bench: Bench) -> None:
        other = bench.client.submit(MODEL, {"prompt": "a cat", "image": bench.strangers_image})
        found = bench.submitter().adopt(bench.order(), other.request_id, mismatch_allowed=True)
        assert found.request_id == other.request_id

    @pytest.mark.parametrize("fault", ["echo-empty", "echo-without-field", "echo-cut", "echo-redacted"])
    def test_a_partial_echo_is_no_mismatch(self, bench: Bench, fault: str) -> None:
        payload = {"prompt": "rise", "image": bench.image, "duration": "3", "sound": "off"}
        lost = bench.client.submit(MODEL, payload)
        bench.simulator.faults.add(fault, for_seconds=99)
        assert bench.submitter().adopt(bench.order(), lost.request_id).request_id == lost.request_id


class TestTwoDeployments:
    """Two Airflows share one organization and one ledger: a claim of one holds for the other."""

    def test_neither_takes_the_other_s_request(self, bench: Bench, tmp_path: Path) -> None:
        key = TaskKey("dag", "run", "submit")
        prod, dev = (ObjectStoreLedger(tmp_path, key, deployment=name) for name in ("prod", "dev"))
        bench.simulator.faults.add("reset-before", call="POST /requests")
        bench.simulator.faults.add("list-empty", for_seconds=5)
        bench.ledger = prod
        with pytest.raises(SubmitLater):
            bench.submitter(sleep=lambda _: None).submit(text_order())
        bench.clock.advance(10)
        devs = bench.run(text_order(), dev)
        found = bench.run(text_order(), prod)
        assert isinstance(found, UnresolvedSubmission)
        assert f"{devs.request_id} is another order's" in str(found)
        assert bench.bought() == [devs.request_id]


def test_the_frames_of_a_request_carry_its_order_s_id_on_every_ledger(bench: Bench) -> None:
    from kling_airflow.submission.marks import order_ids
    from tests.submission.bench import read_public_frame

    order = bench.picture_order(ROCKET.read_bytes())
    found = bench.submitter().submit(order)
    picture = read_public_frame(bench.client.get(found.request_id).payload["image"])
    assert order_ids(picture) == {bench.ledger.key.order(order.fingerprint, 1)}
    assert order_ids(picture) != {bench.ledger.key.order(replace(order, take=2).fingerprint, 2)}
