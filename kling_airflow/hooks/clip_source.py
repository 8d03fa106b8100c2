"""Clips and music brought to the local disk from wherever they lie: http(s), or any store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kling_airflow.addresses import is_http, read_address, shown
from kling_airflow.arguments import read_structure
from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.allowed_addresses import SOURCES, WrittenPlaces, confine, http_guard
from kling_airflow.hooks.storage import StoredObject


@dataclass(frozen=True)
class Fetched:
    """A file on the local disk, and where it came from.

    :param path: of the local file.
    :param uri: where it lies, without credentials.
    :param sha256: of its content, in hex.
    :param bytes: its size.
    """

    path: Path
    uri: str
    sha256: str
    bytes: int


def address_of(source: object, field: str) -> str:
    """Return the address of a file that is meant.

    :param source: an address; what a landing or ``PrepareFrameOperator`` returned; or the clip dict of
        ``GMICloudRequestSensor``, whose ``video_url`` is taken.
    :param field: the argument's name, for errors.
    :raises InvalidArgument: for what names no address.
    """
    source = read_structure(source)
    if isinstance(source, Mapping) and not source.get("uri"):
        source = source.get("video_url")
    return read_address(field, source)


def fetch_allowed(
    source: object,
    field: str,
    written: WrittenPlaces,
    path: Path,
    *,
    conn_id: str | None,
    max_bytes: int,
    deadline: float,
) -> Fetched:
    """Bring a file to the local disk, in constant memory, if a task may read its address.

    :param source: what ``address_of`` reads.
    :param field: the argument's name.
    :param written: what the operator noted in its ``__init__``.
    :param path: the local file; its content is replaced.
    :param conn_id: the connection of the store; http(s) needs none.
    :param max_bytes: a larger file is refused.
    :param deadline: seconds that a download over http(s) may take.
    :raises InvalidArgument: malformed, not allowed, not there, or too large.
    :raises DownloadFailed: over http(s), it didn't arrive.
    :raises StorageFailed: the store refused.
    """
    address = address_of(source, field)
    places = written.of(field.partition("[")[0])
    if is_http(address):
        from kling_airflow.media.download import DownloadLimits, download

        limits = DownloadLimits(max_bytes=max_bytes, deadline=deadline)
        with path.open("wb") as sink:
            done = download(address, sink, limits, guard=http_guard(field, places))
        return Fetched(path, shown(address), done.sha256, done.bytes)
    confine(address, field, SOURCES, places)
    stored = StoredObject(address, conn_id=conn_id, field=field)
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as sink:
        for block in stored.blocks():
            size += len(block)
            if size > max_bytes:
                raise InvalidArgument(
                    f"`{field}` is {shown(stored.uri)}, which has more than {max_bytes:,} bytes (max_bytes)."
                )
            digest.update(block)
            sink.write(block)
    return Fetched(path, stored.uri, digest.hexdigest(), size)
