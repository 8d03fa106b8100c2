"""What a task shows in the UI: its request, its clip, the gallery, and a storyboard's report.

A task leaves each address in an XCom: as soon as the request is submitted, so that the page of a deferred or
mapped task has its links, too. An address that there is none of leaves no XCom, and its link isn't shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.airflow_compat import BaseOperatorLink, XCom
from kling_airflow.handed_on import REQUEST_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.airflow_compat import BaseOperator, Context, TaskInstanceKey
    from kling_airflow.handed_on import HandedOn
    from kling_airflow.hooks.storage import StoredObject

REQUEST_ID_KEY = "request_id"
"""The XCom that holds the request id, whatever the task returns."""


class PushedLink(BaseOperatorLink):
    """A link whose address a task leaves in an XCom itself, before it defers and when it ends."""

    xcom_key = ""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, or "" while there is none."""
        value = XCom.get_value(key=self.xcom_key, ti_key=ti_key)
        return value if isinstance(value, str) and value.startswith(("http://", "https://", "/")) else ""


class RequestLink(PushedLink):
    """The request: its page in the gallery; without a gallery the queue's console, or the sidecar."""

    name = "Request"
    xcom_key = "request_link"


class ClipLink(PushedLink):
    """The clip: where the queue keeps it for a while, or where it has landed."""

    name = "Clip"
    xcom_key = "clip_link"


class GalleryLink(PushedLink):
    """The gallery, if ``[kling] gallery`` is set."""

    name = "Gallery"
    xcom_key = "gallery_link"


class ReportLink(PushedLink):
    """The report of a storyboard, where it is stored."""

    name = "Report"
    xcom_key = "report_link"


def push_request(context: Context, request: HandedOn, base_url: str) -> None:
    """Leave the request and its links where the next tasks and the UI find them.

    A retry begins without XComs (the server wipes them), so every path through a task calls this.

    :param base_url: of the queue, whose console is shown if there is no gallery.
    """
    ti = context["ti"]
    ti.xcom_push(key=REQUEST_ID_KEY, value=request.request_id)
    ti.xcom_push(key=REQUEST_KEY, value=request.to_json())
    push_request_link(context, request.request_id, base_url)


def push_request_link(
    context: Mapping[str, Any], request_id: str | None, otherwise: str | None = None
) -> None:
    """Leave the addresses of a request's page and of the gallery.

    :param request_id: None if the task has several requests: the link leads to the gallery then.
    :param otherwise: what is shown of the request if there is no gallery; None for nothing.
    """
    from kling_airflow.hooks.gallery_address import gallery_address, request_page

    page = request_page(request_id, context.get("ti")) if request_id else gallery_address()
    _push(context, RequestLink.xcom_key, page or otherwise)
    _push(context, GalleryLink.xcom_key, gallery_address())


def push_clip(context: Mapping[str, Any], address: str | None) -> None:
    """Leave the clip's address where its link finds it."""
    _push(context, ClipLink.xcom_key, address)


def push_landed(context: Mapping[str, Any], landed: Mapping[str, Any], place: StoredObject) -> None:
    """Leave the addresses of a clip or film that has landed, and of what is known of it.

    :param landed: what the landing returns.
    :param place: where the file is stored. A store without a web page has no address for a browser: the
        link leads to the gallery then.
    """
    from kling_airflow.hooks.gallery_address import request_page

    request_id = landed["request_id"]
    push_clip(context, place.link or request_page(request_id, context.get("ti")))
    push_request_link(context, request_id, place.sibling(".json").link)


def push_report(context: Mapping[str, Any], address: str | None) -> None:
    """Leave the address of a storyboard's report where its link finds it."""
    _push(context, ReportLink.xcom_key, address)


def _push(context: Mapping[str, Any], key: str, address: str | None) -> None:
    ti = context.get("ti")
    if address and ti is not None:
        ti.xcom_push(key=key, value=address)
