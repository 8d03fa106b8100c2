"""Addresses of stores turned into Airflow's paths, each with its connection and its store's options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import LOCAL, file_path, scheme_of, shown, split_connection
from kling_airflow.errors import InvalidArgument
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import ObjectStoragePath

S3_SCHEMES = ("s3", "s3a", "s3n")
_EXTRAS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "azure", "abfss": "azure"}
_DEFAULT_CONNECTIONS = {
    "s3": "aws_default",
    "s3a": "aws_default",
    "s3n": "aws_default",
    "gs": "google_cloud_default",
    "gcs": "google_cloud_default",
    "abfs": "wasb_default",
    "abfss": "wasb_default",
}
_NAMES_VERSION = re.compile(r"[?&](?:versionid|generation)=", re.IGNORECASE)
_VERSION = re.compile(r"\?(?:versionid|generation)=([^&#]*)$", re.IGNORECASE)


def split_version(address: str, field: str) -> tuple[str, str | None]:
    """Return an address without its ``?versionId=...``, and that version; None if it names none.

    :param field: the parameter this came from, for errors.
    :raises InvalidArgument: it names a version that can't be told: never is another one taken in its place.
    """
    found = _VERSION.search(address)
    if found is None and not _NAMES_VERSION.search(address):
        return address, None
    if found is None or not found[1]:
        raise InvalidArgument(
            f"`{field}` is {shown(address)!r}, which names a version in a way that is not read.",
            todo="Write `?versionId=` and the version at the end, and nothing else after the `?`.",
        )
    return address[: found.start()], found[1]


def open_path(uri: str, conn_id: str | None, field: str) -> ObjectStoragePath:
    """Return Airflow's path of an address, with the connection that belongs to it.

    :param uri: such as ``s3://bucket/key``; ``s3://conn_id@bucket/key`` names a connection.
    :param conn_id: None takes the store's default connection where it is defined.
    :param field: the parameter this came from, for errors.
    :raises InvalidArgument: a connection that isn't defined, or a scheme that nothing is installed for.
    """
    from kling_airflow.airflow_compat import ObjectStoragePath

    scheme = scheme_of(uri)
    # Airflow before 3.2 drops a connection that the address names, so it is always given beside it.
    named, uri = split_connection(uri)
    conn_id = conn_id or named
    if conn_id and not _is_defined(conn_id):
        raise InvalidArgument(f"`{field}`: the connection `{conn_id}` is not defined.")
    default = _DEFAULT_CONNECTIONS.get(scheme)
    if not conn_id and default and _is_defined(default):
        conn_id = default
    if scheme in LOCAL:
        uri = f"{scheme}://{file_path(uri)}"
    try:
        path = ObjectStoragePath(_lower_scheme(uri), conn_id=conn_id or None)
        _ = path.fs
    except (ValueError, ImportError) as error:
        extra = _EXTRAS.get(scheme)
        hint = f" Install kling_airflow[{extra}]." if extra else ""
        raise InvalidArgument(
            f"`{field}` begins with {scheme}://, which nothing here can open: {in_short(error)}.{hint}"
        ) from error
    return path


def filesystem(
    path: ObjectStoragePath, *, version: str | None, options: Mapping[str, Any], field: str
) -> Any:
    """Return the fsspec file system of a path, set up for one version of an object, or for its options.

    :param version: the object's version; None for the latest.
    :param options: parameters of S3's calls, such as ``ServerSideEncryption`` or ``RequestPayer``.
    :raises InvalidArgument: the store has no such thing.
    """
    fs: Any = path.fs
    if not version and not options:
        return fs
    if path.protocol not in S3_SCHEMES:
        what = "`object_options` are" if options else "a version of an object is"
        raise InvalidArgument(f"`{field}` is {shown(str(path))}; {what} known for s3:// only.")
    added: dict[str, Any] = {}
    if version:
        added["version_aware"] = True
    if options:
        _check_options(options)
        rest = dict(options)
        added["requester_pays"] = rest.pop("RequestPayer", None) == "requester"
        added["s3_additional_kwargs"] = {**fs.storage_options.get("s3_additional_kwargs", {}), **rest}
    return type(fs)(*fs.storage_args, **{**fs.storage_options, **added})


def signing_filesystem(fs: Any) -> Any:
    """Return a file system that signs an address, whatever the given one has signed before.

    s3fs 2026.2 takes a client that has signed, and called nothing, for a closed one: at the next use it opens
    a session without the connection's credentials. So each address is signed by a file system of its own.
    """
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    if not protocols & set(S3_SCHEMES):
        return fs
    return type(fs)(*fs.storage_args, **fs.storage_options, skip_instance_cache=True)


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse what no S3 call takes: s3fs drops it, and the object would be stored without it.

    :raises InvalidArgument: naming the parameter.
    """
    from botocore.session import get_session  # type: ignore[import-untyped]

    model = get_session().get_service_model("s3")
    calls = ("PutObject", "CreateMultipartUpload", "GetObject", "HeadObject")
    known = {name for call in calls for name in model.operation_model(call).input_shape.members}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InvalidArgument(
            f"`object_options` has {', '.join(unknown)}, which no call of S3 takes.",
            todo="Write the names as the AWS API does, such as `ServerSideEncryption`, `SSEKMSKeyId`, `ACL`,"
            " `StorageClass`, `RequestPayer`.",
        )


def _lower_scheme(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme.lower()}{separator}{rest}"


def _is_defined(conn_id: str) -> bool:
    from kling_airflow.airflow_compat import AirflowNotFoundException, BaseHook

    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return False
    return True
