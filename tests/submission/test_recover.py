"""What an earlier try left behind, on the real simulator with a clock moved by hand."""

from __future__ import annotations

from typing import Any

import pytest

from kling_airflow.errors import NotFound, UnresolvedSubmission
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries
from kling_airflow.submission.order import OnUnresolved, SubmitLater
from kling_airflow.submission.record import State
from tests.submission.bench import MODEL, Bench, Unclaiming


def test_a_lost_request_is_adopted_when_the_list_shows_it(bench: Bench) -> None:
    order = bench.order()
    bench.lose_the_answer(order, created=True)
    submitted = bench.submitter().submit(order)
    assert [submitted.request_id] == bench.bought()
    assert not submitted.fresh
    assert bench.ledger.kept[order.fingerprint, 1].state is State.SUBMITTED


def test_what_is_proven_absent_is_sent_again_with_the_same_marker(bench: Bench) -> None:
    order = bench.order()
    bench.lose_the_answer(order, created=False)
    bench.clock.advance(300)
    bench.stranger()
    submitted = bench.submitter().submit(order)
    assert submitted.fresh
    assert bench.ledger.kept[order.fingerprint, 1].marker == bench.image
    assert bench.ledger.kept[order.fingerprint, 1].posts == 2


def test_a_quiet_queue_proves_nothing_until_the_grace_is_over(bench: Bench) -> None:
    order = bench.order()
    bench.lose_the_answer(order, created=False)
    with pytest.raises(SubmitLater):
        bench.submitter(grace=600).submit(order)
    bench.clock.advance(180 + 600)
    with pytest.raises(UnresolvedSubmission) as caught:
        bench.submitter(grace=600).submit(order)
    text = str(caught.value)
    assert "UTC" in text, "the window"
    assert bench.image in text, "the marker"
    assert "adopt_request_id" in text
    assert 'on_unresolved="resubmit"' in text
    assert "may have been paid for" in text
    assert bench.bought() == []


def test_resubmitting_is_the_users_word(bench: Bench) -> None:
    order = bench.order()
    bench.lose_the_answer(order, created=False)
    bench.clock.advance(180 + 600)
    assert bench.submitter(grace=600, on_unresolved=OnUnresolved.RESUBMIT).submit(order).fresh
    assert len(bench.bought()) == 1


def test_several_with_the_marker_are_an_error_that_is_told_and_one_is_taken(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    order = bench.order()
    bench.lose_the_answer(order, created=True)
    payload = {"prompt": "rise", "image": bench.image, "duration": "3", "sound": "off"}
    bench.clock.advance(5)
    bench.client.submit(MODEL, payload)
    submitted = bench.submitter().submit(order)
    assert submitted.request_id == bench.bought()[0], "the oldest"
    assert "Bought more than once" in caplog.text


def test_without_a_marker_a_claim_makes_it_ours(bench: Bench) -> None:
    order = bench.order(marked=False)
    bench.lose_the_answer(order, created=True)
    assert [bench.submitter().submit(order).request_id] == bench.bought()


def test_without_marker_and_claims_a_person_decides(bench: Bench) -> None:
    bench.ledger = Unclaiming()
    order = bench.order(marked=False)
    bench.lose_the_answer(order, created=True)
    with pytest.raises(UnresolvedSubmission, match=bench.bought()[0]):
        bench.submitter().submit(order)
    assert len(bench.bought()) == 1


def test_identical_twins_that_lost_their_answers_never_share_a_clip(bench: Bench) -> None:
    twins = [bench.order("a" * 64, marked=False), bench.order("b" * 64, marked=False)]
    for twin in twins:
        bench.lose_the_answer(twin, created=True)
    for twin in twins:
        with pytest.raises(UnresolvedSubmission, match="2 requests ask the same"):
            bench.submitter().submit(twin)
    assert len(bench.bought()) == 2


def test_a_claimed_request_is_not_adopted_by_another(bench: Bench) -> None:
    order = bench.order(marked=False)
    bench.lose_the_answer(order, created=True)
    bench.ledger.claims[bench.bought()[0]] = "another"
    with pytest.raises(UnresolvedSubmission, match="another order's"):
        bench.submitter().submit(order)


def test_a_lost_request_that_failed_is_taken_and_the_next_try_sends_anew(bench: Bench) -> None:
    order = bench.order()
    bench.simulator.fail_next("content policy")
    bench.lose_the_answer(order, created=True)
    bench.clock.advance(200)
    bench.simulator.wait_rendered()
    assert bench.submitter().submit(order).request_id == bench.bought()[0], (
        "its failure is the wait's to tell"
    )
    assert len(bench.bought()) == 1
    submitted = bench.submitter().submit(order)
    assert submitted.request_id == bench.bought()[1]
    assert submitted.earlier == 1


def test_a_request_hidden_by_its_id_is_found_in_the_list(bench: Bench) -> None:
    order = bench.order()
    bench.simulator.faults.add("hidden-by-id")
    first = bench.submitter().submit(order)
    bench.clock.advance(400)
    assert bench.submitter().submit(order).request_id == first.request_id


def test_a_request_the_queue_has_forgotten_is_never_bought_again(bench: Bench) -> None:
    order = bench.order()
    bench.submitter().submit(order)
    bench.simulator.reset()
    bench.clock.advance(400)
    with pytest.raises(NotFound):
        bench.submitter().submit(order)
    assert bench.bought() == []


def test_the_wrong_key_ends_the_search_at_once(bench: Bench) -> None:
    from kling_airflow.errors import Unauthorized

    order = bench.order()
    bench.lose_the_answer(order, created=True)
    bench.client = GMIClient("another-key", bench.simulator.base_url, retries=Retries(attempts=1))
    with pytest.raises(Unauthorized):
        bench.submitter().submit(order)


def test_a_late_arrival_is_ours_however_late(bench: Bench) -> None:
    """A row with our marker is ours whatever its age; never a witness that ours is absent."""
    order = bench.order()
    bench.lose_the_answer(order, created=False)
    bench.clock.advance(260)
    payload = {"prompt": "rise", "image": bench.image, "duration": "3", "sound": "off"}
    bench.client.submit(MODEL, payload)
    assert [bench.submitter().submit(order).request_id] == bench.bought()


def test_a_worker_that_stood_still_writes_its_intent_anew(bench: Bench) -> None:
    order = bench.order()
    keep, stills = bench.ledger.write, iter([3600])

    def write(record: Any) -> None:
        keep(record)
        bench.clock.advance(next(stills, 0))

    bench.ledger.write = write  # type: ignore[method-assign]
    bench.submitter(until=bench.clock.now() + 9999).submit(order)
    assert bench.ledger.kept[order.fingerprint, 1].posts == 2, "written twice, sent once"
    assert len(bench.bought()) == 1
