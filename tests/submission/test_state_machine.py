"""Never buy a clip twice, never lose one: the operator, its ledger and reconciliation, driven by Hypothesis.

The queue is the simulator, over real HTTP; time is one clock that both sides read, moved by hand. Whatever
goes wrong with a call, wherever a worker dies, whatever the user changes in between: after every step no
order has been billed more than once, and in the end every clip that was paid for is found by its task.

The budget is fixed in CI; ``make chaos`` and ``KLING_STATE_MACHINE_EXAMPLES`` make it longer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kling_airflow.errors import GMIError, Money
from kling_airflow.gmi.call import SUBMIT_TIMEOUTS
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.polling.decision import Wait, to_event
from kling_airflow.simulator import ManualClock, Simulator
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.order import SubmitLater
from kling_airflow.submission.reconcile import LATE_ARRIVAL_MARGIN
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.submit import Submitter
from kling_airflow.task import cleared
from kling_airflow.task import stop as task_stop
from kling_airflow.task import submission as task_submission
from kling_airflow.task.stop import TaskStopped
from kling_airflow.task.stop_flag import StopFlag
from kling_airflow.task.submission import open_submitter
from kling_airflow.task_instance.state import TaskEnd
from tests.airflow_context import TaskStateStore, context
from tests.airflow_versions import AirflowException, TaskDeferred

EXAMPLES = int(os.environ.get("KLING_STATE_MACHINE_EXAMPLES", "120"))
STEPS = 25

SUBMIT_FAULTS = [
    "reset-unread", "reset-before", "reset-after", "rate-limited", "capacity", "deadline-exceeded",
    "deadline-exceeded-created", "bad-gateway", "bad-gateway-created", "cut-off", "invalid-json",
    "without-request-id", "backend-error", "failed", "failed-rate-limit", "failed-content-policy",
    "failed-download", "hidden-by-id", "stuck-queued", "success-no-media", "upper-case-status",
]  # fmt: skip
READ_FAULTS = ["reset-before", "reset-after", "rate-limited", "bad-gateway", "cut-off", "invalid-json"]
LIST_FAULTS = [
    "list-empty", "list-no-has-more", "list-ignores-limit", "list-ignores-offset", "list-mixed-models",
    "list-no-outcomes", "list-no-payloads", "list-pinned", "list-no-created-at",
]  # fmt: skip
ECHO_FAULTS = [
    "echo-empty", "echo-absent", "echo-without-field", "echo-cut", "echo-redacted", "echo-rehosted",
    "echo-extra",
]  # fmt: skip
LOST_ANSWERS = ["reset-after", "deadline-exceeded-created", "created-late", "created-late"]
LASTING_FAULTS = [*ECHO_FAULTS, "list-pinned", "list-sorted", "list-cached", "list-no-created-at"]
LATEST_CREATION = SUBMIT_TIMEOUTS.total + LATE_ARRIVAL_MARGIN
"""Seconds after a POST left in which the queue may create its request, and it is still found."""
CRASHES = [
    "before the intent",
    "after the intent",
    "after the POST",
    "after the id is stored",
    "while waiting",
]
PROMPTS = ["rise", "fall"]
DELIVERIES = st.sampled_from(["auto", "base64"])
CLOCKS_DIFFER_BY = 600.0
A_DAY = 90_000.0
CLOCKS_DIFFER = st.just(0.0) | st.floats(-CLOCKS_DIFFER_BY, CLOCKS_DIFFER_BY)
"""Seconds that the `Date` of the queue's answers is ahead of the times of its requests."""


class Crash(BaseException):
    """The worker dies: nothing after this line runs."""


