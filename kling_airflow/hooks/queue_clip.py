"""Where the queue keeps a clip: its address now, and which hosts a download of it may connect to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kling_airflow.errors import DownloadFailed, GMIError
from kling_airflow.hooks.allowed_addresses import http_guard

if TYPE_CHECKING:
    from kling_airflow.hooks.allowed_places import Place
    from kling_airflow.hooks.gmi import GMICloudHook
    from kling_airflow.media.http_connection import AddressGuard


def clip_guard(hook: Callable[[], GMICloudHook], written: tuple[Place, ...]) -> AddressGuard:
    """Confine a download: a clip lies on a public host, on the queue's own, or where a setting says.

    :param hook: returns the queue's connection.
    :param written: the places that the DAG's code names for the clip.
    """

    def is_the_queues(url: str) -> bool:
        from kling_airflow.submission.normal_form import place

        try:
            return place(url) == place(hook().get_conn().protocol.base_url)
        except GMIError:
            return False

    return http_guard("clip['video_url']", written, confined=False, trusts=is_the_queues)


def fresh_url(hook: GMICloudHook, request_id: str) -> str:
    """Return the clip's address as the queue says it now.

    :raises DownloadFailed: if the queue has no clip of the request any more.
    """
    request = hook.get_conn().get(request_id)
    if not request.outcome.video_url:
        raise DownloadFailed(f"The queue has no clip of request {request_id} any more ({request.status}).")
    return request.outcome.video_url
