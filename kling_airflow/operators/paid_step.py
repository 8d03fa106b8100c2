"""What a paid step hands on, and what a kind of generation or a subclass may say of it."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import text_or_none
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.task.handed_on import HandedOn
from kling_airflow.task.operator import KlingTask

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.lineage import Lineage


class PaidStep(KlingTask):
    """A task that buys a generation: its request, its clip, its lineage."""

    gmi_conn_id: str
    clip_label: str | None
    _prepared = False
    _lineage: tuple[list[str | None], list[str | None]] = ([], [])

    @abstractmethod
    def _model(self) -> str:
        """Return the model's id."""

    def _asked(self) -> dict[str, Any]:
        """Return the clip's fields as they were asked for; used for fields that the queue doesn't echo."""
        return {}

    def _price_usd(self, client: GMIClient) -> float | None:
        """Return what the clip costs, if the price list doesn't say; called when the clip is there."""
        return None

    def before_submission(self, context: Context) -> None:
        """Change arguments here in a subclass, such as ``self.prompt``: ``execute`` isn't on every path.

        It is called once in each process of a task, after the templates are rendered and before the order is
        made: in the first try, in retries, after a deferral, and before a failed request is submitted again.
        It must give the same each time, or the task asks for something else.
        """

    def _prepare(self, context: Context) -> None:
        if not self._prepared:
            self._prepared = True
            self.before_submission(context)

    def _frames_used(self) -> list[str | None]:
        """Return the addresses of the frames, for lineage."""
        return []

    def _handed_on(self, request_id: str) -> HandedOn:
        return HandedOn(
            request_id=request_id,
            model=self._model(),
            gmi_conn_id=self.gmi_conn_id,
            label=text_or_none(self.clip_label),
            task_id=self.task_id,
        )

    def _clip(self, context: Context, clip: dict[str, Any]) -> dict[str, Any]:
        from kling_airflow.task.clip_fields import completed
        from kling_airflow.task.clip_result import hand_on_clip

        known = {"gmi_conn_id": self.gmi_conn_id, "label": text_or_none(self.clip_label)} | self._asked()
        clip = completed(clip, known, lambda: self._price_usd(self._hook.get_conn()), self.log)
        hand_on_clip(context, clip, self.outlets)
        self._lineage = self._frames_used(), [clip["video_url"]]
        self.log.info("The clip of request %s is there.", clip["request_id"])
        return clip

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the frames as inputs and the clip's address as the output."""
        from kling_airflow.lineage import lineage

        return lineage(inputs=self._lineage[0], outputs=self._lineage[1])

    @cached_property
    def _hook(self) -> GMICloudHook:
        return GMICloudHook(self.gmi_conn_id)
