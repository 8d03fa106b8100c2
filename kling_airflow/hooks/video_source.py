"""The bytes of an input video, wherever it lies: http(s), or any store."""

from __future__ import annotations

from kling_airflow.addresses import is_http, read_address
from kling_airflow.hooks.allowed_addresses import SOURCES, WrittenPlaces, confine, http_guard
from kling_airflow.hooks.frame_source import read_frame


def read_allowed_video(
    source: object, field: str, written: WrittenPlaces, *, conn_id: str | None, max_bytes: int
) -> bytes:
    """Return the bytes of a video, if a task may read its address.

    :param source: an address, or what names one.
    :param field: the argument's name.
    :param written: what the operator noted in its ``__init__``.
    :param conn_id: the connection of the video's store.
    :param max_bytes: more are refused.
    :raises InvalidArgument: the address came from data, and no setting allows it; see ``read_frame``.
    """
    address = read_address(field, source)
    places = written.of(field)
    if is_http(address):
        guard = http_guard(field, places)
        return read_frame(address, conn_id=conn_id, max_bytes=max_bytes, field=field, guard=guard)
    confine(address, field, SOURCES, places)
    return read_frame(address, conn_id=conn_id, max_bytes=max_bytes, field=field)
