"""The files below one folder of any store that fsspec opens, named by relative keys."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from kling_airflow.addresses import LOCAL, shown
from kling_airflow.errors import StorageFailed
from kling_airflow.redaction import in_short

_AT_ONCE: Final = 200
_READ_AHEAD: Final = 4 << 20
_PATTERN: Final = re.compile(r"[*?\[]")


class Folder:
    """A folder of a store.

    :param path: a ``UPath``, or Airflow's ``ObjectStoragePath``.
    """

    def __init__(self, path: Any) -> None:
        self.fs: Any = path.fs
        self.is_local = str(path.protocol) in LOCAL
        base = str(path.path).rstrip("/")
        # Links in the folder's own address are the administrator's; below it they must not lead out.
        self.base = os.path.realpath(base) if self.is_local else base
        self.uri = shown(f"{path.protocol}://{base}")

    def names(self, key: str) -> list[str]:
        """Return the names of the files directly in a folder, as the store has them now."""
        folder = f"{self.base}/{key}".rstrip("/")
        with self._errors(key, "listed"):
            try:
                self.fs.invalidate_cache(folder)
                found = self.fs.ls(folder, detail=False)
            except FileNotFoundError:
                return []
        names = (str(name).rstrip("/").rpartition("/")[2] for name in found)
        return [name for name in names if not name.startswith(".")]

    def keys(self) -> list[str]:
        """Return the keys of all files below the folder."""
        with self._errors("", "listed"):
            try:
                self.fs.invalidate_cache()
                found = self.fs.find(self.base)
            except FileNotFoundError:
                return []
        return [str(name)[len(self.base) + 1 :] for name in found]

    def read(self, key: str) -> bytes | None:
        """Return a file's content; None if there is none."""
        return self.read_many([key])[0]

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the content of some files, in the order of the keys; None for one that isn't there."""
        found: dict[str, Any] = {}
        paths = [f"{self.base}/{key}" for key in keys]
        with self._errors(keys[0] if keys else "", "read"):
            for start in range(0, len(paths), _AT_ONCE):
                found |= self.fs.cat(paths[start : start + _AT_ONCE], on_error="return")
            for path in paths:
                error = found.get(path)
                if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                    raise error
        return [data if isinstance(data := found.get(path), bytes) else None for path in paths]

    def write(self, key: str, data: bytes) -> None:
        """Store a file, whole or not at all."""
        path = f"{self.base}/{key}"
        with self._errors(key, "written"):
            if not self.is_local:
                self.fs.pipe_file(path, data)
                return
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            draft.write_bytes(data)
            draft.replace(target)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove some files; one that isn't there is removed already."""
        paths = [f"{self.base}/{key}" for key in keys]
        with self._errors(keys[0] if keys else "", "removed"):
            # In one call where the store has such a call. fsspec takes some names for patterns.
            if paths and not self.is_local and not _PATTERN.search(self.base):
                with suppress(FileNotFoundError):
                    self.fs.rm(paths)
                    return
            for path in paths:
                with suppress(FileNotFoundError):
                    self.fs.rm_file(path)

    def info(self, key: str) -> dict[str, Any] | None:
        """Return what the store says of a file: ``size`` and more; None if it isn't there.

        A local file that is reached through a link out of the folder isn't there, either.
        """
        path = f"{self.base}/{key}"
        if self.is_local and not os.path.realpath(path).startswith(f"{self.base}/"):
            return None
        with self._errors(key, "looked at"):
            try:
                self.fs.invalidate_cache(path.rpartition("/")[0])
                found = dict(self.fs.info(path))
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found if found.get("type") == "file" else None

    def open(self, key: str, length: int) -> BinaryIO:
        """Open a file for reading ``length`` bytes of it in order."""
        with self._errors(key, "opened"):
            block = max(1, min(length, _READ_AHEAD))
            file = self.fs.open(f"{self.base}/{key}", "rb", block_size=block, cache_type="readahead")
            return cast("BinaryIO", file)

    @contextmanager
    def _errors(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise StorageFailed(f"{self.uri}/{key} can't be {doing}: {in_short(error)}.") from error
