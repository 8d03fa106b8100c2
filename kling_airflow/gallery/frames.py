"""The frames of a clip as small pictures, for those who may see the clip.

A sidecar is data: it names an address that a task has read. The gallery reads that address with the API
server's own rights, so it opens what lies below the gallery's folder, and what ``[kling] allowed_sources``
allows for addresses that come from data. A web address is never fetched. What is served is a small JPEG that
is made here: a file that is no picture is not handed out, whatever a sidecar says of it.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.addresses import is_http, scheme_of, shown
from kling_airflow.errors import KlingError
from kling_airflow.gallery.entry import is_path
from kling_airflow.gallery.recent import Recent

if TYPE_CHECKING:
    from kling_airflow.gallery.folder import Folder

EDGE: Final = 480
"""The longer edge of a thumbnail, pixels."""
MAX_BYTES: Final = 32_000_000
"""Larger files are not read: the API server has other work."""
MAX_PIXELS: Final = 40_000_000
GONE: Final = "The frame is gone"
CHANGED: Final = "Another file is there now"
UNREADABLE: Final = "The frame can't be read"
TOO_LARGE: Final = "The frame is too large"

_at_once = threading.BoundedSemaphore(2)
_thumbnails: Recent[bytes] = Recent(60.0, 128)


class NoThumbnail(Exception):
    """There is no picture to show. The text is one of the module's, fit for a placeholder."""


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A frame as a sidecar names it.

    :param uri: its address.
    :param sha256: of its file, in hex; "" if the sidecar does not say.
    """

    uri: str
    sha256: str = ""

    @property
    def address(self) -> str:
        """Its address without credentials and signatures."""
        return shown(self.uri)

    def kept_from(self, gallery: str) -> str:
        """Return why the gallery does not read it, in a few words; "" if the gallery does.

        :param gallery: the gallery's address.
        """
        if is_http(self.uri):
            return "at a web address, which the gallery does not fetch"
        if not scheme_of(self.uri):
            return "not in a store"
        if _key(gallery, self.uri) is not None:
            return ""
        from kling_airflow.hooks.allowed_addresses import SOURCES, allowed
        from kling_airflow.hooks.allowed_places import any_holds

        if any_holds(allowed(SOURCES), self.uri):
            return ""
        return "in a place that the API server's [kling] allowed_sources does not allow"


def frames_of(sidecar: Mapping[str, Any]) -> list[ClipFrame]:
    """Return the frames that a clip was made of, in the order of the sidecar."""
    asked = sidecar.get("asked")
    frames = asked.get("frames") if isinstance(asked, Mapping) else None
    found = frames if isinstance(frames, list) else []
    return [
        ClipFrame(str(frame.get("uri") or ""), str(frame.get("sha256") or ""))
        for frame in found
        if isinstance(frame, Mapping)
    ]


def thumbnail(gallery: str, folder: Folder, frame: ClipFrame) -> bytes:
    """Return a frame as a small JPEG.

    :param gallery: the gallery's address.
    :param folder: the gallery's.
    :raises NoThumbnail: it is gone, is another file by now, is no picture, or may not be read.
    """
    if frame.kept_from(gallery):
        raise NoThumbnail(UNREADABLE)

    def make() -> bytes:
        with _at_once:
            try:
                return _small(_checked(frame, _read(gallery, folder, frame)))
            except (KlingError, OSError, ValueError, MemoryError, ImportError) as error:
                raise NoThumbnail(UNREADABLE) from error

    return _thumbnails.get((gallery, frame), make)


def _read(gallery: str, folder: Folder, frame: ClipFrame) -> bytes:
    key = _key(gallery, frame.uri)
    if key is not None:
        info = folder.info(key)
        if info is None:
            raise NoThumbnail(GONE)
        if int(info["size"]) > MAX_BYTES:
            raise NoThumbnail(TOO_LARGE)
        return folder.read(key) or b""
    from kling_airflow.hooks.storage import StoredObject

    stored = StoredObject(frame.uri, field="frame")
    data = stored.read(MAX_BYTES + 1)
    if data is None:
        raise NoThumbnail(GONE)
    if len(data) > MAX_BYTES:
        raise NoThumbnail(TOO_LARGE)
    return data


def _checked(frame: ClipFrame, data: bytes) -> bytes:
    if frame.sha256 and hashlib.sha256(data).hexdigest() != frame.sha256:
        raise NoThumbnail(CHANGED)
    return data


def _small(data: bytes) -> bytes:
    from kling_airflow.media.color import to_srgb
    from kling_airflow.media.decode import open_picture

    with open_picture(data, max_pixels=MAX_PIXELS) as picture, picture.deferred_checks():
        scale = min(1.0, EDGE / max(picture.size))
        image = to_srgb(picture.load(scale=scale), (255, 255, 255))
        image.thumbnail((EDGE, EDGE))
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def _key(gallery: str, uri: str) -> str | None:
    """Return where a frame is below the gallery's folder; None if it is elsewhere."""
    from kling_airflow.gallery.settings import path_in_gallery

    path = path_in_gallery(gallery, uri)
    return path if path is not None and is_path(path, "") else None
