"""All clips of a storyboard in one task: submitted, waited for, landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kling_airflow.exceptions import task_errors
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.links import GalleryLink, ReportLink, RequestLink
from kling_airflow.task.operator import waits_in_triggerer
from kling_airflow.task.stop_flag import StopFlag
from kling_airflow.task.storyboard_arguments import StoryboardArguments, written_frames

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.lineage import Lineage
    from kling_airflow.task.literals import Literals


class KlingStoryboardOperator(StoryboardArguments):
    """Buy all clips of a storyboard, each once, and land each as soon as it is there.

    One task, one deferral and one trigger for all shots: a mapped task has them for each shot. Each take of
    each shot is an order of its own under all rules of :class:`GenerationOperator`: a retry, a kill or a
    clear continues each one where it was, and buys none twice. A shot's name tells its orders from those of
    others: a shot with another name is another order.

    Returns a report: ``clips, landed, failed, cost_usd, report_uri`` and, in ``shots``, for each take
    ``name, state, take, request_id, cost_usd, uri`` and more. It is stored as ``report.json`` beside the
    clips, and is the XCom ``report`` if the task fails, too. The XCom ``uris`` lists the landed clips.

    What is not described here is described at :class:`GenerationOperator`; the times count for each shot.

    :param storyboard: the address of a YAML, JSON or CSV file; a path, or an ``ObjectStoragePath``; or a list
        of dicts; templated, as are all parameters up to ``adopt_request_ids``.
    :param destination: the folder that the clips go to, each under its take's name: ``launch.mp4``.
    :param max_in_flight: requests in the queue at a time, at most. None for ``pool_slots`` if the task names
        a pool, so that the pool counts clips; else 20.
    :param on_shot_failure: ``fail_at_end``: all that can land does, and then the task fails; ``fail_fast``:
        nothing more is submitted, what is in the queue lands, and then the task fails; ``continue``: the
        task succeeds, and the report names what failed. Except with ``continue``, the first try reads all
        frames before it buys anything, and a frame that can't be used fails the task.
    :param max_cost_usd: refuse a clip that costs more. For each clip.
    :param budget_usd: refuse, before anything is bought, a storyboard that costs more; what was bought for
        its shots under other prompts counts, too. None for no limit; ``[kling] budgets`` hold besides.
    :param aspect_ratio: the shape that each picture is made, so that any image in any format is a frame, as
        ``PrepareFrameOperator`` makes it: "16:9", "9:16", "1:1" or "source". None takes pictures as they are,
        as does ``image_delivery="url"``.
    :param fit: how: "cover", "contain" or "stretch".
    :param image_delivery: how the frames get to the queue: ``auto``, ``upload``, ``base64`` or ``url``.
    :param storyboard_conn_id: the connection of the storyboard's store; None for the store's default.
    :param image_conn_id: the same, of the frames' store.
    :param destination_conn_id: the same, of the destination.
    :param adopt_request_ids: requests that you know to be a take's, by its name; see ``adopt_request_id``.
    :param land_every: seconds, after a clip is there, in which others are waited for, so that they are landed
        together: each time the task needs a worker slot.
    :param on_mismatch: "fail" refuses a clip that is damaged or not what was asked for; "warn" lands it.
    :param overwrite: whether to replace files at the destination that no landing wrote, and the clip of
        another order that this run has landed there before.
    :param poster: whether to write a poster of each clip.
    :param signing_conn_id: connection with a key that each clip is signed with (C2PA, extra ``c2pa``), as for
        ``ClipToObjectStorageOperator``. None stores the clips as they came.
    :param object_options: parameters of S3's calls for the destination.
    """

    template_fields: Sequence[str] = (
        "storyboard",
        "destination",
        "max_in_flight",
        "on_shot_failure",
        "max_cost_usd",
        "budget_usd",
        "aspect_ratio",
        "fit",
        "image_delivery",
        "storyboard_conn_id",
        "image_conn_id",
        "destination_conn_id",
        "adopt_request_ids",
        "signing_conn_id",
        "gmi_conn_id",
        "on_unresolved",
        "ledger",
    )
    operator_extra_links = (RequestLink(), ReportLink(), GalleryLink())
    limit_fields = ("max_cost_usd", "budget_usd")
    stores_at = "destination"
    ui_color = "#dcfce7"

    def __init__(
        self,
        *,
        storyboard: Any,
        destination: Any,
        max_in_flight: int | str | None = None,
        on_shot_failure: str = "fail_at_end",
        max_cost_usd: float | str | None = None,
        budget_usd: float | str | None = None,
        aspect_ratio: str | None = "16:9",
        fit: str = "cover",
        image_delivery: str = "auto",
        storyboard_conn_id: str | None = None,
        image_conn_id: str | None = None,
        destination_conn_id: str | None = None,
        adopt_request_ids: Mapping[str, str] | None = None,
        land_every: float | timedelta = 60.0,
        on_mismatch: str = "fail",
        overwrite: bool = False,
        poster: bool = True,
        signing_conn_id: str | None = None,
        object_options: Mapping[str, Any] | None = None,
        gmi_conn_id: str = GMICloudHook.default_conn_name,
        adopt_mismatch: str = "refuse",
        durable: bool = True,
        ledger: str | None = None,
        deferrable: bool | None = None,
        poll_interval: float | timedelta = 10.0,
        timeout: float | timedelta = 3600.0,
        unreachable_after: float | timedelta = 1800.0,
        submit_timeout: float | timedelta = 3600.0,
        reconcile_grace: float | timedelta = 600.0,
        on_unresolved: str = "fail",
        on_changed_request: str = "reuse",
        on_clear: str = "keep",
        resubmit_on: str = "passing",
        max_resubmissions: int = 2,
        resubmit_delay: float | timedelta = 60.0,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.storyboard = storyboard
        self.destination = destination
        self.max_in_flight = max_in_flight
        self.on_shot_failure = on_shot_failure
        self.max_cost_usd = max_cost_usd
        self.budget_usd = budget_usd
        self.aspect_ratio = aspect_ratio
        self.fit = fit
        self.image_delivery = image_delivery
        self.storyboard_conn_id = storyboard_conn_id
        self.image_conn_id = image_conn_id
        self.destination_conn_id = destination_conn_id
        self.adopt_request_ids = adopt_request_ids
        self.land_every = land_every
        self.on_mismatch = on_mismatch
        self.overwrite = overwrite
        self.poster = poster
        self.signing_conn_id = signing_conn_id
        self.object_options = object_options
        self.gmi_conn_id = gmi_conn_id
        self.adopt_mismatch = adopt_mismatch
        self.durable = durable
        self.ledger = ledger
        self.deferrable = waits_in_triggerer(deferrable)
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.unreachable_after = unreachable_after
        self.submit_timeout = submit_timeout
        self.reconcile_grace = reconcile_grace
        self.on_unresolved = on_unresolved
        self.on_changed_request = on_changed_request
        self.on_clear = on_clear
        self.resubmit_on = resubmit_on
        self.max_resubmissions = max_resubmissions
        self.resubmit_delay = resubmit_delay
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.stop = StopFlag()
        self._lineage: tuple[list[str | None], list[str | None]] = ([], [])
        frames = written_frames(storyboard)
        self.written_places = WrittenPlaces(
            self, storyboard=storyboard, destination=destination, frame=frames, end_frame=frames
        )
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say, in a literal storyboard as well."""
        from kling_airflow.task.storyboard_literals import check_literal_storyboard

        check_literal_storyboard(given)

    def execute(self, context: Context) -> dict[str, Any]:
        """Buy what isn't bought yet, wait for all, land each; return the report."""
        from kling_airflow.task.storyboard_task import StoryboardTask

        with task_errors(self.log):
            return self._ended(StoryboardTask.begin(self, context))

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        *,
        progress: list[dict[str, Any]] | None = None,
        claims: dict[str, int] | None = None,
        trace: str | None = None,
        **tolerated: Any,
    ) -> dict[str, Any]:
        """Go on after a wait in the triggerer.

        :param progress: how far each take had come. ``dag.test()`` drops what a deferral carries (Airflow
            3.3.2): without it the task begins anew, and the ledger says what was bought.
        :param claims: what was claimed in ``budget_usd``, in millionths of a US dollar.
        :param trace: the place of the task's first span; None if tracing is off.
        :param tolerated: arguments of another version of this package.
        """
        from kling_airflow.task.storyboard_task import StoryboardTask

        if progress is None:
            return self.execute(context)
        with task_errors(self.log):
            return self._ended(StoryboardTask.resume(self, context, event, progress, claims or {}, trace))

    def _ended(self, task: Any) -> dict[str, Any]:
        try:
            report: dict[str, Any] = task.run()
            self.lineage_result = report
        finally:
            self._lineage = task.lineage()
        return self.as_outputs(report)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the frames as inputs and the landed clips as outputs."""
        from kling_airflow.lineage import lineage

        return lineage(inputs=self._lineage[0], outputs=self._lineage[1], result=self.lineage_result)

    def on_kill(self) -> None:
        """Set a flag that the waiting code checks, as :meth:`GenerationOperator.on_kill` does."""
        self.stop.set()
