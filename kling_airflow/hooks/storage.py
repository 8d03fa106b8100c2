"""Objects of any store that Airflow's ``ObjectStoragePath`` opens: read with a cap, written whole.

Every text names the field a user wrote, the address without credentials, and the connection.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.airflow_compat import connection_of, without_connection
from kling_airflow.errors import InvalidArgument, KlingError, StorageFailed, in_short

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import ObjectStoragePath

log = logging.getLogger(__name__)

BLOCK = 8 << 20
"""Bytes held in memory while reading or writing: one part of a multipart upload."""

_EXTRAS = {"s3": "s3", "s3a": "s3", "s3n": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "azure", "abfss": "azure"}
_DEFAULT_CONNECTIONS = {"s3": "aws_default", "gs": "google_cloud_default", "abfs": "wasb_default"}
_LOCAL = ("file", "local")
_SIGNED_SECONDS = 86_400


def is_http(uri: str) -> bool:
    """Whether an address is fetched over http(s) rather than opened in a store."""
    return uri.lower().startswith(("http://", "https://"))


def check_location(uri: object, field: str) -> str:
    """Refuse what can't be the address of one object, before anything is opened.

    :param uri: what a user wrote, rendered.
    :param field: the parameter's name, for the error.
    :return: the address.
    :raises InvalidArgument: no scheme, bucket, key or file name, or credentials within.
    """
    if not isinstance(uri, str) or not uri.strip():
        raise InvalidArgument(
            f"{field} is {uri!r}; it must be an address such as s3://bucket/folder/name.mp4."
        )
    scheme, separator, rest = uri.partition("://")
    if not separator or not scheme:
        raise InvalidArgument(
            f"{field} is {uri!r}, without a scheme; write s3://, gs://, abfs:// or file:// before it."
        )
    bucket, _, key = rest.partition("/")
    shown = f"{scheme}://{bucket.rpartition('@')[2]}/{key}"
    if ":" in bucket.rpartition("@")[0]:
        raise InvalidArgument(f"{field} is {shown!r} with a password in it; use a connection instead.")
    if not bucket.rpartition("@")[2] and scheme not in _LOCAL:
        raise InvalidArgument(f"{field} is {shown!r}: the bucket is missing.")
    if not key.rpartition("/")[2]:
        raise InvalidArgument(f"{field} is {shown!r}: the file name is missing.")
    return uri


class StoredObject:
    """One object of a store, there or not.

    :param uri: such as ``s3://bucket/key``; ``s3://conn_id@bucket/key`` works as everywhere in Airflow.
    :param conn_id: the store's connection. None takes the store's default (``aws_default``,
        ``google_cloud_default``, ``wasb_default``) where it is defined, else what the environment gives.
    :param field: the parameter this came from, for errors.
    :raises InvalidArgument: a malformed address, or a scheme that nothing is installed for.
    """

    def __init__(self, uri: str, *, conn_id: str | None = None, field: str = "destination") -> None:
        self.field = field
        self._path = open_path(check_location(uri, field), conn_id, field)
        with self._errors("opened"):
            self._fs = self._path.fs

    @property
    def uri(self) -> str:
        """The address without the connection id that ``str(path)`` would show."""
        return f"{self._path.protocol}://{self._path.path}"

    @property
    def suffix(self) -> str:
        """The file name's suffix, in lower case: ".mp4"."""
        return self._path.suffix.lower()

    def sibling(self, suffix: str) -> StoredObject:
        """Return the object of the same name with another suffix."""
        other = object.__new__(StoredObject)
        other.field, other._path, other._fs = self.field, self._path.with_suffix(suffix), self._fs
        return other

    def size(self) -> int | None:
        """Return its size in bytes; None where there is nothing, or nobody may look."""
        with self._errors("looked at"), self._nothing_there():
            self._fs.invalidate_cache(self._path.parent.path)
            return int(self._fs.info(self._path.path)["size"])
        return None

    def read(self, limit: int) -> bytes | None:
        """Return its first ``limit`` bytes; None where there is nothing, b"" where nobody may look.

        :raises InvalidArgument: the bucket doesn't exist.
        """
        with self._errors("read"), self._nothing_there():
            try:
                return self._read(limit)
            except PermissionError as error:
                log.warning("%s can't be read (%s).", self.uri, in_short(error))
                return b""
        return None

    def read_all(self, max_bytes: int) -> bytes:
        """Return the whole object.

        :raises InvalidArgument: it doesn't exist, or has more than ``max_bytes``.
        """
        too_large = InvalidArgument(
            f"{self.field} is {self.uri}, which has more than {max_bytes:,} bytes (max_bytes)."
        )
        if (self.size() or 0) > max_bytes:
            raise too_large
        with self._errors("read"):
            data = self._read(max_bytes + 1)
        if len(data) > max_bytes:
            raise too_large
        return data

    def sha256(self) -> str:
        """Return the hash of what is stored, in hex."""
        digest = hashlib.sha256()
        with self._errors("read"), self._fs.open(self._path.path, "rb", block_size=BLOCK) as file:
            while chunk := file.read(BLOCK):
                digest.update(chunk)
        return digest.hexdigest()

    def write_file(self, path: Path, content_type: str) -> None:
        """Store a local file, whole or not at all, holding one block of it in memory.

        :raises StorageFailed: the store refused, or has another size than the file.
        """
        size = path.stat().st_size
        with self._errors("written"), path.open("rb") as source:
            self._write(lambda sink: shutil.copyfileobj(source, sink, BLOCK), size, content_type)
        stored = self.size()
        if stored not in (None, size):
            raise StorageFailed(f"{self.uri} has {stored:,} bytes after {size:,} were written.")

    def write(self, data: bytes, content_type: str) -> None:
        """Store some bytes, whole or not at all."""
        with self._errors("written"):
            self._write(lambda sink: sink.write(data), len(data), content_type)

    def sign(self, seconds: int) -> str:
        """Return an address that anyone can read for so many seconds.

        :raises InvalidArgument: the store has no such addresses.
        """
        with self._errors("signed"):
            try:
                return str(self._fs.sign(self._path.path, expiration=seconds))
            except NotImplementedError:
                raise InvalidArgument(
                    f"{self.field} is {self.uri}; {self._path.protocol}:// has no signed addresses."
                ) from None

    def delete(self) -> None:
        """Remove it, if it is there."""
        with self._errors("deleted"), suppress(FileNotFoundError):
            self._fs.rm_file(self._path.path)

    def _read(self, limit: int) -> bytes:
        with self._fs.open(self._path.path, "rb", block_size=BLOCK) as file:
            return bytes(file.read(limit))

    def _write(self, fill: Callable[[Any], object], size: int, content_type: str) -> None:
        is_local = self._path.protocol in _LOCAL
        # What fits into one block goes in one call, which a store does whole or not at all anyway.
        in_one_go = size < BLOCK and not is_local
        options: dict[str, Any] = {"block_size": BLOCK, "autocommit": in_one_go}
        if self._path.protocol.startswith("s3"):
            options["ContentType"] = content_type  # so that a browser plays it; other stores go by the name
        if is_local:
            self._fs.makedirs(self._path.parent.path, exist_ok=True)
        sink = self._fs.open(self._path.path, "wb", **options)
        try:
            fill(sink)
            sink.close()
        except BaseException:
            # Also on a kill or a timeout: closing would store what there is as if it were all.
            _discard(sink)
            raise
        if not in_one_go:
            sink.commit()

    @contextmanager
    def _nothing_there(self) -> Iterator[None]:
        """Let what isn't there pass, and what nobody may look at, but not a missing bucket."""
        try:
            yield
        except PermissionError as error:
            log.warning("%s can't be looked at (%s); taken as not there.", self.uri, in_short(error))
        except FileNotFoundError as error:
            if "bucket does not exist" in _texts(error):
                raise

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except KlingError:
            raise
        except FileNotFoundError as error:
            what = "whose bucket does" if "bucket does not exist" in _texts(error) else "which does"
            raise InvalidArgument(f"{self.field} is {self.uri}, {what} not exist.") from error
        except Exception as error:
            conn_id = connection_of(self._path)
            by = f" with the connection `{conn_id}`" if conn_id else ""
            raise StorageFailed(
                f"{self.field} is {self.uri}, which can't be {doing}{by}: {in_short(error)}."
            ) from error


