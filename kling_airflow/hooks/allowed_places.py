"""Places that addresses may lie in: ``s3://``, ``https://*.example.com``, ``file:///data/frames``."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self
from urllib.parse import unquote, urlsplit

from kling_airflow.addresses import LOCAL, file_path, is_http, scheme_of, split_connection

_DEFAULT_PORTS = {"http": 80, "https": 443}
OUTSIDE = ".."
"""The path of an address that climbs out of its bucket or host."""
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True)
class Place:
    """A scheme, and as much of what follows as was written.

    :param scheme: in lower case.
    :param host: a host, a bucket, ``container@account``; may begin with ``*.``; "" for any.
    :param path: what the path must begin with, folder by folder; "" for any.
    :param conn_id: the connection that an address may name; None if it may name none.
    """

    scheme: str
    host: str = ""
    path: str = ""
    conn_id: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a place as a setting or an address has it: ``scheme://[conn_id@][host][/path]``."""
        conn_id, address = split_connection(text.strip())
        scheme = scheme_of(address) or address.rstrip(":/").lower()
        if scheme in LOCAL:
            return cls("file", "", _local(address) if file_path(address).strip("/") else "", conn_id)
        host, path = _host_and_path(address)
        return cls(scheme, host, path, conn_id)

    def holds(self, address: str) -> bool:
        """Whether an address lies here."""
        conn_id, plain = split_connection(address.strip())
        if conn_id is not None and conn_id != self.conn_id:
            return False
        scheme = scheme_of(plain)
        if scheme in LOCAL:
            return self.scheme == "file" and _begins(_local(plain), self.path)
        host, path = _host_and_path(plain)
        if self.scheme != scheme or not self.holds_host(host) or not _begins(path, self.path):
            return False
        return _begins(_normal(path), self.path)

    def holds_host(self, host: str) -> bool:
        """Whether a host, with its port if it is not the scheme's own, is one of these."""
        if not self.host:
            return True
        without_port = host if ":" in self.host.rpartition("]")[2] else re.sub(r":\d+$", "", host)
        return fnmatchcase(without_port, self.host)

    def names_host_of(self, url: str) -> bool:
        """Whether the host of an http(s) address is named here, not just any host."""
        return bool(self.host) and self.scheme in _DEFAULT_PORTS and self.holds_host(_host_and_path(url)[0])


def parse_places(setting: str) -> list[Place]:
    """Read a setting: places between blanks, commas or line ends."""
    return [Place.parse(entry) for entry in re.split(r"[\s,]+", setting) if entry]


def place_of_code(text: str) -> Place | None:
    """Return the place that an address in a DAG's code names, whatever its templates render to.

    ``s3://clips/{{ ds }}/x.mp4`` names the bucket ``s3://clips/``; ``file:///data/{{ ds }}/x.mp4`` names the
    folder ``/data/``. None if scheme and place come from a template.
    """
    text = text.strip()
    template = _TEMPLATE.search(text)
    literal = text if template is None else text[: template.start()]
    scheme = scheme_of(literal)
    if not scheme:
        return None
    if scheme in LOCAL:
        path = file_path(literal) if template is None else file_path(literal).rpartition("/")[0]
        return Place("file", "", _local(f"file://{path}")) if path.strip("/") else None
    if template is not None and "/" not in literal.partition("://")[2]:
        return None  # the template may go on with the host's name
    conn_id, plain = split_connection(literal)
    return Place(scheme, _host_and_path(plain)[0], "", conn_id)


def any_holds(places: Iterable[Place], address: str) -> bool:
    """Whether an address lies in one of some places."""
    return any(place.holds(address) for place in places)


def _host_and_path(address: str) -> tuple[str, str]:
    """Return host and path; those of http(s) in normal form, so that no spelling gets around a prefix."""
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    if is_http(address):
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            return "", ""
        host = (parts.hostname or "").rstrip(".")
        if port is not None and port != _DEFAULT_PORTS[scheme]:
            host = f"{host}:{port}"
        if "\\" in parts.netloc or "%" in host:
            return "", ""  # programs read such a name in two ways
        path = unquote(parts.path)
        return host, posixpath.normpath(f"/{path.lstrip('/')}") if path.strip("/") else ""
    host, _, path = rest.partition("/")
    return host, f"/{path}" if path else ""


def _normal(path: str) -> str:
    """Return a path as the most lenient reader takes it: escapes read, ``..`` followed.

    A path that climbs above its own root, out of the bucket, lies in no place.
    """
    depth = 0
    for _ in range(3):
        path = unquote(path)
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    for part in parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return OUTSIDE
    return posixpath.normpath(f"/{'/'.join(parts)}") if parts else ""


def _local(address: str) -> str:
    return os.path.realpath(file_path(address))


def _begins(path: str, prefix: str) -> bool:
    folder = prefix.rstrip("/")
    if path == OUTSIDE:
        return False
    return not folder or path == folder or path.startswith(f"{folder}/")
