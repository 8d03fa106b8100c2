"""The steps of a generation that operators share: submit once, wait, hand the clip on, submit again."""

from __future__ import annotations

import time
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import name_or_none
from kling_airflow.errors import InvalidArgument, KlingError
from kling_airflow.handed_on import HandedOn
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.task.operator import KlingTask
from kling_airflow.task.options import GenerationOptions
from kling_airflow.task.stop_flag import StopFlag, Stopped

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.lineage import Lineage
    from kling_airflow.polling.decision import Wait
    from kling_airflow.submission.order import Order, Submitted


class GenerationTask(KlingTask):
    """What each operator that buys a generation does in its task; the arguments are the operator's."""

    gmi_conn_id: Any
    clip_label: Any
    durable: bool
    wait_for_completion: bool
    deferrable: bool
    cancel_on_kill: bool
    _stop: StopFlag
    _lineage: tuple[list[str | None], list[str | None]]
    _prepared: bool
    _trace: str | None = None
    """The place of the submission in the task's trace; None if tracing is off."""

    @abstractmethod
    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        """Check everything that can be checked for free, and return what is asked for.

        :param generation: what makes the order of a cleared task another order; 0 if a clear keeps it.
        """

    @abstractmethod
    def _model(self) -> str:
        """Return the model's id."""

    def _asked(self) -> dict[str, Any]:
        """Return the clip's fields as they were asked for; used for fields that the queue doesn't echo."""
        return {}

    def before_submission(self, context: Context) -> None:
        """Change arguments here in a subclass, such as ``self.prompt``: ``execute`` isn't on every path.

        It is called once in each process of a task, after the templates are rendered and before the order is
        made: in the first try, in retries, after a deferral, and before a failed request is submitted again.
        It must give the same each time, or the task asks for something else.
        """

    def _prepare(self, context: Context) -> None:
        if not self._prepared:
            self._prepared = True
            self._refuse_parts_of_an_id()
            self.before_submission(context)

    def _refuse_parts_of_an_id(self) -> None:
        """Refuse what Airflow would refuse once the request is bought: parts of a result that has none."""
        if self.multiple_outputs and not self.wait_for_completion:
            raise InvalidArgument(
                "`multiple_outputs` is True, and a task that doesn't wait returns its request's id, which has"
                " no parts. Set `wait_for_completion=True`, or leave `multiple_outputs` out."
            )

    def _frames_used(self) -> list[str | None]:
        """Return the addresses of the frames, for lineage."""
        return []

    def _price_usd(self, client: GMIClient) -> float | None:
        """Return what the clip costs, if the price list doesn't say; called when the clip is there."""
        return None

    @abstractmethod
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
        """Submit, at first or after a pause that gave the worker slot back."""

    def _submit(
        self, context: Context, client: GMIClient, until: float, earlier: int, in_doubt: list[Any] | None
    ) -> Submitted:
        from kling_airflow.hooks.span_names import SUBMIT
        from kling_airflow.hooks.tracing import span
        from kling_airflow.task.stop import TaskStopped
        from kling_airflow.task.submission import generation_of, open_submitter, submit
        from kling_airflow.task.tries import Tries

        options, tries = self._options, Tries.of(context, retries=self.retries or 0)
        submitter = open_submitter(context, client, self.log, options, tries, until=until, stop=self._stop)
        try:
            with span(SUBMIT, context, connection=options.gmi_conn_id, earlier=earlier) as step:
                self._trace = step.place()
                return submit(
                    submitter,
                    lambda: self._order(client, generation=generation_of(options, tries)),
                    options,
                    tries,
                    self.log,
                    stop=self._stop,
                    earlier=earlier,
                    in_doubt=in_doubt,
                    pause=lambda seconds, order: self._pause(seconds, until, earlier, in_doubt=order),
                    span=step,
                )
        except Stopped:
            sent = not options.durable or bool(submitter.bought_before())
            raise TaskStopped.while_submitting(durable=options.durable, sent=sent) from None

    def _pause(
        self, seconds: float, until: float, earlier: int, *, in_doubt: list[Any] | None = None
    ) -> None:
        from kling_airflow.task.pause import pause

        pause(
            self,
            seconds,
            self._stop,
            may_defer=self.deferrable and self.durable,
            resume_with="resume_submission",
            kwargs={"until": until, "earlier": earlier} | ({"in_doubt": in_doubt} if in_doubt else {}),
        )

    def _handed_on(self, request_id: str) -> HandedOn:
        return HandedOn(
            request_id=request_id,
            model=self._model(),
            gmi_conn_id=self._hook.gmi_conn_id,
            label=self._label,
            task_id=self.task_id,
        )

    @property
    def submission_seconds(self) -> float:
        """Return how long the submission goes on trying, in seconds."""
        return self._options.submit_timeout

    @property
    def _options(self) -> GenerationOptions:
        """Return the arguments as they are meant; wrong ones are refused before anything is spent."""
        return GenerationOptions.read(vars(self))

    def _wait_for_clip(self, context: Context, submitted: Submitted) -> dict[str, Any]:
        from kling_airflow.task.stop import TaskStopped, stopping_safely
        from kling_airflow.task.wait import WorkerWait, begin_wait

        options, client = self._options, self._hook.get_conn()
        wait = begin_wait(
            submitted.request_id,
            timeout=options.timeout,
            unreachable_after=options.unreachable_after,
            submitted_at=submitted.submitted_at,
        )
        worker_wait = WorkerWait(
            wait,
            self._hook,
            self.log,
            poll_interval=options.poll_interval,
            model=self._model(),
            context=context,
            trace=self._trace,
        )
        defer = (lambda: self._defer_wait(context, wait, submitted)) if self.deferrable else None
        try:
            with stopping_safely(submitted.request_id, client, self.log, context, options):
                request = worker_wait.until_done(self._stop, defer=defer)
            return self._clip(context, request.clip().to_json())
        except TaskStopped:
            raise
        except KlingError as error:
            return self._resubmit_or_raise(context, error, submitted.earlier)

    def _defer_wait(self, context: Context, wait: Wait, submitted: Submitted) -> None:
        from kling_airflow.task.wait import defer_until_done

        defer_until_done(
            self,
            wait,
            gmi_conn_id=self._hook.gmi_conn_id,
            model=self._model(),
            poll_interval=self._options.poll_interval,
            cancel_on_kill=self.cancel_on_kill,
            kwargs={"earlier": submitted.earlier},
            context=context,
            trace=self._trace,
        )

    def _clip(self, context: Context, clip: dict[str, Any]) -> dict[str, Any]:
        from kling_airflow.task.clip_fields import completed
        from kling_airflow.task.clip_result import hand_on_clip, log_result

        known = {"gmi_conn_id": self._hook.gmi_conn_id, "label": self._label} | self._asked()
        clip = completed(clip, known, lambda: self._price_usd(self._hook.get_conn()), self.log)
        hand_on_clip(context, clip, self.outlets)
        self._lineage, self.lineage_result = (self._frames_used(), [clip["video_url"]]), clip
        log_result(self.log, clip)
        return self.as_outputs(clip)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the frames as inputs and the clip's address as the output."""
        from kling_airflow.lineage import lineage

        return lineage(inputs=self._lineage[0], outputs=self._lineage[1], result=self.lineage_result)

    def _resubmit_or_raise(self, context: Context, error: KlingError, earlier: int) -> dict[str, Any]:
        from kling_airflow.task.resubmission import raise_unless_resubmitted
        from kling_airflow.task.stop import TaskStopped
        from kling_airflow.task.unbilled import release_unbilled

        options = self._options
        try:
            raise_unless_resubmitted(error, earlier, options, self._hook.get_conn, self.log)
        except KlingError as final:
            release_unbilled(context, options, final, self.log)
            raise
        until = time.time() + options.resubmit_delay + options.submit_timeout
        try:
            self._pause(options.resubmit_delay, until, earlier + 1)
        except Stopped:
            raise TaskStopped.before_resubmission(error) from None
        clip: dict[str, Any] = self.resume_submission(context, until=until, earlier=earlier + 1)
        return clip

    @cached_property
    def _hook(self) -> GMICloudHook:
        conn_id = name_or_none("gmi_conn_id", self.gmi_conn_id)
        return GMICloudHook(conn_id or GMICloudHook.default_conn_name)

    @property
    def _label(self) -> str | None:
        """Return the shot's name; one that can't be stored is refused before anything is sent."""
        return name_or_none("label", self.clip_label)
