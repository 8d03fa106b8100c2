"""Objects of any store that Airflow's ``ObjectStoragePath`` opens: read with a cap, written whole.

Every text names the field a user wrote, the address without credentials and signatures, and the connection.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kling_airflow.addresses import LOCAL, check_location, file_address, shown
from kling_airflow.airflow_compat import connection_of
from kling_airflow.errors import InvalidArgument, KlingError, StorageFailed
from kling_airflow.hooks.store_errors import CHECKSUMS, UNKNOWN_HEADER, fit_to_show, says, texts
from kling_airflow.hooks.store_path import (
    S3_SCHEMES,
    filesystem,
    open_path,
    signing_filesystem,
    split_version,
)
from kling_airflow.redaction import in_short

log = logging.getLogger(__name__)

BLOCK = 8 << 20
"""Bytes held in memory while reading or writing: one part of a multipart upload."""
_READ = 1 << 20


class StoredObject:
    """One object of a store, there or not.

    :param uri: such as ``s3://bucket/key``; ``s3://conn_id@bucket/key`` works as everywhere in Airflow, and
        ``s3://bucket/key?versionId=...`` is that version, for reading.
    :param conn_id: the store's connection. None takes the store's default (``aws_default``,
        ``google_cloud_default``, ``wasb_default``) where it is defined, else what the environment gives.
    :param field: the parameter this came from, for errors.
    :param options: parameters of S3's calls, such as ``ServerSideEncryption`` or ``RequestPayer``.
    :raises InvalidArgument: a malformed address, or a scheme that nothing is installed for.
    """

    def __init__(
        self,
        uri: object,
        *,
        conn_id: str | None = None,
        field: str = "destination",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.field = field
        address, self._version = split_version(check_location(uri, field), field)
        self._path = open_path(address, conn_id, field)
        with self._errors("opened"):
            self._fs = filesystem(self._path, version=self._version, options=options or {}, field=field)

    @property
    def uri(self) -> str:
        """The address without the connection id that ``str(path)`` would show."""
        if self._path.protocol in LOCAL:
            return file_address(self._path.path)
        return f"{self._path.protocol}://{self._path.path}"

    @property
    def link(self) -> str | None:
        """The web page or address of the object, for a browser; None if there is none."""
        bucket, _, key = self._path.path.partition("/")
        protocol = self._path.protocol
        if protocol in S3_SCHEMES:
            if endpoint := getattr(self._fs, "endpoint_url", None):
                return f"{str(endpoint).rstrip('/')}/{quote(f'{bucket}/{key}')}"
            return f"https://s3.console.aws.amazon.com/s3/object/{bucket}?prefix={quote(key, safe='')}"
        if protocol in ("gs", "gcs"):
            return f"https://console.cloud.google.com/storage/browser/_details/{quote(f'{bucket}/{key}')}"
        return None

    @property
    def suffix(self) -> str:
        """The file name's suffix, in lower case: ".mp4"."""
        return self._path.suffix.lower()

    def sibling(self, suffix: str) -> StoredObject:
        """Return the object of the same name with another suffix."""
        other = object.__new__(StoredObject)
        other.field, other._version = self.field, None
        other._path, other._fs = self._path.with_suffix(suffix), self._fs
        return other

    def size(self) -> int | None:
        """Return its size in bytes; None if there is nothing, or looking isn't permitted."""
        with self._errors("looked at"), self._nothing_there():
            self._fs.invalidate_cache(self._path.parent.path)
            return int(self._fs.info(self._path.path, **self._version_option())["size"])
        return None

    def read(self, limit: int) -> bytes | None:
        """Return its first ``limit`` bytes; None if there is nothing, b"" if reading isn't permitted.

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
            f"`{self.field}` is {shown(self.uri)}, which has more than {max_bytes:,} bytes (max_bytes)."
        )
        if (self.size() or 0) > max_bytes:
            raise too_large
        with self._errors("read"):
            data = self._read(max_bytes + 1)
        if len(data) > max_bytes:
            raise too_large
        return data

    def blocks(self) -> Iterator[bytes]:
        """Yield what is stored, one block of it in memory at a time."""
        with self._errors("read"), self._open() as file:
            while block := file.read(BLOCK):
                yield block

    def sha256(self) -> str:
        """Return the hash of what is stored, in hex."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def create(self, data: bytes) -> bool:
        """Store some bytes if there is nothing, decided by the store in one step.

        :param data: of its writer alone, so that our own object is told from another's.
        :return: whether the object is ours; False if another stands there.
        :raises StorageFailed: it was not created, or that is not known.
        """
        from kling_airflow.errors import LedgerUnavailable
        from kling_airflow.submission.exclusive_store import ObjectStore, open_store

        with self._errors("created"):
            folder: Any = self._path.parent
            try:
                if self._path.protocol in LOCAL:
                    folder = Path(folder.path)
                    folder.mkdir(parents=True, exist_ok=True)
                store = open_store(folder)
                if isinstance(store, ObjectStore):
                    store.fs = self._fs  # with the options, which a bucket's policy may ask of every object
                return store.create(self._path.name, data)
            except (LedgerUnavailable, InvalidArgument) as error:
                if isinstance(error, LedgerUnavailable) and not says(error, UNKNOWN_HEADER):
                    raise StorageFailed(
                        f"`{self.field}`: {shown(self.uri)} can't be created: "
                        f"{in_short(error.__cause__ or error)}."
                    ) from error
            # A store without a conditional write: look first, and write then.
            if self.size() is not None:
                return False
            self.write(data, "application/json")
            return True

    def write_file(self, path: Path, content_type: str) -> None:
        """Store a local file, whole or not at all, holding one block of it in memory.

        :raises StorageFailed: the store refused, or has another size than the file.
        """
        size = path.stat().st_size
        with self._errors("written"), path.open("rb") as source:
            if self._takes_in_one_call(size):
                self._put(source.read(), content_type)
            else:
                self._write(lambda sink: shutil.copyfileobj(source, sink, _READ), size, content_type)
        stored = self.size()
        if stored not in (None, size):
            raise StorageFailed(f"{shown(self.uri)} has {stored:,} bytes after {size:,} were written.")

    def write(self, data: bytes, content_type: str) -> None:
        """Store some bytes, whole or not at all."""
        with self._errors("written"):
            if self._takes_in_one_call(len(data)):
                self._put(data, content_type)
            else:
                self._write(lambda sink: sink.write(data), len(data), content_type)

    def sign(self, seconds: int) -> str:
        """Return an address that anyone can read for so many seconds.

        :raises InvalidArgument: the store has no such addresses.
        """
        with self._errors("signed"):
            try:
                return str(signing_filesystem(self._fs).sign(self._path.path, expiration=seconds))
            except NotImplementedError:
                raise InvalidArgument(
                    f"`{self.field}` is {shown(self.uri)}; {self._path.protocol}:// has no signed addresses."
                ) from None

    def delete(self) -> None:
        """Remove it, if it is there."""
        with self._errors("deleted"), suppress(FileNotFoundError):
            self._fs.rm_file(self._path.path)

    def _version_option(self) -> dict[str, str]:
        return {"version_id": self._version} if self._version else {}

    def _open(self) -> Any:
        return self._fs.open(self._path.path, "rb", block_size=BLOCK, **self._version_option())

    def _read(self, limit: int) -> bytes:
        with self._open() as file:
            return bytes(file.read(limit))

    def _takes_in_one_call(self, size: int) -> bool:
        """Return whether S3 gets the object by one call of its own: a file object copies the bytes twice."""
        return size < BLOCK and self._path.protocol in S3_SCHEMES

    def _put(self, data: bytes, content_type: str) -> None:
        self._refuse_version()
        self._fs.pipe_file(self._path.path, data, ContentType=content_type)

    def _refuse_version(self) -> None:
        if self._version:
            raise InvalidArgument(
                f"`{self.field}` is {shown(self.uri)} with a version of it; a store names versions itself."
            )

    def _write(self, fill: Callable[[Any], object], size: int, content_type: str) -> None:
        self._refuse_version()
        is_local = self._path.protocol in LOCAL
        # What fits into one block goes in one call, which a store does whole or not at all anyway.
        in_one_go = size < BLOCK and not is_local
        options: dict[str, Any] = {"block_size": BLOCK, "autocommit": in_one_go}
        if self._path.protocol in S3_SCHEMES:
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
        """Ignore that there is nothing, or that looking isn't permitted, but not a missing bucket."""
        try:
            yield
        except PermissionError as error:
            log.warning("%s can't be looked at (%s); taken as not there.", self.uri, in_short(error))
        except FileNotFoundError as error:
            if "bucket does not exist" in texts(error):
                raise

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except KlingError:
            raise
        except FileNotFoundError as error:
            what = "whose bucket does" if "bucket does not exist" in texts(error) else "which does"
            raise InvalidArgument(f"`{self.field}` is {shown(self.uri)}, {what} not exist.") from error
        except Exception as error:
            conn_id = connection_of(self._path)
            by = f" with the connection `{conn_id}`" if conn_id else ""
            is_s3 = self._path.protocol in S3_SCHEMES
            raise StorageFailed(
                f"`{self.field}` is {shown(self.uri)}, which can't be {doing}{by}: {in_short(error)}.",
                todo=CHECKSUMS if is_s3 and says(error, UNKNOWN_HEADER) else None,
            ) from fit_to_show(error)


def _discard(sink: Any) -> None:
    with suppress(Exception):
        sink.discard()
    with suppress(AttributeError):
        sink.closed = True  # or its end as an object would close, and thereby store it
