"""A storyboard in any store, or on the web, read if a task may read its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.addresses import check_location, file_address, read_address
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.hooks.frame_source import read_allowed_frame

if TYPE_CHECKING:
    from kling_airflow.storyboard.board import Storyboard


def read_storyboard(
    source: object, *, conn_id: str | None = None, written: WrittenPlaces | None = None
) -> Storyboard:
    """Read a storyboard and check all of it.

    :param source: the file's address, or what names one: a path, an ``ObjectStoragePath``.
    :param conn_id: the connection of its store; None for the store's default.
    :param written: the places that the DAG's code names; None if the address came from data, such as a Param,
        so that only ``[kling] allowed_sources`` counts.
    :raises InvalidArgument: if it may not be read, can't be read, or something is wrong with it.
    """
    from kling_airflow.storyboard.board import Storyboard
    from kling_airflow.storyboard.formats import MAX_BYTES

    address = read_address("storyboard", source)
    if address.startswith("/"):
        address = file_address(address)
    check_location(address, "storyboard")
    places = WrittenPlaces(None) if written is None else written
    data = read_allowed_frame(address, "storyboard", places, conn_id=conn_id, max_bytes=MAX_BYTES)
    return Storyboard.parse(data, address)
