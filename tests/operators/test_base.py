"""What every operator that buys a generation does after it has submitted: every path, both modes."""

from __future__ import annotations

import json
import signal
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from kling_airflow import exceptions
from kling_airflow.errors import GenerationFailed, GenerationTimeout, Money, Unauthorized, Unreachable
from kling_airflow.polling.decision import to_event
from kling_airflow.task.stop import TaskStopped
from tests.airflow_context import TaskStateStore, context
from tests.airflow_versions import AirflowException, AirflowFailException, AirflowTaskTimeout, let_airflow_say
from tests.tasks import (
    ask,
    deferral,
    finish,
    gets,
    operator,
    posts,
    resume,
    signalled,
    stored,
    until_over,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator

MODES = [{"deferrable": True}, {"deferrable": False}]
both_modes = pytest.mark.parametrize("mode", MODES, ids=["deferred", "on-the-worker"])


def waiting(image: str, **fields: Any) -> Any:
    return operator(image, **({"wait_for_completion": True} | fields))


class TestEveryPathReturnsTheSame:
    """The same clip, the same XComs and links, however the task came by its request."""

    @both_modes
    @pytest.mark.parametrize("path", ["fresh", "re-attached", "adopted", "done", "lost answer"])
    def test_every_path(self, queue: Simulator, rocket: str, path: str, mode: dict[str, Any]) -> None:
        store, fields = TaskStateStore(), dict(mode)
        if path == "lost answer":
            queue.faults.add("reset-after", call="POST /requests")
        elif path != "fresh":
            earlier_store = TaskStateStore() if path == "adopted" else store
            request_id = operator(rocket).execute(context(earlier_store))
            if path == "adopted":
                fields["adopt_request_id"] = request_id
            if path == "done":
                until_over(queue, request_id)
        given = context(store)
        clip = finish(waiting(rocket, duration="5", **fields), given)

        (entry,) = queue.ledger()
        seen = ask(queue, entry.request_id).clip().to_json()
        assert clip == seen | {"gmi_conn_id": "gmi_cloud_default"}
        assert clip["duration"] == 5
        assert clip["cost_usd"] == 0.84
        assert given["ti"].xcoms == {
            "request_id": entry.request_id,
            "request": {
                "request_id": entry.request_id,
                "model": "kling-v3-image-to-video",
                "gmi_conn_id": "gmi_cloud_default",
                "label": None,
                "task_id": "submit",
            },
            "request_link": queue.base_url,
            "clip_link": clip["video_url"],
        }

    @both_modes
    def test_what_the_queue_does_not_echo_is_what_was_asked(
        self, queue: Simulator, rocket: str, mode: dict[str, Any]
    ) -> None:
        made = waiting(rocket, duration="10", sound="True", **mode)
        clip = ask(queue, operator(rocket).execute(context())).clip().to_json()
        clip |= {"video_url": "https://m/a.mp4", "duration": None, "sound": None, "cost_usd": None}
        clip = made.execute_complete(context(), {"state": "done", "clip": clip})
        assert (clip["duration"], clip["sound"], clip["cost_usd"]) == (10, True, 2.52)

    def test_a_clip_that_is_there_needs_no_triggerer(self, queue: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        until_over(queue, operator(rocket).execute(context(store)))
        assert waiting(rocket).execute(context(store))["status"] == "success"

    def test_the_connection_may_be_templated(self, queue: Simulator, rocket: str) -> None:
        made = operator(rocket, gmi_conn_id="{{ name }}")
        made.render_template_fields({"name": "gmi_cloud_default"})
        made.execute(context())
        assert posts(queue) == 1


class TestDeferring:
    def test_the_trigger_holds_ids_and_times(self, queue: Simulator, rocket: str) -> None:
        given = context()
        deferred = deferral(lambda: waiting(rocket, timeout=100, unreachable_after=7).execute(given))
        (entry,) = queue.ledger()
        kwargs = deferred.trigger.serialize()[1]
        assert kwargs["request_id"] == entry.request_id
        assert kwargs["gmi_conn_id"] == "gmi_cloud_default"
        assert kwargs["model"] == "kling-v3-image-to-video"
        assert kwargs["unreachable_after"] == 7
        assert kwargs["cancel_on_kill"] is True
        assert kwargs["deadline"] - kwargs["started_at"] == pytest.approx(100)
        assert deferred.method_name == "execute_complete"
        assert deferred.kwargs == {"earlier": 0}
        assert deferred.timeout is not None
        assert deferred.timeout > timedelta(seconds=100), "the trigger's own deadline comes first"
        assert queue.api_key not in json.dumps(kwargs)

    def test_it_comes_back_out_of_the_database(self, queue: Simulator, rocket: str) -> None:
        deferred = deferral(lambda: waiting(rocket).execute(context()))
        trigger, kwargs = stored(deferred)
        assert trigger.serialize() == deferred.trigger.serialize()
        assert kwargs == deferred.kwargs

    def test_links_are_there_before_it_defers(self, queue: Simulator, rocket: str) -> None:
        given = context()
        deferral(lambda: waiting(rocket).execute(given))
        assert set(given["ti"].xcoms) == {"request_id", "request", "request_link"}

    def test_each_try_waits_anew(self, queue: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        queue.faults.add("stuck-queued")
        deadlines = [
            deferral(lambda: waiting(rocket, timeout=100).execute(context(store))).trigger.wait.deadline
            for _ in range(2)
        ]
        assert deadlines[1] > deadlines[0]

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (GenerationFailed("f", request_id="a"), exceptions.GenerationFailed),
            (GenerationFailed("f", money=Money.SPENT), exceptions.GenerationFailed),
            (GenerationTimeout("t", request_id="a"), exceptions.GenerationTimeout),
            (Unreachable("u"), exceptions.Unreachable),
            (Unauthorized("k"), exceptions.Unauthorized),
        ],
    )
    def test_the_error_that_ended_the_wait_is_raised(self, error: Any, kind: type[Exception]) -> None:
        with pytest.raises(kind) as caught:
            waiting("s3://b/a.png").execute_complete(context(), to_event(error))
        assert str(caught.value) == str(error)

    @pytest.mark.parametrize("event", [None, {}, "done", {"state": "paused"}, {"state": "done"}])
    def test_an_unreadable_event_is_an_error_that_a_retry_mends(self, event: Any) -> None:
        with pytest.raises(exceptions.Unreachable, match="alive in the queue") as caught:
            waiting("s3://b/a.png").execute_complete(context(), event)
        assert not isinstance(caught.value, AirflowFailException)


class TestResubmitting:
    """A failed generation costs nothing, so it may be bought again: counted, and after a pause."""

    @both_modes
    def test_a_passing_failure_is_submitted_again(
        self, queue: Simulator, rocket: str, mode: dict[str, Any]
    ) -> None:
        store, given = TaskStateStore(), context()
        given["task_state_store"] = store
        queue.faults.add("failed-rate-limit", times=2)
        clip = finish(waiting(rocket, **mode), given)
        entries = queue.ledger()
        assert [entry.billed for entry in entries] == [False, False, True]
        assert clip["request_id"] == entries[2].request_id == given["ti"].xcoms["request_id"]
        (record,) = map(json.loads, store.records.values())
        assert record["earlier"] == [entry.request_id for entry in entries[:2]]

    @both_modes
    def test_only_so_often_over_all_tries(self, queue: Simulator, rocket: str, mode: dict[str, Any]) -> None:
        store = TaskStateStore()
        queue.faults.add("failed-rate-limit", times=99)
        for bought in (2, 3):  # the second try submits once, and has nothing left to add
            with pytest.raises(exceptions.GenerationFailedForNow, match="rate limit.*does not bill"):
                finish(waiting(rocket, max_resubmissions=1, **mode), context(store))
            assert posts(queue) == bought
        assert not any(entry.billed for entry in queue.ledger())

    @both_modes
    @pytest.mark.parametrize(
        "fields", [{"durable": False}, {"adopt": True}, {"durable": False, "adopt": True}]
    )
    def test_the_count_does_not_need_the_ledger(
        self, queue: Simulator, rocket: str, fields: dict[str, Any], mode: dict[str, Any]
    ) -> None:
        queue.faults.add("failed-rate-limit", times=99)
        fields = fields | mode
        if fields.pop("adopt", False):
            fields["adopt_request_id"] = operator(rocket).execute(context())
        with pytest.raises(exceptions.GenerationFailedForNow):
            finish(waiting(rocket, max_resubmissions=2, **fields), context())
        assert posts(queue) == 3

    @pytest.mark.parametrize(
        ("resubmit_on", "fault", "bought"),
        [
            ("passing", "failed-rate-limit", 2),
            ("passing", "failed-content-policy", 1),
            ("any", "failed-rate-limit", 2),
            ("any", "failed-content-policy", 2),
            ("any", "success-no-media", 1),
            ("never", "failed-rate-limit", 1),
            ("never", "failed-content-policy", 1),
        ],
    )
    def test_which_failures(
        self, queue: Simulator, rocket: str, resubmit_on: str, fault: str, bought: int
    ) -> None:
        queue.faults.add(fault)
        made = waiting(rocket, resubmit_on=resubmit_on, deferrable=False)
        if bought == 2:
            assert made.execute(context())["status"] == "success"
        else:
            with pytest.raises(AirflowException):
                made.execute(context())
        assert posts(queue) == bought

    def test_a_cancelled_request_is_never_bought_again(self, queue: Simulator, rocket: str) -> None:
        from kling_airflow.gmi.client import GMIClient

        store = TaskStateStore()
        deferred = deferral(lambda: waiting(rocket, resubmit_on="any").execute(context(store)))
        with GMIClient(queue.api_key, queue.base_url) as client:
            assert client.cancel(deferred.trigger.wait.request_id)
        with pytest.raises(exceptions.GenerationCancelled):
            resume(waiting(rocket, resubmit_on="any"), context(store), deferred)
        assert posts(queue) == 1

    def test_the_pause_is_spent_in_the_triggerer(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("failed-rate-limit")
        made, given = waiting(rocket, resubmit_delay=60, submit_timeout=100), context()
        first = deferral(lambda: made.execute(given))
        event = to_event(GenerationFailed("f", retryable=True, request_id="a"))
        pause = deferral(lambda: made.execute_complete(given, event, earlier=1))
        assert isinstance(pause.trigger, DateTimeTrigger)
        assert pause.trigger.moment.timestamp() == pytest.approx(time.time() + 60, abs=5)
        assert pause.method_name == "resume_submission"
        assert pause.kwargs is not None
        assert pause.kwargs["earlier"] == 2
        assert pause.kwargs["until"] == pytest.approx(time.time() + 160, abs=5)
        assert posts(queue) == 1
        until_over(queue, first.trigger.wait.request_id)
        assert resume(made, given, pause)["status"] == "success"

    def test_a_pause_on_the_worker_ends_with_the_task(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("failed-rate-limit")
        made = waiting(rocket, resubmit_delay=600, deferrable=False)
        with (
            signalled(
                signal.SIGTERM, made.on_kill, lambda: not queue.ledger()[-1].billed if posts(queue) else False
            ),
            pytest.raises(TaskStopped, match="before it submitted anew"),
        ):
            made.execute(context())
        assert posts(queue) == 1


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Airflow says of the task's state: set ``answer`` to a state, None, or an exception."""
    said: dict[str, Any] = {"answer": "running", "others": {}, "asked": 0}

    def get_task_states(**asked: Any) -> dict[str, Any]:
        said["asked"] += 1
        if isinstance(said["answer"], Exception):
            raise said["answer"]
        assert asked["dag_id"] == "dag"
        assert asked["run_ids"] == ["run"]
        return {} if said["answer"] is None else {"run": {"submit": said["answer"], **said["others"]}}

    let_airflow_say(monkeypatch, get_task_states)
    return said


class TestBeingStopped:
    """A SIGTERM says nothing about the user's wish; the task's state does."""

    def stopped(self, queue: Simulator, made: Any, store: TaskStateStore | None = None) -> TaskStopped:
        """Run a task whose request never ends, and send a real SIGTERM while it waits."""
        queue.faults.add("stuck-queued")
        with (
            signalled(signal.SIGTERM, made.on_kill, lambda: gets(queue) >= 2),
            pytest.raises(TaskStopped) as caught,
        ):
            made.execute(context(store))
        return caught.value

    @pytest.mark.parametrize("state", ["failed", "success", "removed"])
    def test_a_user_who_ends_the_task_cancels_the_request(
        self, queue: Simulator, rocket: str, states: dict[str, Any], state: str
    ) -> None:
        states["answer"] = state
        error = self.stopped(queue, waiting(rocket, deferrable=False))
        (entry,) = queue.ledger()
        assert entry.outcome == "cancelled"
        assert entry.request_id in str(error)
        assert "was cancelled" in str(error)

    def test_a_skipped_task_leaves_the_request_alive(
        self, queue: Simulator, rocket: str, states: dict[str, Any]
    ) -> None:
        """``dagrun_timeout`` and ``fail_fast`` set it, too."""
        states["answer"] = "skipped"
        error = self.stopped(queue, waiting(rocket, deferrable=False))
        (entry,) = queue.ledger()
        assert entry.outcome == "queued"
        for words in (entry.request_id, "dagrun_timeout", "fail_fast", Money.HELD.value, "GMI Cloud console"):
            assert words in str(error)

    @pytest.mark.parametrize(("others", "outcome"), [({}, "cancelled"), ({"other": "failed"}, "queued")])
    def test_under_fail_fast_another_failure_cancels_nothing(
        self, queue: Simulator, rocket: str, states: dict[str, Any], others: dict[str, str], outcome: str
    ) -> None:
        """Airflow sets running tasks to ``failed`` then; a user may have done so only if no other failed."""
        states["answer"] = "failed"
        states["others"] = others
        queue.faults.add("stuck-queued")
        made = waiting(rocket, deferrable=False)
        given = context() | {"dag": SimpleNamespace(fail_fast=True)}
        with (
            signalled(signal.SIGTERM, made.on_kill, lambda: gets(queue) >= 2),
            pytest.raises(TaskStopped),
        ):
            made.execute(given)
        assert queue.ledger()[0].outcome == outcome

    def test_a_stop_during_the_upload_sends_nothing(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("late-answer", call="PUT upload", seconds=1)
        store, made = TaskStateStore(), waiting(rocket)
        with (
            signalled(signal.SIGTERM, made.on_kill, lambda: "POST /upload-url" in queue.calls()),
            pytest.raises(TaskStopped, match=r"before it sent anything\. No money was spent"),
        ):
            made.execute(context(store))
        assert posts(queue) == 0
        assert operator(rocket).execute(context(store, try_number=2)) == queue.ledger()[0].request_id

    @pytest.mark.parametrize(
        "state", ["running", "queued", "up_for_retry", "restarting", "deferred", None, OSError("no answer")]
    )
    def test_in_every_other_state_the_request_stays_alive_for_the_next_try(
        self, queue: Simulator, rocket: str, states: dict[str, Any], state: Any
    ) -> None:
        states["answer"] = state
        store = TaskStateStore()
        error = self.stopped(queue, waiting(rocket, deferrable=False), store)
        (entry,) = queue.ledger()
        assert entry.outcome == "queued"
        assert "alive in the queue; its clip is paid for when it succeeds." in str(error)
        assert "The next try waits for the request and buys nothing" in str(error)
        assert operator(rocket).execute(context(store)) == entry.request_id

    def test_without_cancel_on_kill_nothing_is_cancelled(
        self, queue: Simulator, rocket: str, states: dict[str, Any]
    ) -> None:
        states["answer"] = "failed"
        error = self.stopped(queue, waiting(rocket, deferrable=False, cancel_on_kill=False))
        assert queue.ledger()[0].outcome == "queued"
        assert "goes on" in str(error)

    def test_a_failed_cancel_is_reported(self, queue: Simulator, rocket: str, states: dict[str, Any]) -> None:
        states["answer"] = "failed"
        queue.faults.add("http-error", call="DELETE /requests/{id}", status=404, message="not found")
        assert "goes on" in str(self.stopped(queue, waiting(rocket, deferrable=False)))

    def test_nothing_is_asked_in_the_signal_handler(
        self, queue: Simulator, rocket: str, states: dict[str, Any]
    ) -> None:
        made = waiting(rocket)
        made.on_kill()
        assert states["asked"] == 0

    @pytest.mark.parametrize(("state", "outcome"), [("failed", "cancelled"), ("running", "queued")])
    @pytest.mark.parametrize("wait", [True, False])
    def test_a_submission_is_finished_first(
        self, queue: Simulator, rocket: str, states: dict[str, Any], state: str, outcome: str, wait: bool
    ) -> None:
        """The signal comes while the POST is on its way: its answer is kept, then the state decides."""
        states["answer"] = state
        queue.faults.add("stuck-queued")
        queue.faults.add("late-answer", call="POST /requests", seconds=0.5)
        store, made = TaskStateStore(), operator(rocket, wait_for_completion=wait)
        ends_well = state == "running" and not wait
        with signalled(signal.SIGTERM, made.on_kill, lambda: bool(queue.ledger())):
            if ends_well:
                assert made.execute(context(store)) == queue.ledger()[0].request_id
            else:
                with pytest.raises(TaskStopped):
                    made.execute(context(store))
        (record,) = map(json.loads, store.records.values())
        (entry,) = queue.ledger()
        assert record["request_id"] == entry.request_id
        assert entry.outcome == outcome

    @pytest.mark.parametrize(("durable", "words"), [(True, "looks for it before"), (False, "look in the")])
    def test_a_stop_while_a_lost_request_is_looked_for(
        self, queue: Simulator, rocket: str, states: dict[str, Any], durable: bool, words: str
    ) -> None:
        queue.faults.add("reset-before", call="POST /requests")
        made = waiting(rocket, durable=durable)
        with (
            signalled(signal.SIGTERM, made.on_kill, lambda: queue.calls().get("GET /requests", 0) >= 2),
            pytest.raises(TaskStopped, match=rf"while it submitted\. A clip may have been.*{words}"),
        ):
            made.execute(context())
        assert posts(queue) == 1


class TestTimingOut:
    @both_modes
    @pytest.mark.parametrize(
        ("cancel", "outcome", "words"),
        [(False, "queued", "alive in the queue"), (True, "cancelled", "The request was cancelled")],
    )
    def test_the_request_is_cancelled_only_if_asked_to(
        self, queue: Simulator, rocket: str, cancel: bool, outcome: str, words: str, mode: dict[str, Any]
    ) -> None:
        queue.faults.add("stuck-queued")
        with pytest.raises(exceptions.GenerationTimeout, match=words):
            finish(waiting(rocket, timeout=0.05, cancel_on_timeout=cancel, **mode), context())
        assert queue.ledger()[0].outcome == outcome

    @both_modes
    def test_after_a_cancel_the_next_try_submits_anew(
        self, queue: Simulator, rocket: str, mode: dict[str, Any]
    ) -> None:
        store = TaskStateStore()
        queue.faults.add("stuck-queued")
        with pytest.raises(exceptions.GenerationTimeout, match="the next try submits anew"):
            finish(waiting(rocket, timeout=0.05, cancel_on_timeout=True, **mode), context(store))
        clip = finish(waiting(rocket, **mode), context(store))
        assert [entry.outcome for entry in queue.ledger()] == ["cancelled", "success"]
        assert clip["request_id"] == queue.ledger()[1].request_id

    @both_modes
    def test_a_failed_cancel_is_reported(self, queue: Simulator, rocket: str, mode: dict[str, Any]) -> None:
        queue.faults.add("stuck-queued")
        queue.faults.add("http-error", call="DELETE /requests/{id}", status=405, message="no")
        with pytest.raises(
            exceptions.GenerationTimeout,
            match=r"alive in the queue; its clip .*\. Cancelling the request failed",
        ):
            finish(waiting(rocket, timeout=0.05, cancel_on_timeout=True, **mode), context())

    @both_modes
    def test_the_next_try_waits_for_the_same_request(
        self, queue: Simulator, rocket: str, mode: dict[str, Any]
    ) -> None:
        store = TaskStateStore()
        stuck = queue.faults.add("stuck-queued")
        with pytest.raises(exceptions.GenerationTimeout):
            finish(waiting(rocket, timeout=0.05, **mode), context(store))
        queue.faults.remove(stuck)
        with pytest.raises(exceptions.GenerationTimeout):
            finish(waiting(rocket, timeout=0.05, **mode), context(store))
        assert posts(queue) == 1

    @pytest.mark.parametrize(("cancel", "outcome"), [(False, "queued"), (True, "cancelled")])
    def test_an_execution_timeout_cancels_only_if_asked_to(
        self, queue: Simulator, rocket: str, cancel: bool, outcome: str
    ) -> None:
        def strike() -> None:
            raise AirflowTaskTimeout("execution_timeout")

        queue.faults.add("stuck-queued")
        made = waiting(rocket, deferrable=False, cancel_on_timeout=cancel)
        with (
            signalled(signal.SIGALRM, strike, lambda: gets(queue) >= 2),
            pytest.raises(AirflowTaskTimeout),
        ):
            made.execute(context())
        assert queue.ledger()[0].outcome == outcome


class TestAdopting:
    def test_a_named_request_is_adopted(self, queue: Simulator, rocket: str) -> None:
        request_id = operator(rocket).execute(context())
        store = TaskStateStore()
        made = operator(rocket, adopt_request_id=f" {request_id}\n")
        assert made.execute(context(store)) == request_id
        assert operator(rocket).execute(context(store)) == request_id, "it is remembered"
        assert posts(queue) == 1

    @pytest.mark.parametrize("nothing", [None, "", "None", " "])
    def test_an_empty_template_adopts_nothing(self, queue: Simulator, rocket: str, nothing: Any) -> None:
        operator(rocket, adopt_request_id=nothing).execute(context())
        assert posts(queue) == 1

    def test_an_unknown_request(self, queue: Simulator, rocket: str) -> None:
        with pytest.raises(exceptions.NotFound):
            operator(rocket, adopt_request_id="no-such-request").execute(context())
        assert posts(queue) == 0

    @pytest.mark.parametrize("changed", [{"prompt": "fall"}, {"duration": 10}, {"sound": True}])
    def test_a_request_that_asks_for_something_else(
        self, queue: Simulator, rocket: str, changed: dict[str, Any]
    ) -> None:
        other = operator(rocket, **changed).execute(context())
        (name,) = changed
        with pytest.raises(exceptions.InvalidArgument, match=rf"{other}.*`{name}`.*adopt_mismatch"):
            operator(rocket, adopt_request_id=other).execute(context())
        made = operator(rocket, adopt_request_id=other, adopt_mismatch="allow")
        assert made.execute(context()) == other
        assert posts(queue) == 1

    @pytest.mark.usefixtures("deployment")
    def test_a_constant_id_serves_one_run_where_the_ledger_can_tell(
        self, queue: Simulator, rocket: str, tmp_path: Path
    ) -> None:
        bought = operator(rocket).execute(context())
        made = operator(rocket, adopt_request_id=bought, ledger=tmp_path.as_uri())
        assert made.execute(context()) == bought
        assert made.execute(context(try_number=2)) == bought, "a retry of the same run"
        another_run = context()
        another_run["ti"].run_id = "another run"
        with pytest.raises(exceptions.UnresolvedSubmission, match=f"{bought} is another order's"):
            made.execute(another_run)
        assert posts(queue) == 1

    def test_a_request_that_only_the_list_shows(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("hidden-by-id")
        request_id = operator(rocket).execute(context())
        assert operator(rocket, adopt_request_id=request_id).execute(context()) == request_id
        assert posts(queue) == 1

    def test_a_request_of_another_model(self, queue: Simulator, rocket: str) -> None:
        from kling_airflow.operators.text_to_video import KlingTextToVideoOperator

        other = KlingTextToVideoOperator(task_id="submit", prompt="rise").execute(context())
        with pytest.raises(exceptions.InvalidArgument, match=r"text-to-video.*image-to-video"):
            operator(rocket, adopt_request_id=other).execute(context())

    def test_a_request_beside_the_one_the_order_has(self, queue: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        mine = operator(rocket).execute(context(store))
        other = operator(rocket).execute(context())
        with pytest.raises(exceptions.UnresolvedSubmission, match=rf"{other}.*{mine}.*another `take`"):
            operator(rocket, adopt_request_id=other).execute(context(store))
        assert operator(rocket, adopt_request_id=other, take=2).execute(context(store)) == other

    def test_in_place_of_a_lost_request(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kling_airflow.submission.recover.LOOKS", (0.0,))
        store = TaskStateStore()
        queue.faults.add("reset-before", call="POST /requests")
        with pytest.raises(exceptions.UnresolvedSubmission, match="adopt_request_id"):
            operator(rocket, reconcile_grace=0, deferrable=False).execute(_late(context(store), monkeypatch))
        other = operator(rocket).execute(context())
        assert operator(rocket, adopt_request_id=other).execute(context(store)) == other

    def test_an_adopted_request_that_failed_is_submitted_again(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("failed-rate-limit")
        failed = operator(rocket).execute(context())
        store, made = TaskStateStore(), waiting(rocket, adopt_request_id=failed, deferrable=False)
        clip = made.execute(context(store))
        assert clip["request_id"] != failed
        again = waiting(rocket, adopt_request_id=failed, deferrable=False).execute(context(store))
        assert again == clip
        assert posts(queue) == 2


def _late(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let a lost POST be one that can no longer arrive."""
    from kling_airflow.gmi.call import Timeouts

    monkeypatch.setattr("kling_airflow.submission.submit.SUBMIT_TIMEOUTS", Timeouts(1.0, 1.0, 0.0))
    return given


class TestPausing:
    """A long "not now" gives the worker slot back; what was asked for stays bounded."""

    def test_a_long_pause_is_spent_in_the_triggerer(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("rate-limited", call="POST /requests", retry_after=300)
        made, given = operator(rocket, submit_timeout=1000), context()
        deferred = deferral(lambda: made.execute(given))
        assert isinstance(deferred.trigger, DateTimeTrigger)
        trigger, kwargs = stored(deferred)
        assert trigger.moment == deferred.trigger.moment
        assert trigger.moment.timestamp() == pytest.approx(time.time() + 300, abs=5)
        assert kwargs["until"] == pytest.approx(time.time() + 1000, abs=5)

        moment = datetime.now(UTC)
        given["ti"].xcoms.clear()
        request_id = made.resume_execution(deferred.method_name, {"event": moment, **kwargs}, given)
        assert [entry.request_id for entry in queue.ledger()] == [request_id]
        assert given["ti"].xcoms["request_id"] == request_id

    def test_until_is_kept(self, queue: Simulator, rocket: str) -> None:
        queue.faults.add("rate-limited", call="POST /requests", retry_after=300, times=9)
        made, given = operator(rocket, submit_timeout=500), context()
        first = deferral(lambda: made.execute(given))
        assert first.kwargs is not None
        second = deferral(lambda: made.resume_submission(given, **first.kwargs))
        assert second.kwargs == first.kwargs
        with pytest.raises(exceptions.NotAccepted, match="No money was spent"):
            made.resume_submission(given, until=time.time() + 200)
        assert queue.ledger() == []

    @pytest.mark.parametrize("fields", [{"durable": False}, {"deferrable": False}])
    def test_a_pause_that_must_not_defer_is_spent_on_the_worker(
        self, queue: Simulator, rocket: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        monkeypatch.setattr(
            "kling_airflow.task.stop.StopFlag.sleep", lambda _, seconds: slept.append(seconds)
        )
        queue.faults.add("rate-limited", call="POST /requests", retry_after=300)
        operator(rocket, **fields).execute(context())
        assert slept == [300]
        assert len(queue.ledger()) == 1

    def test_a_lost_request_is_looked_for_again_after_a_pause(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kling_airflow.submission.recover.LOOKS", (0.0,))
        queue.faults.add("reset-after", call="POST /requests")
        lagging = queue.faults.add("list-empty")
        made, given = operator(rocket), context()
        deferred = deferral(lambda: made.execute(given))
        assert isinstance(deferred.trigger, DateTimeTrigger)
        queue.faults.remove(lagging)
        assert resume(made, given, deferred) == queue.ledger()[0].request_id
        assert posts(queue) == 1


class TestArguments:
    """Found before anything is spent, not when the value is first needed."""

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"poll_interval": "soon"}, ["poll_interval", "'soon'"]),
            ({"timeout": -1}, ["timeout", "-1"]),
            ({"timeout": timedelta(seconds=-1)}, ["timeout", "-1"]),
            ({"unreachable_after": None}, ["unreachable_after", "None"]),
            ({"submit_timeout": "x"}, ["submit_timeout"]),
            ({"reconcile_grace": float("nan")}, ["reconcile_grace"]),
            ({"resubmit_delay": True}, ["resubmit_delay", "True"]),
            ({"resubmit_on": "sometimes"}, ["resubmit_on", "'sometimes'", "passing", "any", "never"]),
            ({"max_resubmissions": -1}, ["max_resubmissions", "-1"]),
            ({"max_resubmissions": 1.5}, ["max_resubmissions", "1.5"]),
            ({"on_changed_request": "shrug"}, ["on_changed_request", "'shrug'", "submit", "fail"]),
            ({"on_clear": "shrug"}, ["on_clear", "'shrug'", "keep", "buy"]),
            ({"adopt_mismatch": "shrug"}, ["adopt_mismatch", "'shrug'", "refuse", "allow"]),
            ({"on_unresolved": "shrug"}, ["on_unresolved", "'shrug'", "resubmit"]),
            (
                {"multiple_outputs": True, "wait_for_completion": False},
                ["multiple_outputs", "wait_for_completion=True"],
            ),
        ],
    )
    def test_bad_values(
        self, queue: Simulator, rocket: str, fields: dict[str, Any], words: list[str]
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            waiting(rocket, **fields).execute(context())
        for word in [*words, "No money was spent"]:
            assert word in str(caught.value)
        assert posts(queue) == 0

    def test_the_interval_has_a_floor(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kling_airflow.polling.decision.MIN_INTERVAL", 1.0)
        kwargs = deferral(lambda: waiting(rocket).execute(context())).trigger.serialize()[1]
        assert kwargs["poll_interval"] == 1

    def test_times_may_be_timedeltas(self, queue: Simulator, rocket: str) -> None:
        made = waiting(rocket, timeout=timedelta(minutes=2), poll_interval=timedelta(seconds=3))
        kwargs = deferral(lambda: made.execute(context())).trigger.serialize()[1]
        assert kwargs["poll_interval"] == 3
        assert kwargs["deadline"] - kwargs["started_at"] == pytest.approx(120)
