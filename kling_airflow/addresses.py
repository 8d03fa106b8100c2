"""Addresses of frames and clips as people write them: read, compared, and shown without secrets.

Knows nothing of Airflow and opens nothing.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from urllib.parse import quote, unquote, urlsplit

from kling_airflow.errors import InvalidArgument
from kling_airflow.yaml_habits import yaml_hint

LOCAL = ("file", "local")
_SAME_SCHEME = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "local": "file"}
# In these stores what stands before an "@" is part of the place, not a connection: container@account.
_AT_IS_PLACE = ("abfs", "abfss", "wasb", "wasbs")
_VERSION = re.compile(r"\?(?:versionid|generation)=[^&#]*$", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(?::/|//)[^/]")  # `s3:/bucket`, `https//host`
_ANOTHER = re.compile(r"\s(?:s3a?|gs|gcs|abfss?|https?|file)://")
_SHOWN = 200
# Everything but what a file name may hold unquoted in an address without being misread.
_SAFE_IN_PATH = "/:+=@,;!$&'()*~"
_NOT_GIVEN = ("", "none", "null")


def read_address(field: str, value: object) -> str:
    """Return the address that a value names.

    :param field: the argument's name, for the error.
    :param value: an address; a ``pathlib.Path``; an ``ObjectStoragePath``; an asset; what
        ``PrepareFrameOperator`` returns. Blanks and line ends around an address are dropped.
    :raises InvalidArgument: for anything else, nothing included.
    """
    address = address_or_none(field, value)
    if address is None:
        raise InvalidArgument(
            f"`{field}` is {shown(repr(value))}; it must be an address such as s3://bucket/folder/name.mp4."
        )
    return address


def address_or_none(field: str, value: object) -> str | None:
    """Return the address that a value names; None for None and what templates make of it.

    :raises InvalidArgument: for what is no address.
    """
    if isinstance(value, Mapping):
        value = value.get("uri") or None
    if value is None:
        return None
    if isinstance(value, PurePath) and not _is_store_path(value):
        return Path(value).absolute().as_uri()
    if not isinstance(value, str):
        value = _address_of_object(field, value)
    text = value.strip()
    return None if text.lower() in _NOT_GIVEN else text


def _address_of_object(field: str, value: object) -> str:
    if _is_store_path(value):
        return _with_connection(str(value), getattr(value, "storage_options", {}).get("conn_id"))
    if isinstance(uri := getattr(value, "uri", None), str):  # an Asset
        return uri
    raise InvalidArgument(
        f"`{field}` is {type(value).__name__}; it must be an address such as s3://bucket/x.{yaml_hint(value)}"
    )


def _is_store_path(value: object) -> bool:
    """Whether a value is an fsspec path, ``ObjectStoragePath`` among them; before 3.2 a ``PurePath``."""
    return hasattr(value, "protocol") and hasattr(value, "path")


def _with_connection(address: str, conn_id: str | None) -> str:
    """Return an address with its connection: the text of a path has none before Airflow 3.2."""
    scheme, _, rest = address.partition("://")
    if not conn_id or split_connection(address)[0] or scheme in _AT_IS_PLACE:
        return address
    return f"{scheme}://{conn_id}@{rest}"


def check_location(uri: object, field: str) -> str:
    """Refuse what can't be the address of one object, before anything is opened.

    :param uri: what a user wrote, rendered: an address, a path.
    :param field: the parameter's name, for the error.
    :return: the address.
    :raises InvalidArgument: no scheme, bucket, key or file name, or credentials within.
    """
    address = read_address(field, uri)
    text = shown(address)
    if address[:5].lower() == "data:":
        kind = address[5:].partition(",")[0].partition(";")[0][:40]
        raise InvalidArgument(
            f"`{field}` is a `data:` URL ({kind or 'no type'}, {len(address):,} characters)",
            todo="Store the file, and give its object-storage URI, or its http(s) URL.",
        )
    scheme, _, rest = address.partition("://")
    _check_scheme(field, address)
    bucket, _, key = rest.partition("/")
    if ":" in bucket.rpartition("@")[0]:
        raise InvalidArgument(f"`{field}` is {text!r} with a password in it; use a connection instead.")
    if not bucket.rpartition("@")[2] and scheme.lower() not in LOCAL:
        raise InvalidArgument(f"`{field}` is {text!r}: the bucket is missing.")
    if not key.rpartition("/")[2]:
        raise InvalidArgument(f"`{field}` is {text!r}: the file name is missing.")
    return address


def check_source(uri: object, field: str) -> str:
    """Refuse what can't be the address of a file to read, before anything is opened.

    :param uri: as for ``check_location``; an http(s) URL as well.
    :param field: the parameter's name, for the error.
    :return: the address.
    :raises InvalidArgument: as ``check_location``; of a URL, no host, a bad port, or credentials within.
    """
    address = read_address(field, uri)
    if not is_http(address):
        return check_location(address, field)
    _check_scheme(field, address)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidArgument(f"`{field}` is {shown(address)!r}: its host or port is malformed.") from None
    if not host:
        raise InvalidArgument(f"`{field}` is {shown(address)!r}: the host is missing.")
    if "@" in parts.netloc:
        raise InvalidArgument(
            f"`{field}` is {shown(address)!r} with a user name or password in it.",
            todo="Use a signed URL, or an object store with a connection.",
        )
    return address


def _check_scheme(field: str, address: str) -> None:
    """Refuse an address without a scheme, with something before it, and several addresses in one text."""
    scheme, separator, rest = address.partition("://")
    if not separator or not scheme:
        slash = _ONE_SLASH.match(address)
        write = f"write `{slash[1]}://`" if slash else "write s3://, gs://, abfs:// or file:// before it"
        raise InvalidArgument(f"`{field}` is {shown(address)!r}, without a scheme; {write}.")
    if not all(_SCHEME.fullmatch(link) for link in scheme.split("::")):  # fsspec chains schemes by ::
        raise InvalidArgument(
            f"`{field}` is {shown(address)!r}: {scheme[:20]!r} is no scheme.",
            todo="Write the address alone, without quotes, brackets or words around it.",
        )
    if _ANOTHER.search(rest):
        raise InvalidArgument(f"`{field}` is {shown(address)!r}, which is more than one address; give one.")


def is_http(address: str) -> bool:
    """Whether an address is fetched over http(s) rather than opened in a store."""
    return address.lower().startswith(("http://", "https://"))


def scheme_of(address: str) -> str:
    """Return the scheme in lower case, "" if there is none."""
    return address.partition("://")[0].lower() if "://" in address else ""


def split_connection(address: str) -> tuple[str | None, str]:
    """Return the connection id that an address of a store names, and the address without it.

    ``s3://conn_id@bucket/key`` names one, as everywhere in Airflow.
    """
    scheme, separator, rest = address.partition("://")
    place, slash, key = rest.partition("/")
    if not separator or scheme.lower() in (*_AT_IS_PLACE, "http", "https") or "@" not in place:
        return None, address
    conn_id, _, place = place.rpartition("@")
    return conn_id, f"{scheme}://{place}{slash}{key}"


def file_path(address: str) -> str:
    """Return the path of a ``file://`` address: percent escapes, which ``Path.as_uri()`` writes, are read."""
    rest = split_connection(address)[1].partition("://")[2]
    host, slash, path = rest.partition("/")
    path = rest if host.lower() not in ("", "localhost") else f"{slash}{path}"
    return unquote(path)


