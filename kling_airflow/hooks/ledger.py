"""The object-storage ledger as Airflow's configuration names it: section ``[kling]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import ObjectStoragePath


def configured_folder() -> str | None:
    """Return ``[kling] ledger``, None where it isn't set."""
    from kling_airflow.airflow_compat import conf

    return conf.get("kling", "ledger", fallback=None) or None


def configured_deployment() -> str | None:
    """Return ``[kling] deployment``, None where it isn't set."""
    from kling_airflow.airflow_compat import conf

    return conf.get("kling", "deployment", fallback=None) or None


def open_folder(uri: str) -> ObjectStoragePath:
    """Return the path of a ledger's folder.

    :param uri: ``s3://bucket/folder``, or ``s3://conn_id@bucket/folder`` with a connection other than the
        store's default.
    :raises InvalidArgument: malformed, or a scheme that nothing is installed for.
    """
    from kling_airflow.hooks.storage import open_path

    folder = uri.strip().rstrip("/") if isinstance(uri, str) else ""
    scheme, separator, rest = folder.partition("://")
    host = rest.partition("/")[0]
    if ":" in host.rpartition("@")[0]:
        raise InvalidArgument("ledger has a password in its address; use a connection instead.")
    if not scheme or not separator or not (host.rpartition("@")[2] or (scheme in {"file", "local"} and rest)):
        raise InvalidArgument(
            f"ledger is {uri!r}; it must be the address of a folder, such as s3://bucket/ledger."
        )
    return open_path(folder, None, "ledger")
