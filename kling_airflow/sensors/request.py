"""The wait for a request, as a task of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from kling_airflow.airflow_compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)
from kling_airflow.arguments import name_or_none, seconds
from kling_airflow.errors import GenerationTimeout, KlingError, NotFound
from kling_airflow.exceptions import RequestSensorTimeout, airflow_errors, as_airflow, saying, task_errors
from kling_airflow.handed_on import HandedOn, find, unknown_request
from kling_airflow.hooks.gmi import GMICloudHook, default_connection
from kling_airflow.links import ClipLink, GalleryLink, RequestLink, push_request
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.task.operator import KlingTask, waits_in_triggerer
from kling_airflow.task.options import switch
from kling_airflow.task.rendering import tasks_of_dag
from kling_airflow.task.shot_failure import keeping_place, raise_if_failed

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context, Templated
    from kling_airflow.polling.decision import Wait
    from kling_airflow.task.literals import Literals
    from kling_airflow.task.refusals import Refusals
    from kling_airflow.task.wait import WorkerWait


class GMICloudRequestSensor(KlingTask, BaseSensorOperator):
    """Wait until a request's clip is there, and return the clip.

    The clip is a small dict, the same in every mode: ``request_id, model, status, video_url,
    thumbnail_url, duration, sound, cost_usd, submitted_at, finished_at, gmi_conn_id, label, outcome,
    left_out``. ``outcome`` holds all that the queue answered, so a model without clips hands on its result.

    A failed or cancelled generation is final here: clear the task that submitted it, and what follows.
    Waiting costs nothing, and neither does waiting again: the request stays alive when the wait ends.

    All times are seconds, as a number or its text, or a timedelta. Airflow's ``exponential_backoff`` and
    ``max_wait`` have no effect in the triggerer, where many waits share one poll.

    :param request_id: the request to wait for: its id, or the dict of its clip; templated.
    :param model: its model; None for what the task that submitted it says; templated.
    :param gmi_conn_id: the connection's id. None for the clip's own connection; else ``gmi_cloud_default``;
        and if that isn't defined, the connection of the upstream task that submitted the request; templated.
    :param label: the shot's name, for the clip; None for what the task that submitted it says; templated.
    :param deferrable: wait in the triggerer, holding no worker slot; else poke or reschedule, as ``mode``
        says. None for ``[operators] default_deferrable`` if that is set, else True.
    :param poll_interval: seconds between two polls, in every mode; at least 1 when the sensor defers. 10 if
        neither this nor Airflow's own argument ``poke_interval`` is given.
    :param timeout: seconds after which the wait gives up, counted from the start of this try.
    :param unreachable_after: seconds without any good response from the queue after which the wait gives up.
        (In ``mode="reschedule"`` no process remembers the last good response: only the timeout counts.)
    :param soft_fail: skip the task when the wait times out. Everything else is a failure, in every mode.
    """

    template_fields: Sequence[str] = ("request_id", "model", "gmi_conn_id", "clip_label")
    field_arguments: ClassVar[Mapping[str, str]] = {"clip_label": "label"}
    operator_extra_links = (RequestLink(), ClipLink(), GalleryLink())
    ui_color = "#e8f0ff"
    mapped_trigger_rule = "all_done"

    def __init__(
        self,
        *,
        request_id: Any,
        model: Templated[str] | None = None,
        gmi_conn_id: Templated[str] | None = None,
        label: Templated[str | float] | None = None,
        deferrable: bool | str | None = None,
        poll_interval: float | str | timedelta | None = None,
        poke_interval: float | str | timedelta | None = None,
        timeout: float | str | timedelta = 3600.0,
        unreachable_after: float | str | timedelta = 1800.0,
        soft_fail: bool | str = False,
        **kwargs: Any,
    ) -> None:
        with airflow_errors():
            if poll_interval is None and poke_interval is not None:
                interval = seconds("poke_interval", poke_interval)
            else:
                interval = 10.0 if poll_interval is None else seconds("poll_interval", poll_interval)
            timeout = seconds("timeout", timeout)
            unreachable_after = seconds("unreachable_after", unreachable_after)
            self.skip_on_timeout = switch("soft_fail", soft_fail)
            self.deferrable = waits_in_triggerer(deferrable)
        # The base class would skip on a wrong key, too: it isn't told, and the timeout is handled here.
        super().__init__(poke_interval=interval, timeout=timeout, soft_fail=False, **kwargs)
        self.request_id = request_id
        self.model: Any = model
        self.gmi_conn_id: Any = gmi_conn_id
        self.clip_label: Any = label
        self.unreachable_after = unreachable_after
        self._request: HandedOn | None = None
        self._worker_wait: WorkerWait | None = None
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        given.read("request_id", lambda _, value: HandedOn.read(value), none=True)
        for name in ("model", "gmi_conn_id", "label"):
            given.read(name, name_or_none)
        for name in ("poll_interval", "poke_interval", "timeout", "unreachable_after"):
            given.read(name, seconds)
        given.read("deferrable", switch)
        given.read("soft_fail", switch)

    def execute(self, context: Context) -> Any:
        """Wait, in the triggerer or here, and return the clip."""
        with task_errors(self.log):
            label = name_or_none("label", self.clip_label)
        with saying(self.log), keeping_place(context, label=label):
            return self._execute(context)

    def _execute(self, context: Context) -> Any:
        from kling_airflow.task.wait import WorkerWait

        with airflow_errors():
            self._request = request = self._handed_on(context)
            hook = GMICloudHook(request.gmi_conn_id or GMICloudHook.default_conn_name)
            hook.get_conn()
        wait = self._begin(context, request.request_id)
        try:
            push_request(context, request, hook.get_conn().protocol.base_url)
            self._worker_wait = WorkerWait(
                wait,
                hook,
                self.log,
                poll_interval=self._interval,
                refusals=self._refusals(context),
                model=request.model,
                context=context,
            )
            if not self.deferrable:
                return super().execute(context)
            if (clip := self._poll(context)) is not None:
                return clip
        except AirflowSensorTimeout as error:
            raise self._at_timeout(error) from None
        return self._defer(context, wait, request)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask the queue once."""
        clip = self._poll(context)
        return PokeReturnValue(is_done=clip is not None, xcom_value=clip)

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        *,
        request: Mapping[str, Any] | None = None,
        **tolerated: Any,
    ) -> dict[str, Any]:
        """Read the trigger's event: return the clip, or raise what ended the wait.

        :param request: the request, as ``execute`` has found it.
        :param tolerated: arguments of another version of this package: an upgrade fails no waiting task.
        """
        from kling_airflow.polling.decision import from_event

        with airflow_errors():
            self._request = HandedOn.read(request) if request else self._handed_on(context)
        with keeping_place(context, label=self._request.label):
            try:
                clip = from_event(event)
            except KlingError as error:
                raise self._error(context, error) from None
            return self._clip(context, clip)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the trigger; a timeout there skips under ``soft_fail``, and nothing else does."""
        with saying(self.log):
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except AirflowSensorTimeout as error:
                raise self._at_timeout(error) from None

    def _handed_on(self, context: Context) -> HandedOn:
        """Return the request with its model, connection and label, of wherever each is said."""
        raise_if_failed(self.request_id)
        given = HandedOn.read(self.request_id)
        submitted = self._submitted(context, given.request_id) or given
        named = name_or_none("gmi_conn_id", self.gmi_conn_id) or given.gmi_conn_id
        return HandedOn(
            request_id=given.request_id,
            model=name_or_none("model", self.model) or given.model or submitted.model or IMAGE_TO_VIDEO,
            gmi_conn_id=named or default_connection(submitted.gmi_conn_id),
            label=name_or_none("label", self.clip_label) or given.label or submitted.label,
            task_id=submitted.task_id,
        )

    def _submitted(self, context: Context, request_id: str) -> HandedOn | None:
        """Return what the upstream task that submitted the request says of it."""
        tasks = tasks_of_dag(self)
        upstream = [tasks[name] for name in sorted(self.upstream_task_ids) if name in tasks]
        return find(context["ti"], upstream, request_id)

    def _begin(self, context: Context, request_id: str) -> Wait:
        from kling_airflow.task.wait import begin_wait

        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        return begin_wait(
            request_id,
            timeout=self.timeout,
            unreachable_after=self.timeout if self.reschedule else self.unreachable_after,
            started_at=first.timestamp() if first else None,
        )

    @property
    def _interval(self) -> float:
        from kling_airflow.polling.decision import checked_interval

        return checked_interval(self.poke_interval)

    def _refusals(self, context: Context) -> Refusals | None:
        """Return what earlier polls have seen, if each poll is a process of its own."""
        from kling_airflow.task.refusals import Refusals

        store = context.get("task_state_store") if self.reschedule else None
        return None if store is None else Refusals(store, try_number=context["ti"].try_number)

    def _poll(self, context: Context) -> dict[str, Any] | None:
        """Ask the queue once: return the clip, None if the wait goes on, or raise what ends the wait."""
        assert self._worker_wait is not None  # noqa: S101 -- execute() comes first
        try:
            request = self._worker_wait.poll()
        except KlingError as error:
            raise self._error(context, error) from None
        if request is None and isinstance(self._worker_wait.last_error, NotFound):
            self._check_connection(context)
        return None if request is None else self._clip(context, request.clip().to_json())

    def _check_connection(self, context: Context) -> None:
        """Say at once that the queue doesn't know the request; raise if another connection submitted it."""
        assert self._request is not None  # noqa: S101 -- execute() comes first
        submitted = self._submitted(context, self._request.request_id)
        error = unknown_request(self._request, submitted)
        if submitted is not None and submitted.gmi_conn_id not in (None, self._request.gmi_conn_id):
            raise as_airflow(error)
        self.log.warning("%s %s A new request may appear within some minutes.", error.what, error.todo)

    def _defer(self, context: Context, wait: Wait, request: HandedOn) -> None:
        from kling_airflow.task.wait import defer_until_done

        if self.exponential_backoff:
            self.log.warning(
                "`exponential_backoff` has no effect in the triggerer, where many waits share one poll: the"
                " interval stays %g s. Set `poll_interval`, or `deferrable=False`.",
                self._interval,
            )
        defer_until_done(
            self,
            wait,
            gmi_conn_id=request.gmi_conn_id or "",
            model=request.model or "",
            poll_interval=self._interval,
            kwargs={"request": request.to_json()},
            context=context,
        )

    def _clip(self, context: Context, clip: dict[str, Any]) -> dict[str, Any]:
        from kling_airflow.task.clip_result import hand_on_clip, log_result

        assert self._request is not None  # noqa: S101 -- execute() and execute_complete() set it
        clip = clip | {"gmi_conn_id": self._request.gmi_conn_id, "label": self._request.label}
        log_result(self.log, clip)
        hand_on_clip(context, clip, self.outlets)
        return self.as_outputs(clip)

    def _error(self, context: Context, error: KlingError) -> Exception:
        """Return what to raise for the error that ended the wait."""
        if isinstance(error, NotFound) and self._request is not None:
            error = unknown_request(self._request, self._submitted(context, self._request.request_id))
        if isinstance(error, GenerationTimeout):
            return RequestSensorTimeout(
                error.what, money=error.money, todo=error.todo, request_id=error.request_id
            )
        return as_airflow(error)

    def _at_timeout(self, error: AirflowSensorTimeout) -> Exception:
        """Return what to raise at a timeout: of the wait, of Airflow's own loop, or of its deferral."""
        if not isinstance(error, RequestSensorTimeout):
            request_id = self._request.request_id if self._request else str(self.request_id)
            error = RequestSensorTimeout(
                f"Request {request_id} did not end within {self.timeout:g} s.",
                todo="Run this task again to wait on: it waits for the same request and buys nothing."
                " Or raise `timeout`.",
                request_id=request_id,
            )
        if self.skip_on_timeout:
            return AirflowSkipException(f"{error} Skipped, as `soft_fail` asks.")
        return error
