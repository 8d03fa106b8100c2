"""The key that clips and films are signed with, out of an Airflow connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.media.signing import SigningKey


def read_signing_key(conn_id: str | None) -> SigningKey | None:
    """Return the key of a connection: its password is the private key, its extra has the certificates.

    :param conn_id: None for no key.
    :raises InvalidArgument: the connection isn't defined, or has no key that can be one.
    """
    if conn_id is None:
        return None
    from kling_airflow.airflow_compat import AirflowNotFoundException, BaseHook
    from kling_airflow.media.signing import SigningKey

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise InvalidArgument(f"`signing_conn_id`: the connection `{conn_id}` is not defined.") from None
    extra = connection.extra_dejson
    key = SigningKey(
        certificates=str(extra.get("certificates") or ""),
        private_key=connection.password or "",
        algorithm=str(extra.get("algorithm") or "es256"),
        timestamp_url=extra.get("timestamp_url") or None,
    )
    key.check()
    return key