def read_frame(source: str, *, conn_id: str | None = None, max_bytes: int, field: str = "source") -> bytes:
    """Return the bytes behind any http(s) URL or object of a store.

    :param source: ``https://...``, ``s3://...``, ``file:///...``
    :param conn_id: the store's connection; http(s) needs none.
    :param max_bytes: more are refused.
    :param field: the parameter this came from, for errors.
    :raises InvalidArgument: malformed, not there, or too large.
    :raises DownloadFailed: over http(s), it didn't arrive.
    :raises StorageFailed: the store refused.
    """
    if is_http(source):
        from kling_airflow.media.download import DownloadLimits, read_url

        return read_url(source, DownloadLimits(max_bytes=max_bytes, deadline=120))
    return StoredObject(source, conn_id=conn_id, field=field).read_all(max_bytes)


def presign(source: str, *, conn_id: str | None = None, field: str = "image") -> str:
    """Return an address of a store's object that the queue can read for a day.

    :raises InvalidArgument: malformed, or the store has no signed addresses.
    """
    return StoredObject(source, conn_id=conn_id, field=field).sign(_SIGNED_SECONDS)


def open_path(uri: str, conn_id: str | None, field: str) -> ObjectStoragePath:
    """Return Airflow's path of an address, with the connection that belongs to it.

    :param uri: such as ``s3://bucket/key``; ``s3://conn_id@bucket/key`` names a connection.
    :param conn_id: None takes the store's default connection where it is defined.
    :param field: the parameter this came from, for errors.
    :raises InvalidArgument: a connection that isn't defined, or a scheme that nothing is installed for.
    """
    from kling_airflow.airflow_compat import ObjectStoragePath

    scheme = uri.partition("://")[0]
    address, named = without_connection(uri)
    conn_id = conn_id or named
    if conn_id and not _is_defined(conn_id):
        raise InvalidArgument(f"{field}: the connection `{conn_id}` is not defined.")
    default = _DEFAULT_CONNECTIONS.get(scheme)
    if not conn_id and default and _is_defined(default):
        conn_id = default
    try:
        path = ObjectStoragePath(address, conn_id=conn_id or None)
        _ = path.fs
    except (ValueError, ImportError) as error:
        extra = _EXTRAS.get(scheme)
        hint = f" Install kling_airflow[{extra}]." if extra else ""
        raise InvalidArgument(
            f"{field} begins with {scheme}://, which nothing here can open: {in_short(error)}.{hint}"
        ) from error
    return path


def _is_defined(conn_id: str) -> bool:
    from kling_airflow.airflow_compat import AirflowNotFoundException, BaseHook

    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return False
    return True


def _discard(sink: Any) -> None:
    with suppress(Exception):
        sink.discard()
    with suppress(AttributeError):
        sink.closed = True  # or its end as an object would close, and thereby store it


def _texts(error: BaseException | None) -> str:
    found = []
    while error is not None:
        found.append(str(error))
        error = error.__cause__ or error.__context__
    return " ".join(found)
