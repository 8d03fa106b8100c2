"""An object store with conditional writes, in a file: what the ledger needs of fsspec, and no more."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any


class DayStore:
    """Stands for fsspec's file system of S3.

    :param file: where the objects are kept, so that they do not count as memory of the poller.
    """

    def __init__(self, file: Path) -> None:
        self.operations = 0
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE node (parent TEXT, name TEXT, data BLOB, PRIMARY KEY (parent, name)) WITHOUT ROWID"
        )

    def pipe_file(self, path: str, data: bytes, mode: str = "overwrite") -> None:
        """Store an object; with the mode ``create`` only if there is none."""
        self.operations += 1
        parent, _, name = path.rpartition("/")
        how = "INSERT" if mode == "create" else "INSERT OR REPLACE"
        try:
            self._database.execute(f"{how} INTO node VALUES (?, ?, ?)", (parent, name, data))
        except sqlite3.IntegrityError:
            raise FileExistsError(path) from None
        while parent:
            parent, _, name = parent.rpartition("/")
            new = self._database.execute("INSERT OR IGNORE INTO node VALUES (?, ?, NULL)", (parent, name))
            if not new.rowcount:
                return

    def cat_file(self, path: str) -> bytes:
        """Return an object's content."""
        self.operations += 1
        parent, _, name = path.rpartition("/")
        row = self._database.execute(
            "SELECT data FROM node WHERE parent = ? AND name = ?", (parent, name)
        ).fetchone()
        if row is None or row[0] is None:
            raise FileNotFoundError(path)
        return bytes(row[0])

    def ls(self, path: str, detail: bool = False) -> list[Any]:
        """Return the paths directly below a folder."""
        self.operations += 1
        rows = self._database.execute(
            "SELECT name FROM node WHERE parent = ?", (path.rstrip("/"),)
        ).fetchall()
        if not rows:
            raise FileNotFoundError(path)
        return [f"{path.rstrip('/')}/{name}" for (name,) in rows]

    def invalidate_cache(self, path: str | None = None) -> None:
        """Do nothing: there is no cache."""


class Root:
    """Stands for the path of the ledger's folder on S3."""

    protocol = "s3"
    path = "bucket/ledger"

    def __init__(self, store: DayStore) -> None:
        self.fs = store
