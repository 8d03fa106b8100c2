"""The wait for a request, as a task of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from kling_airflow.errors import GenerationTimeout, InvalidArgument, KlingError
from kling_airflow.exceptions import RequestSensorTimeout, as_airflow
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.links import ClipLink, ConsoleLink, push_clip, push_request
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.task.operator import KlingTask

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from kling_airflow.polling.decision import Wait
    from kling_airflow.task.wait import WorkerWait


class GMICloudRequestSensor(KlingTask, BaseSensorOperator):
    """Wait until a request's clip is there, and return the clip.

    The clip is a small dict, the same in every mode: ``request_id, model, status, video_url,
    thumbnail_url, duration, sound, cost_usd, submitted_at, finished_at``.

    A failed or cancelled generation is final here: clear the task that submitted it, and what follows.
    Waiting costs nothing, and neither does waiting again: the request stays alive when the wait ends.

    :param request_id: the request to wait for; templated.
    :param model: its model; templated.
    :param gmi_conn_id: the connection's id; templated.
    :param deferrable: wait in the triggerer, holding no worker slot; else poke or reschedule, as ``mode``
        says.
    :param poke_interval: seconds between two polls, in every mode.
    :param timeout: seconds after which the wait gives up, counted from the start of this try.
    :param unreachable_after: seconds without any good response from the queue after which the wait gives up.
        (In ``mode="reschedule"`` no process remembers the last good response: only the timeout counts.)
    :param soft_fail: skip the task when the wait times out. Everything else is a failure, in every mode.
    """

    template_fields: Sequence[str] = ("request_id", "model", "gmi_conn_id")
    operator_extra_links = (ConsoleLink(), ClipLink())
    ui_color = "#e8f0ff"

    def __init__(
        self,
        *,
        request_id: str,
        model: str = IMAGE_TO_VIDEO,
        gmi_conn_id: str = GMICloudHook.default_conn_name,
        deferrable: bool = True,
        poke_interval: float | timedelta = 10.0,
        timeout: float | timedelta = 3600.0,
        unreachable_after: float = 1800.0,
        soft_fail: bool = False,
        **kwargs: Any,
    ) -> None:
        # The base class would skip on a wrong key, too: it isn't told, and the timeout is handled here.
        super().__init__(poke_interval=poke_interval, timeout=timeout, soft_fail=False, **kwargs)
        self.request_id = request_id
        self.model = model
        self.gmi_conn_id = gmi_conn_id
        self.deferrable = deferrable
        self.unreachable_after = unreachable_after
        self.skip_on_timeout = soft_fail
        self._worker_wait: WorkerWait | None = None

    def execute(self, context: Context) -> Any:
        """Wait, in the triggerer or here, and return the clip."""
        from kling_airflow.task.wait import WorkerWait

        wait = self._begin(context)
        try:
            client = self._hook.get_conn()
            push_request(context, wait.request_id, client.protocol.base_url)
            self._worker_wait = WorkerWait(wait, client, self.log, poll_interval=self.poke_interval)
            if not self.deferrable:
                return super().execute(context)
            if (clip := self._poll(context)) is not None:
                return clip
        except AirflowSensorTimeout as error:
            raise self._at_timeout(error) from None
        return self._defer(wait)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask the queue once."""
        clip = self._poll(context)
        return PokeReturnValue(is_done=clip is not None, xcom_value=clip)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the trigger's event: return the clip, or raise what ended the wait."""
        from kling_airflow.polling.decision import from_event

        try:
            clip = from_event(event)
        except KlingError as error:
            raise _as_sensor_error(error) from None
        return self._clip(context, clip)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the trigger; a timeout there skips under ``soft_fail``, and nothing else does."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout as error:
            raise self._at_timeout(error) from None

    @cached_property
    def _hook(self) -> GMICloudHook:
        return GMICloudHook(self.gmi_conn_id)

    def _begin(self, context: Context) -> Wait:
        from kling_airflow.task.wait import begin_wait

        if not isinstance(self.request_id, str) or not self.request_id.strip():
            raise as_airflow(
                InvalidArgument(
                    f"`request_id` is {self.request_id!r}; it must be the id of a request",
                    todo="Check the template or the task it comes from.",
                )
            )
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        return begin_wait(
            self.request_id.strip(),
            timeout=self.timeout,
            unreachable_after=self.timeout if self.reschedule else self.unreachable_after,
            started_at=first.timestamp() if first else None,
        )

    def _poll(self, context: Context) -> dict[str, Any] | None:
        """Ask the queue once: return the clip, None if the wait goes on, or raise what ends the wait."""
        assert self._worker_wait is not None  # noqa: S101 -- execute() comes first
        try:
            request = self._worker_wait.poll()
        except KlingError as error:
            raise _as_sensor_error(error) from None
        return None if request is None else self._clip(context, request.clip().to_json())

    def _defer(self, wait: Wait) -> None:
        from kling_airflow.task.wait import defer_until_done

        defer_until_done(
            self,
            wait,
            gmi_conn_id=self.gmi_conn_id,
            model=self.model,
            poll_interval=self.poke_interval,
        )

    def _clip(self, context: Context, clip: dict[str, Any]) -> dict[str, Any]:
        self.log.info("The clip of request %s is there (%s s).", clip["request_id"], clip["duration"])
        push_clip(context, clip["video_url"])
        return clip

    def _at_timeout(self, error: AirflowSensorTimeout) -> Exception:
        """Return what to raise at a timeout: of the wait, of Airflow's own loop, or of its deferral."""
        if not isinstance(error, RequestSensorTimeout):
            error = RequestSensorTimeout(
                f"Request {self.request_id} did not end within {self.timeout:g} s.",
                todo="Run this task again to wait on: it waits for the same request and buys nothing."
                " Or raise `timeout`.",
                request_id=self.request_id,
            )
        if self.skip_on_timeout:
            return AirflowSkipException(f"{error} Skipped, as `soft_fail` asks.")
        return error


def _as_sensor_error(error: KlingError) -> Exception:
    if isinstance(error, GenerationTimeout):
        return RequestSensorTimeout(
            error.what, money=error.money, todo=error.todo, request_id=error.request_id
        )
    return as_airflow(error)
