"""A task that asks for something else than before: in another try, or in the middle of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.errors import InvalidArgument, NotAccepted, Unreachable, UnresolvedSubmission
from kling_airflow.gmi.client import GMIClient
from kling_airflow.submission.order import OnChanged
from kling_airflow.submission.recover import Recovery
from tests.airflow_context import TaskStateStore, context
from tests.tasks import deferral, operator, posts, resume

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator
    from tests.airflow_versions import TaskDeferred
    from tests.submission.bench import Bench

BESIDES = "asked for something else before"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of every operator that is made from now on."""
    lines: list[str] = []

    class Log:
        def warning(self, message: str, *args: Any) -> None:
            lines.append(message % args)

        info = error = lambda *_: None

    monkeypatch.setattr("kling_airflow.operators.base.GenerationOperator.log", Log())
    return lines


def out_of_reach(*_: object) -> None:
    """Stand for an outage that outlasts the client's own retries."""
    raise Unreachable("The queue can't be reached.")


class TestInAnotherTry:
    def test_fail_refuses_another_order(self, queue: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        with pytest.raises(exceptions.InvalidArgument, match=rf"on_changed_request.*{first}"):
            operator(rocket, prompt="fall", on_changed_request="fail").execute(context(store))
        assert operator(rocket, on_changed_request="fail").execute(context(store)) == first
        assert posts(queue) == 1

    def test_a_request_that_was_never_sent_does_not_count(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = TaskStateStore()
        queue.faults.add("http-error", call="POST /requests", status=400, message="no")
        with pytest.raises(exceptions.Rejected):
            operator(rocket).execute(context(store))
        operator(rocket, prompt="fall", on_changed_request="fail").execute(context(store))
        assert len(queue.ledger()) == 1

    @pytest.mark.parametrize("on_changed_request", ["submit", "fail"])
    def test_a_failed_request_does_not_count(
        self, queue: Simulator, rocket: str, told: list[str], on_changed_request: str
    ) -> None:
        """It isn't billed, and another prompt is just what its error asks for."""
        store = TaskStateStore()
        queue.faults.add("failed-rate-limit")
        waits = {"wait_for_completion": True, "deferrable": False, "resubmit_on": "never"}
        with pytest.raises(exceptions.GenerationFailedForNow):
            operator(rocket, **waits).execute(context(store))
        operator(rocket, prompt="fall", on_changed_request=on_changed_request).execute(context(store))
        assert posts(queue) == 2
        assert not any(BESIDES in line for line in told)

    def test_if_the_queue_is_unreachable_a_retry_asks_again(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = TaskStateStore()
        operator(rocket).execute(context(store))
        monkeypatch.setattr(Recovery, "ask", out_of_reach)
        with pytest.raises(exceptions.Unreachable):
            operator(rocket, prompt="fall", on_changed_request="fail").execute(context(store))
        assert posts(queue) == 1

    def test_if_the_queue_is_unreachable_the_warning_is_logged_all_the_same(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch, told: list[str]
    ) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        monkeypatch.setattr(Recovery, "ask", out_of_reach)
        operator(rocket, prompt="fall").execute(context(store))
        assert posts(queue) == 2
        assert any(BESIDES in line and first in line for line in told)

    def test_a_cancelled_request_before_the_failed_one_counts(self, queue: Simulator, rocket: str) -> None:
        """It is not known whether a cancelled request is billed."""
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        with GMIClient(queue.api_key, queue.base_url) as client:
            assert client.cancel(first)
        queue.faults.add("failed-rate-limit")
        waits = {"wait_for_completion": True, "deferrable": False, "resubmit_on": "never"}
        with pytest.raises(exceptions.GenerationFailedForNow):
            operator(rocket, **waits).execute(context(store))
        with pytest.raises(exceptions.InvalidArgument, match="asked for something else"):
            operator(rocket, prompt="fall", on_changed_request="fail").execute(context(store))
        assert posts(queue) == 2

    def test_a_request_whose_state_is_unknown_counts(self, queue: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        queue.faults.add("http-error", call="GET /requests/{id}", status=403, message="no")
        with pytest.raises(exceptions.InvalidArgument, match=first):
            operator(rocket, prompt="fall", on_changed_request="fail").execute(context(store))
        assert posts(queue) == 1

    def test_a_second_clip_is_logged_once(self, queue: Simulator, rocket: str, told: list[str]) -> None:
        store = TaskStateStore()
        first = operator(rocket).execute(context(store))
        assert not any(BESIDES in line for line in told)
        operator(rocket, prompt="fall").execute(context(store))
        (line,) = [line for line in told if BESIDES in line]
        assert first in line
        assert 'on_changed_request="fail"' in line
        operator(rocket, prompt="fall").execute(context(store))
        assert len([line for line in told if BESIDES in line]) == 1, "a retry of the same buys nothing"


class TestAfterAPause:
    """Templates are rendered anew after each pause; one that tells the time asks for another clip."""

    @pytest.fixture
    def lost(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[TaskStateStore, TaskDeferred]:
        """A task whose answer was lost, and that has deferred while the list does not show its request."""
        monkeypatch.setattr("kling_airflow.submission.recover.LOOKS", (0.0,))
        queue.faults.add("reset-after", call="POST /requests")
        queue.faults.add("list-empty")
        store = TaskStateStore()
        return store, deferral(lambda: operator(rocket).execute(context(store)))

    def test_a_changed_order_is_not_sent(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        store, deferred = lost
        with pytest.raises(exceptions.UnresolvedSubmission, match="rendered differently") as caught:
            resume(operator(rocket, prompt="fall"), context(store), deferred)
        assert posts(queue) == 1
        assert "may have been paid for" in str(caught.value)
        queue.faults.clear()
        found = operator(rocket).execute(context(store))
        assert [entry.request_id for entry in queue.ledger()] == [found]

    def test_a_changed_take_is_not_sent(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        store, deferred = lost
        with pytest.raises(exceptions.UnresolvedSubmission, match="`take` is rendered differently"):
            resume(operator(rocket, take=2), context(store), deferred)
        assert posts(queue) == 1

    def test_a_missing_record_sends_nothing(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        _, deferred = lost
        with pytest.raises(exceptions.UnresolvedSubmission, match="gone from the ledger"):
            resume(operator(rocket), context(TaskStateStore()), deferred)
        assert posts(queue) == 1

    def test_the_lost_request_can_be_given_to_the_new_order(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred], told: list[str]
    ) -> None:
        """Who can't put the prompt back has a way on, too."""
        store, _ = lost
        queue.faults.clear()
        (entry,) = queue.ledger()
        made = operator(rocket, prompt="fall", adopt_request_id=entry.request_id, adopt_mismatch="allow")
        assert made.execute(context(store)) == entry.request_id
        assert posts(queue) == 1
        assert not any(BESIDES in line for line in told), "nothing is bought besides"

    def test_the_same_order_finds_the_lost_request(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        store, deferred = lost
        queue.faults.clear()
        found = resume(operator(rocket), context(store), deferred)
        assert [entry.request_id for entry in queue.ledger()] == [found]

    def test_after_a_refusal_nothing_is_in_doubt(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("rate-limited", call="POST /requests", retry_after=120)
        store = TaskStateStore()
        deferred = deferral(lambda: operator(rocket).execute(context(store)))
        resume(operator(rocket, prompt="fall"), context(store), deferred)
        assert len(queue.ledger()) == 1

    def test_a_pause_of_an_older_release_is_resumed(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        """Upgrading must not fail a task that waits: it goes on as it would have."""
        store, deferred = lost
        queue.faults.clear()
        assert deferred.kwargs is not None
        del deferred.kwargs["in_doubt"]
        assert resume(operator(rocket), context(store), deferred)

    def test_a_pause_of_a_later_release_is_resumed(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        """Nor must undoing the upgrade."""
        store, deferred = lost
        queue.faults.clear()
        deferred.kwargs = (deferred.kwargs or {}) | {"of_a_later_release": 1}
        assert resume(operator(rocket), context(store), deferred)

    def test_an_earlier_post_in_doubt_counts_though_the_last_was_refused(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        """On the user's word it was sent again, and the queue said "not now"; the first may be there yet."""
        store, deferred = lost
        queue.faults.add("rate-limited", call="POST /requests", retry_after=120)
        again = operator(rocket, on_unresolved="resubmit", reconcile_grace=0)
        (key,) = store.records
        record = store.get(key)
        store.set(key, record | {"arrives_by": record["sent_at"]})
        deferred = deferral(lambda: again.resume_submission(context(store), **deferred.kwargs))
        assert store.get(key)["state"] == "not_sent"
        with pytest.raises(exceptions.UnresolvedSubmission, match="rendered differently"):
            resume(operator(rocket, prompt="fall"), context(store), deferred)

    def test_adopting_is_allowed_although_another_order_is_refused(
        self, queue: Simulator, rocket: str, lost: tuple[TaskStateStore, TaskDeferred]
    ) -> None:
        store, _ = lost
        queue.faults.clear()
        (entry,) = queue.ledger()
        fields: dict[str, Any] = {"prompt": "fall", "on_changed_request": "fail"}
        with pytest.raises(exceptions.InvalidArgument, match="may have been paid for"):
            operator(rocket, **fields).execute(context(store))
        found = operator(rocket, adopt_request_id=entry.request_id, adopt_mismatch="allow", **fields).execute(
            context(store)
        )
        assert found == entry.request_id


class TestReuse:
    """`reuse` returns what the task bought before, whatever it asks for now."""

    def test_the_other_request_is_returned(self, bench: Bench) -> None:
        first = bench.submitter().submit(bench.order("a" * 64))
        again = bench.submitter().submit(bench.order("b" * 64, prompt="fall"), on_changed=OnChanged.REUSE)
        assert (again.request_id, again.fresh) == (first.request_id, False)
        assert bench.bought() == [first.request_id]

    def test_without_another_one_the_order_is_bought(self, bench: Bench) -> None:
        assert bench.submitter().submit(bench.order(), on_changed=OnChanged.REUSE).fresh

    def test_a_failed_one_is_not_reused(self, bench: Bench) -> None:
        bench.simulator.fail_next("content policy")
        bench.submitter().submit(bench.order("a" * 64))
        bench.clock.advance(300)
        bench.simulator.wait_rendered()
        assert bench.submitter().submit(bench.order("b" * 64), on_changed=OnChanged.REUSE).fresh

    def test_its_own_request_comes_first(self, bench: Bench) -> None:
        requests = [bench.submitter().submit(bench.order(name * 64)).request_id for name in "ab"]
        found = bench.submitter().submit(bench.order("b" * 64), on_changed=OnChanged.REUSE)
        assert found.request_id == requests[1]

    def test_what_a_try_was_allowed_to_submit_is_submitted_by_its_retry(self, bench: Bench) -> None:
        """A user changed the prompt and cleared the task; the queue was away, and Airflow tries again."""
        first = bench.submitter().submit(bench.order("a" * 64))
        bench.simulator.faults.add("rate-limited", call="POST /requests", times=50)
        with pytest.raises(NotAccepted):
            bench.submitter(until=0).submit(bench.order("b" * 64))
        bench.simulator.faults.clear()
        found = bench.submitter().submit(bench.order("b" * 64), on_changed=OnChanged.REUSE)
        assert found.fresh
        assert found.request_id != first.request_id

    def test_even_if_it_ended_before_it_sent(self, bench: Bench) -> None:
        bench.submitter().submit(bench.order("a" * 64))
        order = bench.order("b" * 64)

        def broken(*_: Any) -> Any:
            raise Unreachable("The upload failed.")

        with pytest.raises(Unreachable):
            bench.submitter().submit(replace(order, deliver=broken))
        assert bench.submitter().submit(order, on_changed=OnChanged.REUSE).fresh

    @pytest.mark.parametrize("names", ["abc", "cba", "bca"])
    def test_of_several_the_newest_is_chosen(self, bench: Bench, names: str) -> None:
        bought = []
        for name in names:
            bought.append(bench.submitter().submit(bench.order(name * 64)).request_id)
            bench.clock.advance(1)
        found = bench.submitter().submit(bench.order("d" * 64), on_changed=OnChanged.REUSE)
        assert found.request_id == bought[-1]
        assert not found.fresh
        assert len(bench.bought()) == len(names)

    def test_one_whose_answer_was_lost_is_a_question_to_a_person(self, bench: Bench) -> None:
        bench.lose_the_answer(bench.order("a" * 64), created=True)
        with pytest.raises(UnresolvedSubmission, match=r"answer .* was lost"):
            bench.submitter().submit(bench.order("b" * 64), on_changed=OnChanged.REUSE)
        assert len(bench.bought()) == 1


def test_a_word_that_is_none() -> None:
    with pytest.raises(InvalidArgument, match=r"on_changed_request.*`submit` or `fail` or `reuse`"):
        OnChanged.read("ignore")
