"""What every operator that buys a generation does: submit once, and wait if asked to."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import one_of, seconds, text_or_none, whole_number
from kling_airflow.errors import GenerationTimeout, InvalidArgument, KlingError
from kling_airflow.exceptions import airflow_errors
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.links import ClipLink, ConsoleLink, push_clip, push_request
from kling_airflow.task.changed_order import heed_changed_request, refuse_while_in_doubt
from kling_airflow.task.failed_generation import cancelled, forgotten, is_worth_another, reminding
from kling_airflow.task.operator import KlingTask
from kling_airflow.task.stop import StopFlag, Stopped, TaskStopped

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.gmi.request import Request
    from kling_airflow.polling.decision import Wait
    from kling_airflow.submission.order import Order, Submitted
    from kling_airflow.submission.submit import Submitter

RESUBMIT_ON = ("passing", "any", "never")

_DEFERRAL_SLACK = timedelta(minutes=5)
_DEFER_FROM = 60.0
"""Seconds from which a pause gives the worker slot back; very short deferrals fail spuriously [facts, 6]."""


class GenerationOperator(KlingTask):
    """Submit one order, once, however often the task runs; wait for it if asked to.

    :param gmi_conn_id: the queue's connection; templated.
    :param take: which take of the same order, 1 for the first; templated.
    :param adopt_request_id: a request you know to be this order's: it is taken instead of buying one;
        templated.
    :param durable: remember the submission. False is your word that a crash may buy the clip twice.
    :param ledger: a folder in an object store (``s3://...``) that remembers submissions instead of Airflow's
        task state store; None for what ``[kling] ledger`` says, else the task state store.
    :param wait_for_completion: return the clip, not the request id.
    :param deferrable: wait in the triggerer, holding no worker slot.
    :param poll_interval: seconds between two looks.
    :param timeout: seconds to wait for one request.
    :param unreachable_after: seconds without any good answer from the queue after which the wait gives up.
    :param submit_timeout: seconds to keep trying while the queue says "not now".
    :param reconcile_grace: seconds to look for a request whose answer was lost, before ``on_unresolved``.
    :param on_unresolved: ``fail`` and leave it to a person, or ``resubmit``: may buy twice; templated.
    :param on_changed_request: when this task instance has asked for something else before: ``submit`` that
        too, or ``fail``. What has failed does not count, as it isn't billed; what was cancelled does.
    :param resubmit_on: which failed generations are bought again while waiting: ``passing`` reasons (rate
        limit, capacity, download), ``any``, or ``never``. Failed generations are not billed.
    :param max_resubmissions: how often, at most, over all tries.
    :param resubmit_delay: seconds before each, so that what is passing can pass.
    :param cancel_on_kill: cancel the request when a user ends the waiting task: marks it failed, success or
        skipped, or removes it. Never on a clear, an eviction or a restart.
    :param cancel_on_timeout: cancel the request when the wait times out.
    """

    template_fields: Sequence[str] = ("gmi_conn_id", "take", "adopt_request_id", "on_unresolved", "ledger")
    operator_extra_links = (ConsoleLink(), ClipLink())
    ui_color = "#dcfce7"

    def __init__(
        self,
        *,
        gmi_conn_id: str = GMICloudHook.default_conn_name,
        take: int | str = 1,
        adopt_request_id: str | None = None,
        durable: bool = True,
        ledger: str | None = None,
        wait_for_completion: bool = False,
        deferrable: bool = True,
        poll_interval: float | timedelta = 10.0,
        timeout: float | timedelta = 3600.0,
        unreachable_after: float | timedelta = 1800.0,
        submit_timeout: float | timedelta = 3600.0,
        reconcile_grace: float | timedelta = 600.0,
        on_unresolved: str = "fail",
        on_changed_request: str = "submit",
        resubmit_on: str = "passing",
        max_resubmissions: int = 2,
        resubmit_delay: float | timedelta = 60.0,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.gmi_conn_id = gmi_conn_id
        self.take = take
        self.adopt_request_id = adopt_request_id
        self.durable = durable
        self.ledger = ledger
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.unreachable_after = unreachable_after
        self.submit_timeout = submit_timeout
        self.reconcile_grace = reconcile_grace
        self.on_unresolved = on_unresolved
        self.on_changed_request = on_changed_request
        self.resubmit_on = resubmit_on
        self.max_resubmissions = max_resubmissions
        self.resubmit_delay = resubmit_delay
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self._stopping = StopFlag()

    # What a kind of generation says of itself.

    @abstractmethod
    def _order(self, client: GMIClient) -> Order:
        """Check everything that can be checked for free, and return what is asked for."""

    @abstractmethod
    def _model(self) -> str:
        """Return the model's id."""

    def _asked(self) -> dict[str, Any]:
        """Return what the clip should say of what was asked, where the queue doesn't echo it."""
        return {}

    def _price_usd(self, client: GMIClient) -> float | None:
        """Return what the clip costs, where the price list doesn't say; asked for once it is there."""
        return None

    # The task.

    def execute(self, context: Context) -> Any:
        """Submit, or find what was submitted; then return the request id, or wait and return the clip."""
        with airflow_errors():
            self._refuse_bad_arguments()
            until = time.time() + seconds("submit_timeout", self.submit_timeout)
        return self.resume_submission(context, until=until)

    def resume_submission(
        self,
        context: Context,
        event: Any = None,
        *,
        until: float,
        earlier: int = 0,
        in_doubt: list[Any] | None = None,
        **tolerated: Any,
    ) -> Any:
        """Submit, at first or after a pause that gave the worker slot back.

        :param until: until when to keep trying while the queue says "not now", in Unix seconds.
        :param earlier: how many requests of this order have failed before, as far as this try knows.
        :param in_doubt: fingerprint and take of the order that this try paused over, its answer lost perhaps.
        :param tolerated: arguments of another version of this package, as in :meth:`execute_complete`: its
            undoing fails no task that waits.
        """
        with airflow_errors():
            client = self._hook.get_conn()
            submitted = self._submit(context, client, until, earlier, in_doubt)
            push_request(context, submitted.request_id, client.protocol.base_url)
            if self.wait_for_completion:
                return self._await(context, submitted)
            self._heed_stop(context, client, submitted.request_id)
            return submitted.request_id

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, *, earlier: int = 0, **tolerated: Any
    ) -> dict[str, Any]:
        """Read the trigger's event: return the clip, buy again what failed for a passing reason, or raise.

        :param earlier: how many requests of this order had failed before this one.
        """
        from kling_airflow.polling.decision import from_event

        with airflow_errors():
            try:
                return self._finished(context, from_event(event))
            except KlingError as error:
                return self._ended_badly(context, error, earlier)

    def on_kill(self) -> None:
        """Note that the task is to end; the loop that waits does the rest.

        A SIGTERM says nothing about the user's wish, and talking to Airflow here would dead-lock.
        """
        self._stopping.ask()

    # Submitting.

    def _submitter(self, context: Context, client: GMIClient, until: float) -> Submitter:
        from kling_airflow.submission.order import OnUnresolved
        from kling_airflow.submission.submit import Submitter
        from kling_airflow.task.ledger_choice import choose

        return Submitter(
            client,
            choose(context, durable=self.durable, folder=self.ledger or None),
            self.log,
            until=until,
            grace=seconds("reconcile_grace", self.reconcile_grace),
            on_unresolved=OnUnresolved.read(self.on_unresolved),
            sleep=self._stopping.sleep,
        )

    def _submit(
        self, context: Context, client: GMIClient, until: float, earlier: int, in_doubt: list[Any] | None
    ) -> Submitted:
        """Submit; a long pause is spent in the triggerer, where nothing would be forgotten over it."""
        from kling_airflow.submission.order import SubmitLater

        submitter = self._submitter(context, client, until)
        with reminding(submitter):
            order = self._order(client)
        # Within a try that has seen the adopted request fail, adopting it again would lead nowhere.
        adopt = None if earlier else text_or_none(self.adopt_request_id)
        refuse_while_in_doubt(submitter, order, in_doubt)
        heed_changed_request(submitter, order, self.on_changed_request, None if adopt else self.log)
        try:
            while True:
                try:
                    found = submitter.adopt(order, adopt.strip()) if adopt else submitter.submit(order)
                    return replace(found, earlier=max(found.earlier, earlier))
                except SubmitLater as pause:
                    self.log.info("%s", pause)
                    self._pause(pause.seconds, until, earlier, in_doubt=[order.fingerprint, order.take])
        except Stopped:
            raise TaskStopped.while_submitting(durable=self.durable) from None

    def _pause(self, pause: float, until: float, earlier: int, *, in_doubt: list[Any] | None = None) -> None:
        """Stay away for a while: in the triggerer, if that is allowed, long enough, and nothing is lost."""
        if not self.deferrable or not self.durable or pause < _DEFER_FROM:
            self._stopping.sleep(pause)
            return
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        self.defer(
            trigger=DateTimeTrigger(moment=datetime.now(UTC) + timedelta(seconds=pause)),
            method_name="resume_submission",
            kwargs={"until": until, "earlier": earlier} | ({"in_doubt": in_doubt} if in_doubt else {}),
        )

    def _heed_stop(self, context: Context, client: GMIClient, request_id: str) -> None:
        """Cancel what was submitted while its user ended the task."""
        from kling_airflow.task.wait import stopped

        if self._stopping.asked:
            end = stopped(request_id, client, context, cancel=self.cancel_on_kill)
            if end.over:
                raise end

    def _refuse_bad_arguments(self) -> None:
        """Find what is wrong before anything is spent, not when the value is first needed."""
        for name in (
            "poll_interval",
            "timeout",
            "unreachable_after",
            "submit_timeout",
            "reconcile_grace",
            "resubmit_delay",
        ):
            seconds(name, getattr(self, name))
        one_of("on_changed_request", self.on_changed_request, ("submit", "fail"))
        one_of("resubmit_on", self.resubmit_on, RESUBMIT_ON)
        whole_number("max_resubmissions", self.max_resubmissions, least=0)
        self._refuse_short_execution_timeout()

    def _refuse_short_execution_timeout(self) -> None:
        from kling_airflow.gmi.call import SUBMIT_TIMEOUTS

        if self.execution_timeout and self.execution_timeout.total_seconds() <= SUBMIT_TIMEOUTS.total:
            raise InvalidArgument(
                f"`execution_timeout` is {self.execution_timeout.total_seconds():g} s; a submission may take"
                f" {SUBMIT_TIMEOUTS.total:g} s, and ending it in between would lose its answer."
            )

    # Waiting.

    def _await(self, context: Context, submitted: Submitted) -> dict[str, Any]:
        from kling_airflow.polling.decision import Wait

        started_at = time.time()
        wait = Wait(
            request_id=submitted.request_id,
            started_at=started_at,
            deadline=started_at + seconds("timeout", self.timeout),
            unreachable_after=seconds("unreachable_after", self.unreachable_after),
            submitted_at=submitted.submitted_at,
        )
        try:
            return self._finished(context, self._watch(context, wait, submitted).clip().to_json())
        except KlingError as error:
            return self._ended_badly(context, error, submitted.earlier)

    def _watch(self, context: Context, wait: Wait, submitted: Submitted) -> Request:
        """Look once and defer, or look until the end."""
        from kling_airflow.task.wait import watch

        return watch(
            wait,
            self._hook.get_conn(),
            self.log,
            interval=seconds("poll_interval", self.poll_interval),
            stopping=self._stopping,
            context=context,
            cancel_on_kill=self.cancel_on_kill,
            cancel_on_timeout=self.cancel_on_timeout,
            defer=(lambda: self._defer_wait(wait, submitted)) if self.deferrable else None,
        )

    def _defer_wait(self, wait: Wait, submitted: Submitted) -> None:
        from kling_airflow.triggers.request import GMICloudRequestTrigger

        self.defer(
            trigger=GMICloudRequestTrigger(
                gmi_conn_id=self.gmi_conn_id,
                request_id=wait.request_id,
                model=self._model(),
                poll_interval=seconds("poll_interval", self.poll_interval),
                started_at=wait.started_at,
                deadline=wait.deadline,
                unreachable_after=wait.unreachable_after,
                cancel_on_kill=self.cancel_on_kill,
            ),
            method_name="execute_complete",
            kwargs={"earlier": submitted.earlier},
            # Only a safety net: the trigger keeps the deadline itself and says what happened.
            timeout=timedelta(seconds=wait.deadline - wait.started_at) + _DEFERRAL_SLACK,
        )

    def _finished(self, context: Context, clip: dict[str, Any]) -> dict[str, Any]:
        asked = self._asked()
        clip = {name: asked.get(name) if value is None else value for name, value in clip.items()}
        if clip.get("cost_usd") is None:
            clip["cost_usd"] = self._price_if_known()
        push_clip(context, clip["video_url"])
        self.log.info("The clip of request %s is there.", clip["request_id"])
        return clip

    def _price_if_known(self) -> float | None:
        """Ask the catalog; the clip is there, and nothing about its price may fail its task."""
        try:
            return self._price_usd(self._hook.get_conn())
        except Exception as error:
            self.log.warning("What the clip costs can't be told: %s", type(error).__name__)
            return None

    def _ended_badly(self, context: Context, error: KlingError, earlier: int) -> dict[str, Any]:
        """Buy again what failed for a passing reason; cancel what timed out, if asked to; else raise."""
        if isinstance(error, GenerationTimeout) and self.cancel_on_timeout and error.request_id:
            raise cancelled(error, error.request_id, self._hook.get_conn()) from None
        if not is_worth_another(error, earlier, on=self.resubmit_on, most=int(self.max_resubmissions)):
            raise error if self.durable else forgotten(error) from None
        pause = seconds("resubmit_delay", self.resubmit_delay)
        self.log.warning(
            "%s Submitting anew in %.0f s (%d of %d).",
            error.what,
            pause,
            earlier + 1,
            self.max_resubmissions,
        )
        until = time.time() + pause + seconds("submit_timeout", self.submit_timeout)
        try:
            self._pause(pause, until, earlier + 1)
        except Stopped:
            raise TaskStopped.between_two(error) from None
        clip: dict[str, Any] = self.resume_submission(context, until=until, earlier=earlier + 1)
        return clip

    @cached_property
    def _hook(self) -> GMICloudHook:
        return GMICloudHook(self.gmi_conn_id)
