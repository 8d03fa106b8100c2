"""A folder whose files are created once and never changed, on any store that can do that.

Everything depends on one operation: create a file *only if there is none*, decided by the store in one step.
A client that looks first and then writes is no fence, because two clients can look at the same time.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

from kling_airflow.errors import InvalidArgument, LedgerUnavailable
from kling_airflow.redaction import in_short

_CONDITIONAL_PUT: Final = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss"})
"""Protocols whose fsspec client creates a file with the store's own condition, by its source code: s3fs sends
If-None-Match, gcsfs ifGenerationMatch=0, adlfs overwrite=False. Every other client checks first and then
writes, or was not read."""
_LOCAL: Final = frozenset({"", "file", "local"})


class Store(Protocol):
    """Files below one folder. Keys are relative, with slashes, in characters that are safe everywhere."""

    uri: str
    """The folder's address, without credentials."""

    def create(self, key: str, data: bytes) -> bool:
        """Create a file, whole or not at all.

        :param key: the file's key.
        :param data: never empty, and different for every writer, so that a writer recognizes its own file.
        :return: True if the file has this content, now or from an attempt whose response was lost; False if
            there is another file.
        :raises LedgerUnavailable: if it was not created, or this is not known.
        """
        ...

    def read(self, key: str) -> bytes | None:
        """Return a file's content; None if there surely is no such file.

        :raises LedgerUnavailable: if the store gives no answer.
        """
        ...

    def names(self, key: str = "") -> list[str]:
        """Return the names directly in a folder, as the store has them now; none if there is no folder.

        :raises LedgerUnavailable: if the store gives no answer.
        """
        ...

    def keys(self, key: str = "") -> list[str]:
        """Return the keys of all files below a folder, at any depth.

        :raises LedgerUnavailable: if the store gives no answer.
        """
        ...


def open_store(root: Any) -> Store:
    """Return the files below a path.

    :param root: a ``pathlib.Path``, or any fsspec path: ``UPath``, Airflow's ``ObjectStoragePath``.
    :raises InvalidArgument: for a store that isn't known to create files exclusively, or a local folder
        that doesn't exist.
    """
    # The protocol decides, not the type: before Airflow 3.2 each ObjectStoragePath is a pathlib.Path.
    protocol = str(getattr(root, "protocol", ""))
    if protocol in _LOCAL:
        return LocalStore(Path(root.path) if protocol else root)
    if protocol in _CONDITIONAL_PUT:
        return ObjectStore(root.fs, str(root.path), protocol)
    raise InvalidArgument(
        f"`ledger` is {protocol}://{root.path}. A ledger needs a store that creates a file only if there is"
        f" none, in one step, and it is not known that {protocol}:// does.",
        todo="Use s3://, gs://, abfs:// or file://.",
    )


class LocalStore:
    """A folder of this machine, or mounted on it.

    :param root: the folder. It must exist: a missing mount looks just like a ledger without records.
    :raises InvalidArgument: if it doesn't exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = f"file://{root}"
        if not root.is_dir():
            raise InvalidArgument(
                f"`ledger` is {self.uri}, and there is no such folder.",
                todo="Make it once, by hand. If this package made it, a missing mount would look like a"
                " ledger without records, and every clip would be bought again.",
            )

    def create(self, key: str, data: bytes) -> bool:
        """Create a file by linking a finished one to its name: no crash leaves half a record."""
        target = self.root / key
        with _errors(f"{self.uri}/{key}", "created"):
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.parent / f".{secrets.token_hex(8)}"
            try:
                with draft.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(draft, target)
                except FileExistsError:
                    return target.read_bytes() == data
                _sync_folder(target.parent)
            finally:
                draft.unlink(missing_ok=True)
        return True

    def read(self, key: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""
        with _errors(f"{self.uri}/{key}", "read"), suppress(FileNotFoundError):
            return (self.root / key).read_bytes()
        return None

    def names(self, key: str = "") -> list[str]:
        """Return the names directly in a folder."""
        with _errors(f"{self.uri}/{key}", "listed"), suppress(FileNotFoundError):
            return [entry.name for entry in (self.root / key).iterdir()]
        return []

    def keys(self, key: str = "") -> list[str]:
        """Return the keys of all files below a folder."""
        found: list[str] = []
        with _errors(f"{self.uri}/{key}", "listed"), suppress(FileNotFoundError):
            for folder, _, files in os.walk(self.root / key, onerror=_raise):
                found += [(Path(folder) / name).relative_to(self.root).as_posix() for name in files]
        return found


class ObjectStore:
    """A prefix of a bucket.

    :param fs: fsspec's file system of the store.
    :param base: bucket and prefix.
    :param protocol: such as ``s3``.
    """

    def __init__(self, fs: Any, base: str, protocol: str) -> None:
        self.fs = fs
        self.base = base.rstrip("/")
        self.uri = f"{protocol}://{self.base}"

    def create(self, key: str, data: bytes) -> bool:
        """Create an object on the condition that there is none, which the store checks.

        A refusal alone doesn't say which writer's object exists: clients repeat a PUT whose response was
        lost, and are then refused because of their own object. So the existing object decides.
        """
        try:
            self.fs.pipe_file(f"{self.base}/{key}", data, mode="create")
        except Exception as error:
            existing = self.read(key)
            if existing is None:
                raise LedgerUnavailable(_complaint(f"{self.uri}/{key}", "created", error)) from error
            return existing == data
        return True

    def read(self, key: str) -> bytes | None:
        """Return an object's content; None if there is none. The store is asked, not fsspec's cache."""
        path = f"{self.base}/{key}"
        with _errors(f"{self.uri}/{key}", "read"), suppress(FileNotFoundError):
            self.fs.invalidate_cache(path.rpartition("/")[0])
            return bytes(self.fs.cat_file(path))
        return None

    def names(self, key: str = "") -> list[str]:
        """Return the names directly in a folder. The store is asked, not fsspec's cache of listings."""
        folder = f"{self.base}/{key}".rstrip("/")
        with _errors(f"{self.uri}/{key}", "listed"), suppress(FileNotFoundError):
            self.fs.invalidate_cache(folder)
            return [name.rstrip("/").rpartition("/")[2] for name in self.fs.ls(folder, detail=False)]
        return []

    def keys(self, key: str = "") -> list[str]:
        """Return the keys of all objects below a folder."""
        folder = f"{self.base}/{key}".rstrip("/")
        with _errors(f"{self.uri}/{key}", "listed"), suppress(FileNotFoundError):
            self.fs.invalidate_cache()
            return [name[len(self.base) + 1 :] for name in self.fs.find(folder)]
        return []


@contextmanager
def _errors(address: str, doing: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise LedgerUnavailable(_complaint(address, doing, error)) from error


def _complaint(address: str, doing: str, error: Exception) -> str:
    return f"The ledger's {address} can't be {doing}: {in_short(error)}. Nothing may be sent without it."


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise(error: OSError) -> None:
    raise error
