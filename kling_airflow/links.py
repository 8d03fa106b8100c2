"""What a task shows in the UI: the console of its queue, and its clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.airflow_compat import BaseOperatorLink, XCom
from kling_airflow.task.handed_on import REQUEST_KEY

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import BaseOperator, Context, TaskInstanceKey
    from kling_airflow.task.handed_on import HandedOn

REQUEST_ID_KEY = "request_id"
"""The XCom that holds the request id, whatever the task returns."""


class _XComLink(BaseOperatorLink):
    """A link whose address a task leaves in an XCom, before it defers and again when it ends."""

    xcom_key = ""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or "" while there is none."""
        value = XCom.get_value(key=self.xcom_key, ti_key=ti_key)
        return value if isinstance(value, str) and value.startswith(("http://", "https://")) else ""


class ConsoleLink(_XComLink):
    """The web console of the queue the request is in."""

    name = "GMI Cloud"
    xcom_key = "console_link"


class ClipLink(_XComLink):
    """The generated clip, where the queue keeps it for a while."""

    name = "Clip"
    xcom_key = "clip_link"


def push_request(context: Context, request: HandedOn, base_url: str) -> None:
    """Leave the request and the console's address where the next tasks and the links find them.

    A retry begins without XComs (the server wipes them), so every path through a task calls this.
    """
    ti = context["ti"]
    ti.xcom_push(key=REQUEST_ID_KEY, value=request.request_id)
    ti.xcom_push(key=REQUEST_KEY, value=request.to_json())
    ti.xcom_push(key=ConsoleLink.xcom_key, value=base_url)


def push_clip(context: Context, video_url: str | None) -> None:
    """Leave the clip's address where its link finds it."""
    if video_url:
        context["ti"].xcom_push(key=ClipLink.xcom_key, value=video_url)