def file_address(path: str) -> str:
    """Return the ``file://`` address of a path; :func:`file_path` reads it back."""
    return f"file://{quote(path, safe=_SAFE_IN_PATH)}"


def canonical(address: str) -> str:
    """Return an address in the form in which two that name one object are the same text."""
    text = address.strip()
    conn_free = split_connection(f"file://{quote(text)}" if text.startswith("/") else text)[1]
    scheme = _SAME_SCHEME.get(scheme_of(conn_free), scheme_of(conn_free))
    if scheme == "file":
        return f"file://{os.path.realpath(file_path(conn_free))}"
    if scheme in ("http", "https"):
        parts = urlsplit(conn_free)
        return f"{scheme}://{parts.netloc.lower()}{posixpath.normpath(parts.path or '/')}?{parts.query}"
    return f"{scheme}://{_VERSION.sub('', conn_free.partition('://')[2])}"


def shown(address: object) -> str:
    """Return an address fit for errors and logs: without credentials and signatures, and never long."""
    text = " ".join(str(address).split())
    if text[:5].lower() == "data:":
        return f"{text[:40].partition(',')[0]},... ({len(text):,} characters)"
    scheme, separator, rest = text.partition("://")
    if separator:
        place, _, key = rest.partition("/")
        if scheme.lower() not in _AT_IS_PLACE:
            place = place.rpartition("@")[2]
        text = f"{scheme}://{place}/{key}"
        if is_http(text):
            text = text.partition("?")[0].partition("#")[0]
    text = re.sub(r"[?#&;][^/]*=.*", "?...", text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"
