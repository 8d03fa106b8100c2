"""What every operator that buys a generation does: submit once, and wait if asked to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from kling_airflow.errors import KlingError
from kling_airflow.exceptions import airflow_errors, task_errors
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.links import ClipLink, GalleryLink, RequestLink, push_request
from kling_airflow.task.generation import GenerationTask
from kling_airflow.task.operator import waits_in_triggerer
from kling_airflow.task.options import check_literal_options, switch
from kling_airflow.task.stop_flag import StopFlag

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context, Templated
    from kling_airflow.task.literals import Literals


class GenerationOperator(GenerationTask):
    """Submit one order, once, however often the task runs; wait for it if asked to.

    :param gmi_conn_id: the queue's connection; templated.
    :param label: your name of the shot; the clip carries it, so that a file can be named after it; templated.
    :param take: which take of the same order, 1 for the first; templated.
    :param adopt_request_id: a request that you know to be this order's; the task takes it instead of buying
        one; templated.
    :param adopt_mismatch: ``refuse`` or ``allow`` a request that asks for something else than this task.
    :param durable: keep a record of the submission in a ledger. With False a crash may buy the clip twice.
    :param ledger: the address of a ledger in an object store (``s3://...``), used instead of Airflow's task
        state store; None for ``[kling] ledger``, and if that isn't set, the task state store; templated.
    :param wait_for_completion: return the clip, not the request id.
    :param deferrable: wait in the triggerer, holding no worker slot. None for ``[operators]
        default_deferrable`` if that is set, else True.
    :param poll_interval: seconds between two polls of the request.
    :param timeout: seconds to wait for one request.
    :param unreachable_after: seconds without any good response from the queue after which the wait gives up.
    :param submit_timeout: seconds to keep trying while the queue says "not now".
    :param reconcile_grace: seconds to look for a request whose POST got no response, before
        ``on_unresolved`` decides.
    :param on_unresolved: ``fail``, so that a person decides, or ``resubmit``, which may buy the clip twice;
        templated.
    :param on_changed_request: what to do if this task instance has asked for something else before: ``reuse``
        the earlier request in an automatic retry, and submit the new order in a try that a user asked for;
        ``submit`` the new order in every try; or ``fail``. A failed request does not count, because it isn't
        billed; a cancelled one does.
    :param on_clear: ``keep`` and find the clip that was bought before a clear, or ``buy`` another. A clear of
        a running task looks like a retry to the task, and keeps.
    :param resubmit_on: which failed generations are submitted again while waiting: ``passing`` reasons (rate
        limit, capacity, download), ``any``, or ``never``. Failed generations are not billed.
    :param max_resubmissions: how often, at most, over all tries.
    :param resubmit_delay: seconds before each resubmission.
    :param cancel_on_kill: cancel the request when a user ends the waiting task: marks it failed or success,
        or removes it. Never on a clear, an eviction, a restart, or ``skipped``, which Airflow sets, too.
    :param cancel_on_timeout: cancel the request when the wait times out.
    """

    template_fields: Sequence[str] = (
        "gmi_conn_id",
        "clip_label",
        "take",
        "adopt_request_id",
        "on_unresolved",
        "ledger",
    )
    field_arguments: ClassVar[Mapping[str, str]] = {"clip_label": "label"}
    hands_on_request = True
    operator_extra_links = (RequestLink(), ClipLink(), GalleryLink())
    ui_color = "#dcfce7"

    def __init__(
        self,
        *,
        gmi_conn_id: Templated[str] | None = GMICloudHook.default_conn_name,
        label: Templated[str | float] | None = None,
        take: Templated[int | str] | None = 1,
        adopt_request_id: Templated[str] | None = None,
        adopt_mismatch: str = "refuse",
        durable: bool | str = True,
        ledger: Templated[str] | None = None,
        wait_for_completion: bool | str = False,
        deferrable: bool | str | None = None,
        poll_interval: float | str | timedelta = 10.0,
        timeout: float | str | timedelta = 3600.0,
        unreachable_after: float | str | timedelta = 1800.0,
        submit_timeout: float | str | timedelta = 3600.0,
        reconcile_grace: float | str | timedelta = 600.0,
        on_unresolved: Templated[str] | None = "fail",
        on_changed_request: str = "reuse",
        on_clear: str = "keep",
        resubmit_on: str = "passing",
        max_resubmissions: int | str = 2,
        resubmit_delay: float | str | timedelta = 60.0,
        cancel_on_kill: bool | str = True,
        cancel_on_timeout: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # A templated argument holds what it will be when the task runs only after its template is rendered.
        self.gmi_conn_id: Any = gmi_conn_id
        self.clip_label: Any = label
        self.take: Any = take
        self.adopt_request_id: Any = adopt_request_id
        self.adopt_mismatch = adopt_mismatch
        self.ledger: Any = ledger
        with airflow_errors():
            self.durable = switch("durable", durable)
            self.wait_for_completion = switch("wait_for_completion", wait_for_completion)
            self.deferrable = waits_in_triggerer(deferrable)
            self.cancel_on_kill = switch("cancel_on_kill", cancel_on_kill)
            self.cancel_on_timeout = switch("cancel_on_timeout", cancel_on_timeout)
            self._refuse_parts_of_an_id()
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.unreachable_after = unreachable_after
        self.submit_timeout = submit_timeout
        self.reconcile_grace = reconcile_grace
        self.on_unresolved: Any = on_unresolved
        self.on_changed_request = on_changed_request
        self.on_clear = on_clear
        self.resubmit_on = resubmit_on
        self.max_resubmissions = max_resubmissions
        self.resubmit_delay = resubmit_delay
        self._stop = StopFlag()
        self._prepared = False
        self._lineage = ([], [])
        self.check_own_literals(GenerationOperator)  # a subclass checks the rest when its arguments are set

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse wrong options; a subclass calls this before it checks arguments of its own."""
        check_literal_options(given)

    def execute(self, context: Context) -> Any:
        """Submit, or find what was submitted; then return the request id, or wait and return the clip."""
        with self._errors(context):
            until = time.time() + self.submission_seconds
        return self.resume_submission(context, until=until)

    @contextmanager
    def _errors(self, context: Context) -> Iterator[None]:
        """Let errors leave as Airflow's, and leave a failed map index' place filled."""
        from kling_airflow.task.shot_failure import keeping_place

        with task_errors(self.log), keeping_place(context, label=self._label):
            yield

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
        :param in_doubt: fingerprint and take of the order that this try deferred on; the queue may
            have its POST.
        :param tolerated: arguments of another version of this package, as in :meth:`execute_complete`: an
            upgrade, or its undoing, fails no waiting task.
        """
        from kling_airflow.task.stop import raise_if_ended
        from kling_airflow.task.submission import begin
        from kling_airflow.task.tries import Tries

        with self._errors(context):
            self._prepare(context)
            begin(context, self._options, Tries.of(context, retries=self.retries or 0))
            client = self._hook.get_conn()
            submitted = self._submit(context, client, until, earlier, in_doubt)
            push_request(context, self._handed_on(submitted.request_id), client.protocol.base_url)
            if self.wait_for_completion:
                return self._wait_for_clip(context, submitted)
            raise_if_ended(self._stop, submitted.request_id, client, context, self._options)
            return submitted.request_id

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, *, earlier: int = 0, **tolerated: Any
    ) -> dict[str, Any]:
        """Read the trigger's event: return the clip, submit a failed request again, or raise.

        :param earlier: how many requests of this order had failed before this one.
        """
        from kling_airflow.polling.decision import from_event

        with self._errors(context):
            self._prepare(context)
            try:
                return self._clip(context, from_event(event))
            except KlingError as error:
                return self._resubmit_or_raise(context, error, earlier)

    def on_kill(self) -> None:
        """Set a flag that the waiting code checks.

        A SIGTERM doesn't say what the user wants, and a call to Airflow here would dead-lock (3.3.2).
        """
        self._stop.set()