class Mortal:
    """A ledger whose worker can die just before or after a write.

    :param ledger: any.
    :param crash: where it dies; None for nowhere.
    :param before_the_post: called between the intent and the POST.
    """

    def __init__(self, ledger: Ledger, crash: str | None, before_the_post: Callable[[], None]) -> None:
        self.ledger = ledger
        self.crash = crash
        self.before_the_post = before_the_post

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def write(self, record: SubmissionRecord) -> None:
        self._die("before the intent", record.state is State.SENDING)
        self._die("after the POST", record.state is State.SUBMITTED)
        self.ledger.write(record)
        self._die("after the intent", record.state is State.SENDING)
        if record.state is State.SENDING:
            self.before_the_post()
        self._die("after the id is stored", record.state is State.SUBMITTED)

    def _die(self, where: str, here: bool) -> None:
        if here and self.crash == where:
            self.crash = None
            raise Crash(where)


class SettlingClock(ManualClock):
    """A clock that stops at each moment for which a call waits, until that call has been handled."""

    def __init__(self, start: float) -> None:
        super().__init__(start)
        self.waiting: dict[asyncio.Task[Any], float] = {}

    async def sleep(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.waiting[task] = self.now() + seconds
        await super().sleep(seconds)

    def advance(self, seconds: float) -> float:
        end = self.now() + seconds
        while due := [(until, task) for task, until in self.waiting.items() if until <= end]:
            until, task = min(due, key=lambda pair: pair[0])
            super().advance(max(0.0, until - self.now()))
            for _ in range(10_000):
                if task.done():
                    break
                time.sleep(0.002)
            del self.waiting[task]
        return super().advance(max(0.0, end - self.now()))


class World:
    """One simulator for all examples; each starts with it empty."""

    def __init__(self) -> None:
        self.clock = SettlingClock(time.time())
        self.simulator = Simulator(
            clock=self.clock,
            render="fast",
            submit_seconds=0,
            generation_seconds=120,
            unreachable_frames="refused",
        ).start()
        self.folder = Path(tempfile.mkdtemp(prefix="kling-frames-"))
        with as_file(files("kling_airflow.demo") / "frames" / "rocket.jpg") as path:
            shutil.copy(path, self.folder)
        self.environment = {
            "AIRFLOW_CONN_GMI_CLOUD_DEFAULT": self.simulator.connection,
            "AIRFLOW__KLING__DEPLOYMENT": "test",
        }
        os.environ |= self.environment

    def close(self) -> None:
        self.simulator.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in self.environment:
            del os.environ[name]


world: World


class SubmitOnce(RuleBasedStateMachine):
    """One task instance, many tries, on a bad day. Its ledger is Airflow's task state store."""

    @initialize(
        delivery=st.sampled_from(["auto", "base64"]), clocks_differ=st.just(0.0) | st.floats(-600, 600)
    )
    def begin(self, delivery: str, clocks_differ: float) -> None:
        world.clock.advance(LATEST_CREATION)  # what an earlier example left behind
        world.simulator.reset()
        self.delivery, self.began_at = delivery, datetime.fromtimestamp(world.clock.now(), UTC)
        self.tries = self.max_tries = self.clears = 0
        self.clocks_differ = clocks_differ
        self.calm_down()
        self.store = TaskStateStore()
        self.prompt, self.take, self.skew = PROMPTS[0], 1, 0.0
        self.next_order: tuple[str, int] | None = None
        self.orders: dict[tuple[str, int], set[str]] = {}
        self.asked_by: dict[str, tuple[str, int]] = {}
        self.sent_by_this_try: set[str] = set()
        self.strangers = 0
        self.crash: str | None = None
        self.sleeps_left: int | None = None
        self.ends_in_the_post = False

    def ledger(self) -> str | None:
        """Return the folder that remembers; None for the task state store."""
        return None

    # What goes wrong.

    @rule(name=st.sampled_from(SUBMIT_FAULTS))
    def a_submission_will_go_wrong(self, name: str) -> None:
        world.simulator.faults.add(name, call="POST /requests")

    @rule(name=st.sampled_from(["rate-limited", "capacity"]))
    def the_queue_will_say_not_now_for_a_while(self, name: str) -> None:
        """So long that the task defers over it."""
        world.simulator.faults.add(name, call="POST /requests", retry_after=120)

    @rule(
        name=st.sampled_from(READ_FAULTS),
        call=st.sampled_from(["GET /requests", "GET /requests/{id}", "POST /upload-url", "PUT upload"]),
        times=st.integers(1, 8),
    )
    def a_call_will_go_wrong(self, name: str, call: str, times: int) -> None:
        world.simulator.faults.add(name, call=call, times=times)

    @rule(name=st.sampled_from(LIST_FAULTS), times=st.integers(1, 10))
    def the_list_misbehaves(self, name: str, times: int) -> None:
        world.simulator.faults.add(name, times=times)

    @rule(name=st.sampled_from(ECHO_FAULTS), seconds=st.floats(1, 4000))
    def the_echo_is_partial(self, name: str, seconds: float) -> None:
        world.simulator.faults.add(name, for_seconds=seconds)

    @rule(
        by=st.sampled_from(["created_at", "updated_at"]),
        first=st.sampled_from(["oldest", "newest"]),
        times=st.integers(1, 10),
    )
    def the_list_is_sorted_otherwise(self, by: str, first: str, times: int) -> None:
        world.simulator.faults.add("list-sorted", by=by, first=first, times=times)

    @rule(seconds=st.floats(1, 1000), with_age=st.booleans())
    def the_list_comes_from_a_cache(self, seconds: float, *, with_age: bool) -> None:
        world.simulator.faults.add("list-cached", seconds=seconds, with_age=with_age, for_seconds=seconds)

    @rule(times=st.integers(1, 10))
    def the_queue_does_not_tell_its_time(self, times: int) -> None:
        world.simulator.faults.add("date-absent", times=times)

    @rule(seconds=st.floats(0, LATEST_CREATION))
    def a_request_will_be_created_late(self, seconds: float) -> None:
        """The connection breaks at once, and the queue still works on the POST."""
        world.simulator.faults.add("created-late", call="POST /requests", seconds=seconds)

    @rule(lag=st.floats(1, 3000), seconds=st.floats(1, 4000))
    def the_list_lags(self, lag: float, seconds: float) -> None:
        world.simulator.faults.add("list-lag", lag=lag, for_seconds=seconds)

    @rule()
    def an_upload_expires(self) -> None:
        world.simulator.faults.add("upload-url-expired")

    @rule(skew=st.floats(-7200, 7200))
    def the_workers_clock_is_wrong(self, skew: float) -> None:
        self.skew = skew

    # What others and the user do.

    @rule(seconds=st.floats(0, 2000))
    def time_passes(self, seconds: float) -> None:
        world.clock.advance(seconds)
        world.simulator.wait_rendered()

    @rule()
    def a_stranger_submits(self) -> None:
        """Another team's request: what makes absence provable, and what must not be adopted."""
        self.strangers += 1
        with self.client() as client:
            try:
                image = client.upload((world.folder / "rocket.jpg").read_bytes(), "jpeg")
                client.submit(
                    "kling-v3-image-to-video", {"prompt": f"stranger {self.prompt}", "image": image}
                )
            except GMIError:
                pass

    @rule(prompt=st.sampled_from(PROMPTS))
    def the_prompt_is_changed(self, prompt: str) -> None:
        self.prompt = prompt

    @rule(prompt=st.sampled_from(PROMPTS), take=st.integers(1, 2))
    def templates_will_be_rendered_differently_after_a_pause(self, prompt: str, take: int) -> None:
        """They read a variable, or the clock."""
        self.next_order = prompt, take

    @rule(take=st.integers(1, 2))
    def another_take_is_asked_for(self, take: int) -> None:
        self.take = take

    @precondition(lambda self: any(self.orders.values()))
    @rule()
    def the_request_is_cancelled_in_the_console(self) -> None:
        with self.client() as client:
            for request_id in sorted(set().union(*self.orders.values())):
                client.cancel(request_id)

    @rule(discards=st.booleans(), runs=st.booleans())
    def the_task_is_cleared(self, *, discards: bool, runs: bool) -> None:
        """Alone or with its run. Airflow 3.4 discards a cleared task's store, 3.5 a cleared run's.

        :param runs: whether the task instance runs at that time: only the run's count of clears shows it.
        """
        self.clears += 1
        if not runs:
            self.max_tries = self.tries
        if discards:
            self.store = TaskStateStore()

    # The task runs: first, again, or after a clear.

    @rule(
        crash=st.sampled_from([None, None, *CRASHES]),
        wait=st.booleans(),
        cancel=st.booleans(),
        on_changed_request=st.sampled_from(["submit", "submit", "reuse", "fail"]),
    )
    def the_task_runs(self, crash: str | None, *, wait: bool, cancel: bool, on_changed_request: str) -> None:
        self.run_try(
            crash=crash,
            wait_for_completion=wait,
            cancel_on_timeout=cancel,
            on_changed_request=on_changed_request,
        )

    @precondition(lambda self: self.orders.get((self.prompt, self.take), set()) & self.live())
    @rule(crash=st.sampled_from([None, *CRASHES]), calm=st.booleans())
    def the_user_names_the_orders_own_request(self, crash: str | None, *, calm: bool) -> None:
        """Whether its task knows it already, or lost the answer."""
        self.next_order = None
        if calm:
            self.calm_down()
        request_id = min(self.orders[self.prompt, self.take] & self.live())
        found = self.run_try(crash=crash, adopt_request_id=request_id)
        if request_id in self.live():
            assert found in {None, request_id}, "what is named is taken"
            assert found or crash or not calm, "in calm weather it is always taken"

    @rule(
        sleeps=st.none() | st.integers(0, 15),
        by_its_user=st.booleans(),
        wait=st.booleans(),
        deferrable=st.booleans(),
    )
    def the_task_runs_and_is_told_to_end(
        self, sleeps: int | None, *, by_its_user: bool, wait: bool, deferrable: bool
    ) -> None:
        """A SIGTERM: while a POST is on its way, while a lost answer is looked for, while it waits.

        :param sleeps: after so many pauses; None for in the middle of a POST, and at the first pause.
        """
        self.sleeps_left, self.ends_in_the_post = sleeps or 0, sleeps is None
        end = TaskEnd.BY_USER if by_its_user else TaskEnd.NOT_ENDED
        with patch.object(task_stop, "task_end", lambda *_, **__: end):
            self.run_try(may_cancel=by_its_user, wait_for_completion=wait, deferrable=deferrable and not wait)
        self.sleeps_left, self.ends_in_the_post = None, False

    @rule(
        lost=st.sampled_from(LOST_ANSWERS),
        seconds=st.sampled_from([100.0, 205.0]) | st.floats(0, LATEST_CREATION),
        trouble=st.none() | st.sampled_from(LASTING_FAULTS),
        skew=st.sampled_from([0.0, -7200.0, -240.0, 240.0, 7200.0]),
        stops=st.sampled_from([True, True, False]),
        pause=st.sampled_from([0.0, 70.0, 130.0]) | st.floats(0, 400),
    )
    def an_answer_is_lost(
        self, lost: str, seconds: float, trouble: str | None, skew: float, *, stops: bool, pause: float
    ) -> None:
        """In one rule what would seldom meet: the next try, on another worker, finds a younger request."""
        self.take = self.new_take()
        late = {"seconds": seconds} if lost == "created-late" else {}
        world.simulator.faults.add(lost, call="POST /requests", **late)
        if trouble is not None:
            world.simulator.faults.add(trouble, for_seconds=9000)
        self.skew, self.sleeps_left = skew, 0 if stops else None
        self.run_try()
        self.skew, self.sleeps_left = 0.0, None
        world.clock.advance(pause)
        self.a_stranger_submits()
        self.run_try()

    @rule(
        crash=st.sampled_from([None, *CRASHES]),
        lost=st.none() | st.sampled_from(LOST_ANSWERS),
        lag=st.just(0.0) | st.floats(1, 3000),
        trouble=st.none() | st.sampled_from(LASTING_FAULTS),
        pause=st.floats(0, 400),
    )
    def the_store_is_discarded(
        self, crash: str | None, lost: str | None, lag: float, trouble: str | None, pause: float
    ) -> None:
        """The same of a clear right after, or during, the purchase."""
        self.take = self.new_take()
        if lost is not None:
            world.simulator.faults.add(lost, call="POST /requests")
        self.sleeps_left = None if lost is None else 0
        self.run_try(crash=crash)
        self.sleeps_left = None
        self.the_task_is_cleared(discards=True, runs=crash is not None)
        if lag:
            world.simulator.faults.add("list-lag", lag=lag, for_seconds=lag + 300)
        if trouble is not None:
            world.simulator.faults.add(trouble, for_seconds=9000)
        for _ in range(2):
            self.run_try()
            world.clock.advance(pause)
            self.a_stranger_submits()
        self.run_try()

    def new_take(self) -> int:
        """Return a take that no try has asked for, so that the next try buys."""
        return max((take for _, take in self.orders), default=2) + 1

    def run_try(self, *, crash: str | None = None, may_cancel: bool = False, **fields: Any) -> Any:
        before, cancelled, live = self.created(), self.ended_as("cancelled"), self.live()
        # The default, `reuse`, buys no take that a retry asks for anew.
        fields = {"on_changed_request": "submit"} | fields
        self.sent_by_this_try = set()
        self.crash = None if crash == "while waiting" else crash
        try:
            return self.attempt(dies_waiting=crash == "while waiting", **fields)
        except TaskStopped as stopped:
            self.require_given_up(stopped)
            return None
        except (Crash, AirflowException):
            return None
        finally:
            self.note_what_is_new()
            bought = self.bought_by_this_try() - before
            assert len(bought & self.live()) <= 1, f"one try bought {len(bought)}"
            if not may_cancel and not fields.get("cancel_on_timeout"):
                assert self.ended_as("cancelled") == cancelled, "only a user ends a request"
            retried = self.tries > self.max_tries + 1
            if fields["on_changed_request"] == "fail" or (
                fields["on_changed_request"] == "reuse" and retried
            ):
                reuses = fields["on_changed_request"] == "reuse"
                self.require_refused(bought=bought, live=live & self.live(), reuses=reuses)

    def require_refused(self, *, bought: set[str], live: set[str], reuses: bool) -> None:
        """Nothing is bought beside another order of this task that has not failed.

        :param reuses: an order that an earlier try was allowed to submit replaces its own request that was
            cancelled: it has changed nothing, so it reuses no other order's clip.
        """
        for order, requests in self.orders.items():
            if reuses and requests - bought:
                continue
            others = set().union(*(ids for other, ids in self.orders.items() if other != order))
            assert not (requests & bought and others & live), f"{order} was bought beside another"

    def require_given_up(self, stopped: TaskStopped) -> None:
        """What is said to be cancelled is; one that the console hides can't be, and that is said, too."""
        if stopped.money is Money.CANCELLED:
            assert stopped.end is TaskEnd.BY_USER
            assert stopped.request_id in self.ended_as("cancelled")

    def note_what_is_new(self) -> None:
        """Assign each request to the order whose POST asked for it, whenever the queue created it."""
        self.orders.setdefault((self.prompt, self.take), set())
        for entry in world.simulator.ledger():
            if entry.payload_digest in self.asked_by:
                self.orders.setdefault(self.asked_by[entry.payload_digest], set()).add(entry.request_id)

    def bought_by_this_try(self) -> set[str]:
        entries = world.simulator.ledger()
        return {entry.request_id for entry in entries if entry.payload_digest in self.sent_by_this_try}

    def attempt(self, *, dies_waiting: bool, **fields: Any) -> Any:
        """Run the operator as Airflow would: come back from each deferral when it is due."""
        with (
            patch.object(task_submission, "open_submitter", self.open_submitter),
            patch.object(cleared, "FRAME_SECONDS", 1.0),  # of our time: the host of `echo-rehosted` is none
        ):
            return self.run_until_done(dies_waiting=dies_waiting, **fields)

    def run_until_done(self, *, dies_waiting: bool, **fields: Any) -> Any:
        task = self.task(**fields)
        self.tries += 1
        given = context(self.store, try_number=self.tries, max_tries=self.max_tries, clear_number=self.clears)
        given["dag_run"].run_after = self.began_at
        try:
            return task.execute(given)
        except TaskDeferred as deferred:
            due = deferred
        for _ in range(200):
            if dies_waiting:
                raise Crash("while waiting")
            try:
                return self.resume(task, given, due)
            except TaskDeferred as deferred:
                due = deferred
        raise AssertionError("deferred for ever")

    def resume(self, task: KlingImageToVideoOperator, given: Any, due: TaskDeferred) -> Any:
        kwargs = due.kwargs or {}
        if due.method_name == "resume_submission":
            if self.next_order is not None:
                self.prompt, self.take = task.prompt, task.take = self.next_order
                self.next_order = None
            world.clock.advance(due.trigger.moment.timestamp() - time.time())
            return task.resume_submission(given, **kwargs)
        return task.execute_complete(given, self.triggered(due.trigger.wait), **kwargs)

    def triggered(self, wait: Wait) -> dict[str, Any]:
        """Do what the trigger does: look until the decision falls."""
        wait = Wait(
            wait.request_id, started_at=self.now(), deadline=self.now() + 1000, submitted_at=self.now()
        )
        last_answer_at = None
        with self.client() as client:
            while True:
                try:
                    seen: Any = client.get(wait.request_id)
                    last_answer_at = self.now()
                except GMIError as error:
                    seen = error
                end = wait.decide(seen, now=self.now(), last_response_at=last_answer_at)
                if end is not None:
                    return to_event(end)
                world.clock.advance(60)
                world.simulator.wait_rendered()

    def task(self, **fields: Any) -> KlingImageToVideoOperator:
        return KlingImageToVideoOperator(
            task_id="submit",
            image=(world.folder / "rocket.jpg").as_uri(),
            prompt=self.prompt,
            take=self.take,
            duration=3,
            image_delivery=self.delivery,
            ledger=self.ledger(),
            **fields,
        )

    def open_submitter(
        self, context: Any, client: GMIClient, *given: Any, until: float, stop: StopFlag
    ) -> Submitter:
        """Return the operator's submitter on the test's clock, with a worker that can die."""
        stop.sleep = lambda seconds: self.sleep(seconds, stop)  # type: ignore[method-assign]
        submitter = open_submitter(context, client, *given, until=self.now() + 3600, stop=stop)
        client.retries = Retries(attempts=2, base=0.0)
        client.queue_clock.elapsed = world.clock.now
        client.submit = self.noting(client)  # type: ignore[method-assign]
        access = submitter.ledger_access
        access.ledger = Mortal(  # type: ignore[assignment]
            access.ledger, self.crash, lambda: self.in_the_post(stop)
        )
        access.now, access.sleep = self.now, self.pass_time
        for part in (submitter, submitter.recovery):
            part.now, part.sleep = self.now, stop.sleep
        return submitter

    def sleep(self, seconds: float, stop: StopFlag) -> None:
        self.pass_time(seconds)
        if self.sleeps_left is not None:
            self.sleeps_left -= 1
            if self.sleeps_left < 0:
                stop.set()
        stop.check()

    def noting(self, client: GMIClient) -> Callable[[str, Any], Any]:
        """Return the client's `submit`, which notes what each POST asks, and for which order."""

        def submit(model: str, payload: Any) -> Any:
            canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(canonical.encode()).hexdigest()
            self.asked_by[digest] = self.prompt, self.take
            self.sent_by_this_try.add(digest)
            return GMIClient.submit(client, model, payload)

        return submit

    def calm_down(self) -> None:
        """End all faults but one: the queue stamps its answers and its requests by two clocks."""
        world.simulator.faults.clear()
        if self.clocks_differ:
            world.simulator.faults.add("date-skewed", seconds=self.clocks_differ)

    # What must always hold.

    @invariant()
    def nothing_is_bought_twice(self) -> None:
        if hasattr(self, "orders"):
            self.note_what_is_new()
        live = self.live()
        for order, requests in getattr(self, "orders", {}).items():
            assert len(requests & live) <= 1, f"{order} was bought {len(requests & live)} times"

    def teardown(self) -> None:
        """In calm weather, every order finds the clip it paid for."""
        if not hasattr(self, "orders"):
            return
        self.calm_down()
        self.skew, self.next_order = 0.0, None
        for _ in range(2):
            world.clock.advance(A_DAY)  # after that even a record without the queue's time proves something
            self.a_stranger_submits()
        world.clock.advance(CLOCKS_DIFFER_BY)  # by its `Date`, too, the list is younger than its newest row
        world.simulator.wait_rendered()
        for (prompt, take), requests in list(self.orders.items()):
            self.prompt, self.take = prompt, take
            found = self.run_try()
            for _ in range(3):
                if found is None:  # whether it has bought is only known once a younger request is listed
                    self.a_stranger_submits()
                    world.clock.advance(CLOCKS_DIFFER_BY)
                    found = self.run_try()
            assert found is not None, "in calm weather a task gets its request"
            mine = self.orders[prompt, take]
            assert found in mine, "the request is the order's own"
            paid = {entry.request_id for entry in world.simulator.ledger() if entry.billed} & requests
            assert paid <= {found}, "a clip that was paid for is found"
        self.nothing_is_bought_twice()

    # Helpers.

    def now(self) -> float:
        return world.clock.now() + self.skew

    def pass_time(self, seconds: float) -> None:
        world.clock.advance(seconds)

    def in_the_post(self, stop: StopFlag) -> None:
        if self.ends_in_the_post:
            stop.set()

    def ended_as(self, *outcomes: str) -> set[str]:
        return {entry.request_id for entry in world.simulator.ledger() if entry.outcome in outcomes}

    def created(self) -> set[str]:
        return {entry.request_id for entry in world.simulator.ledger()}

    def live(self) -> set[str]:
        """Return what costs money, or may come to."""
        return self.created() - self.ended_as("failed", "cancelled")

    def client(self) -> GMIClient:
        return GMIClient(world.simulator.api_key, world.simulator.base_url, retries=Retries(attempts=1))


class SubmitOnceByFolder(SubmitOnce):
    """The same with a ledger in a folder, which outlives the task instance's store."""

    @initialize(
        delivery=st.sampled_from(["auto", "base64"]), clocks_differ=st.just(0.0) | st.floats(-600, 600)
    )
    def begin(self, delivery: str, clocks_differ: float) -> None:
        super().begin(delivery, clocks_differ)
        self.folder = Path(tempfile.mkdtemp(prefix="kling-ledger-", dir=world.folder))

    def ledger(self) -> str:
        """Return the folder; Airflow's store forgets between any two tries."""
        self.store = TaskStateStore()
        return self.folder.as_uri()


for machine in (SubmitOnce, SubmitOnceByFolder):
    machine.TestCase.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", autouse=True)
def one_world() -> Iterator[None]:
    """The simulator of every example."""
    global world
    world = World()
    yield
    world.close()


@pytest.mark.timeout(3600)
class TestSubmitOnce(SubmitOnce.TestCase):  # type: ignore[name-defined,misc]
    """The state machine as a test."""


@pytest.mark.timeout(3600)
class TestSubmitOnceByFolder(SubmitOnceByFolder.TestCase):  # type: ignore[name-defined,misc]
    """The other one."""


def test_the_parts_that_are_driven_are_the_real_ones() -> None:
    assert issubclass(SubmitLater, Exception)
    assert not issubclass(Crash, Exception), "a crash is not an error that code could catch"
