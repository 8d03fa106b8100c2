"""Reads the addresses of frames in a storyboard; relative ones begin where the storyboard lies."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from kling_airflow.addresses import (
    LOCAL,
    check_source,
    file_address,
    file_path,
    is_http,
    read_address,
    scheme_of,
)
from kling_airflow.arguments import unsendable
from kling_airflow.errors import InvalidArgument

_FIRST_PRINTED = 32


@dataclass(frozen=True, slots=True)
class Base:
    """Where relative addresses begin.

    :param folder: an address without a slash at its end, such as ``s3://boards/spring``; None if there is no
        file, so that each address must be whole.
    """

    folder: str | None = None

    @classmethod
    def of_file(cls, address: str) -> Base:
        """Return the folder of a file."""
        if is_http(address):
            address = address.partition("?")[0].partition("#")[0]
        return cls(address.rpartition("/")[0])

    def address(self, field: str, value: Any) -> str:
        """Return the whole address of a frame.

        :raises InvalidArgument: for what is no address, a relative one without a file included.
        """
        relative = isinstance(value, PurePath) and not hasattr(value, "protocol") and not value.is_absolute()
        text = value.as_posix() if relative else read_address(field, value)
        if problem := unsendable(text):
            raise InvalidArgument(f"`{field}` {problem}.")
        if any(ord(sign) < _FIRST_PRINTED for sign in text):
            raise InvalidArgument(f"`{field}` is {text[:80]!r}, which has a control character; remove it.")
        if text[:5].lower() == "data:":
            raise InvalidArgument(f"`{field}` is a `data:` URL; store the frame and give its address.")
        if scheme_of(text):
            return check_source(text, field)
        if text.startswith("/"):
            return file_address(text)
        if self.folder is None:
            raise InvalidArgument(
                f"`{field}` is {text[:80]!r}, which is relative, and this storyboard is no file; give the"
                " whole address, such as s3://bucket/frame.png."
            )
        return self._joined(text)

    def _joined(self, relative: str) -> str:
        folder = self.folder or ""
        if scheme_of(folder) in LOCAL:
            return file_address(str(PurePath(posixpath.normpath(f"{file_path(folder)}/{relative}"))))
        scheme, _, rest = folder.partition("://")
        host, _, path = rest.partition("/")
        joined = posixpath.normpath(f"/{path}/{relative}")  # `..` ends at the bucket
        return f"{scheme}://{host}/{joined.lstrip('/')}"


def file_of(path: Path) -> str:
    """Return the address of a local file."""
    return file_address(str(path.absolute()))
