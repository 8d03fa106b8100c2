"""The picture of a message: its bytes for an e-mail, an address for a chat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kling_airflow.submission.order import Log

MAX_BYTES: Final = 5_000_000
"""A larger picture is left out."""


def is_public(address: str) -> bool:
    """Return whether an address is one that anyone can read, such as a thumbnail of the queue's."""
    return address.startswith(("http://", "https://"))


def read_picture(address: str, conn_id: str | None, log: Log) -> bytes | None:
    """Return a stored picture; None if it can't be read, which must not fail a notification.

    :param address: in an object store.
    :param conn_id: the store's connection; None for the store's default.
    """
    from kling_airflow.errors import KlingError
    from kling_airflow.hooks.storage import StoredObject

    try:
        return StoredObject(address, conn_id=conn_id, field="picture").read_all(MAX_BYTES)
    except KlingError as error:
        log.warning("The message has no picture: %s", error.what)
        return None


def picture_address(address: str, conn_id: str | None, seconds: int, log: Log) -> str | None:
    """Return an address of a picture that a chat's server can read; None if its store has none.

    :param address: in an object store, or public already.
    :param conn_id: the store's connection; None for the store's default.
    :param seconds: how long the address of a stored picture can be read.
    """
    from kling_airflow.errors import KlingError
    from kling_airflow.hooks.storage import StoredObject

    if is_public(address):
        return address
    try:
        return StoredObject(address, conn_id=conn_id, field="picture").sign(seconds)
    except KlingError as error:
        log.info("The message has no picture: %s", error.what)
        return None
