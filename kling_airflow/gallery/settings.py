"""Which folder is the gallery: ``[kling] gallery``."""

from __future__ import annotations

from kling_airflow.addresses import canonical, scheme_of, split_connection
from kling_airflow.errors import InvalidArgument
from kling_airflow.gallery.folder import Folder


def configured_gallery() -> str | None:
    """Return ``[kling] gallery``; None if it isn't set."""
    from kling_airflow.airflow_compat import conf

    return (conf.get("kling", "gallery", fallback=None) or "").strip().rstrip("/") or None


def open_gallery(address: str) -> Folder:
    """Return the gallery's folder.

    :param address: ``s3://bucket/folder``, ``s3://conn_id@bucket/folder``, ``file:///folder``.
    :raises InvalidArgument: a malformed address, or a scheme that nothing is installed for.
    """
    from kling_airflow.hooks.store_path import open_path

    place = split_connection(address)[1].partition("://")[2]
    if (
        not scheme_of(address)
        or not place.strip("/")
        or ":" in address.partition("://")[2].rpartition("@")[0]
    ):
        raise InvalidArgument(
            "`[kling] gallery` must be the address of a folder, such as s3://clips or s3://conn_id@clips/films,"
            " without a password."
        )
    return Folder(open_path(address.rstrip("/"), None, "[kling] gallery"))


def path_in_gallery(gallery: str, uri: str) -> str | None:
    """Return where an object is below the gallery's folder; None if it is elsewhere.

    :param uri: the object's address.
    """
    base, place = canonical(gallery.rstrip("/")), canonical(uri)
    return place[len(base) + 1 :] if place.startswith(f"{base}/") else None
