"""The bytes and the addresses of frames, wherever they lie: http(s), or any store."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from kling_airflow.addresses import is_http, read_address, shown
from kling_airflow.errors import DownloadFailed, StorageFailed
from kling_airflow.hooks.allowed_addresses import SOURCES, WrittenPlaces, confine, http_guard
from kling_airflow.hooks.storage import StoredObject

if TYPE_CHECKING:
    from kling_airflow.media.http_connection import AddressGuard

_SECONDS = 120.0
_SIGNED_SECONDS = 86_400
_ADVICE = "Check the address, then run the task again."


def read_allowed_frame(
    source: object, field: str, written: WrittenPlaces, *, conn_id: str | None, max_bytes: int
) -> bytes:
    """Return the bytes of a frame, if a task may read its address.

    :param source: an address, or what names one: a path, or what ``PrepareFrameOperator`` returns.
    :param field: the argument's name; ``references.0`` for an entry of a list.
    :param written: what the operator noted in its ``__init__``.
    :param conn_id: the connection of the frame's store.
    :param max_bytes: more are refused.
    :raises InvalidArgument: the address came from data, and no setting allows it; see ``read_frame``.
    :raises InvalidFrame: over http(s), something else than a picture arrived, such as a page.
    """
    address = read_address(field, source)
    places = written.of(_argument(field))
    if not is_http(address):
        confine(address, field, SOURCES, places)
    guard = http_guard(field, places) if is_http(address) else None
    data, content_type = _read(address, field, conn_id, max_bytes, guard)
    if content_type is not None:
        from kling_airflow.media.decode import check_readable

        check_readable(
            data,
            subject=f"`{field}`: what {shown(address)} shows",
            details=f"Content-Type {content_type or 'not given'}, first bytes {data[:8].hex(' ')}",
        )
    return data


def presign_allowed(source: object, field: str, written: WrittenPlaces, *, conn_id: str | None = None) -> str:
    """Return an address of a frame in a store that the queue can read for a day, if a task may read it.

    :param source: what the argument names.
    :param field: the argument's name; ``references.0`` for an entry of a list.
    :raises InvalidArgument: the address came from data, and no setting allows it; see ``presign``.
    """
    address = read_address(field, source)
    confine(address, field, SOURCES, written.of(_argument(field)))
    return presign(address, conn_id=conn_id, field=field)


def _argument(field: str) -> str:
    """Return the argument that a field is an entry of."""
    return field.partition(".")[0]


def read_frame(
    source: object,
    *,
    conn_id: str | None = None,
    max_bytes: int,
    field: str = "source",
    guard: AddressGuard | None = None,
) -> bytes:
    """Return the bytes behind any http(s) URL or object of a store.

    :param source: ``https://...``, ``s3://...``, ``file:///...``, or what names one.
    :param conn_id: the store's connection; http(s) needs none.
    :param max_bytes: more are refused.
    :param field: the parameter this came from, for errors.
    :param guard: which hosts may be connected to over http(s); None for any.
    :raises InvalidArgument: malformed, not there, or too large.
    :raises DownloadFailed: over http(s), it didn't arrive.
    :raises StorageFailed: the store refused.
    """
    return _read(read_address(field, source), field, conn_id, max_bytes, guard)[0]


def _read(
    address: str, field: str, conn_id: str | None, max_bytes: int, guard: AddressGuard | None
) -> tuple[bytes, str | None]:
    """Return a frame's bytes, and how the server called them; None for an object of a store."""
    try:
        if not is_http(address):
            return StoredObject(address, conn_id=conn_id, field=field).read_all(max_bytes), None
        from kling_airflow.media.download import DownloadLimits, download

        buffer = io.BytesIO()
        limits = DownloadLimits(max_bytes=max_bytes, deadline=_SECONDS)
        arrived = download(address, buffer, limits, guard=guard)
        return buffer.getvalue(), arrived.content_type
    except (DownloadFailed, StorageFailed) as error:
        if error.todo:
            raise
        raise error.with_money(error.money, todo=_ADVICE) from error.__cause__


def presign(source: object, *, conn_id: str | None = None, field: str = "image") -> str:
    """Return an address of a store's object that the queue can read for a day.

    :raises InvalidArgument: malformed, or the store has no signed addresses.
    """
    return StoredObject(source, conn_id=conn_id, field=field).sign(_SIGNED_SECONDS)
