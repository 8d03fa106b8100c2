"""The landing of a clip: fetched, checked, stored, and described by a sidecar that is written last.

The sidecar's presence means the landing is whole. Where things are stored is somebody else's business:
a ``Place`` is all that is asked for.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from kling_airflow.clip import Clip
from kling_airflow.errors import DownloadFailed, StorageFailed
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_picture import poster
from kling_airflow.media.download import Downloaded, DownloadLimits, download
from kling_airflow.media.limits import MAX_CLIP_BYTES
from kling_airflow.media.sidecar import Asked, Sidecar

log = logging.getLogger(__name__)


class Place(Protocol):
    """One object of a store, there or not."""

    @property
    def uri(self) -> str:
        """Its address, without credentials or connection ids."""

    def size(self) -> int | None:
        """Return its size in bytes; None where there is nothing, or nobody may look."""

    def read(self, limit: int) -> bytes | None:
        """Return its first ``limit`` bytes; None where there is nothing, b"" where nobody may look."""

    def sha256(self) -> str:
        """Return the hash of what is stored, in hex."""

    def write_file(self, path: Path, content_type: str) -> None:
        """Store a local file, whole or not at all, in constant memory."""

    def write(self, data: bytes, content_type: str) -> None:
        """Store some bytes, whole or not at all."""

    def delete(self) -> None:
        """Remove it, if it is there."""


@dataclass(frozen=True)
class Places:
    """Where a landing's parts go."""

    clip: Place
    sidecar: Place
    poster: Place


def land(
    clip: Clip,
    places: Places,
    *,
    asked: Asked | None = None,
    with_poster: bool = True,
    limits: DownloadLimits | None = None,
    renew: Callable[[], str] | None = None,
) -> dict[str, Any]:
    """Bring a clip home: stream it to a local file, check it, store it, its poster, and last its sidecar.

    Where a whole landing of the same request is found, nothing is done. Nothing at the destination is
    touched before the new clip has passed its checks.

    :param clip: what the sensor returned.
    :param places: where it goes.
    :param asked: what was asked of the model, for the checks and the sidecar.
    :param with_poster: whether to take a poster out of the clip.
    :param limits: of the download.
    :param renew: asks the queue for the clip's address again.
    :return: ``uri, sha256, bytes, duration_seconds, width, height, fps, has_audio, poster_uri,
        sidecar_uri, request_id``.
    :raises DownloadFailed: the clip didn't arrive.
    :raises InvalidClip: it isn't what was asked for.
    :raises StorageFailed: the store refused.
    """
    asked = asked or Asked()
    limits = limits or DownloadLimits(max_bytes=MAX_CLIP_BYTES)
    found = places.sidecar.read(Sidecar.MAX_BYTES)
    earlier = Sidecar.parse(found)
    if earlier is not None and _is_whole(earlier, clip, places, with_poster):
        log.info("Request %s has landed before, whole, at %s.", clip.request_id, places.clip.uri)
        return _landed(earlier, places)
    with tempfile.TemporaryDirectory(prefix="kling-landing-") as folder:
        # Named after the clip, so that what looks at names knows what it is.
        path = Path(folder) / "clip.mp4"
        downloaded = _fetch(clip, path, limits, renew)
        info = check_clip(path, duration=asked.duration, sound=asked.sound)
        log.info(
            "The clip is good: %d x %d, duration %s, sound %s.",
            info.width,
            info.height,
            info.duration_check,
            info.sound_check,
        )
        picture = poster(path) if with_poster else None
        if found is not None:
            _remove(places.sidecar, is_known=earlier is not None)
        places.clip.write_file(path, "video/mp4")
    if picture:
        places.poster.write(picture, "image/jpeg")
    elif earlier and earlier.poster:
        places.poster.delete()  # it shows the clip that was replaced
    made = Sidecar.make(
        clip,
        asked,
        info,
        sha256=downloaded.sha256,
        size=downloaded.bytes,
        uri=places.clip.uri,
        poster=_described(places.poster, picture),
        landed_at=datetime.now(UTC),
    )
    places.sidecar.write(made.to_json(), "application/json")
    log.info("Request %s has landed at %s.", clip.request_id, places.clip.uri)
    return _landed(made, places)


def _is_whole(earlier: Sidecar, clip: Clip, places: Places, with_poster: bool) -> bool:
    """Compare what is stored with its sidecar, the cheap questions first."""
    if earlier.request_id != clip.request_id:
        log.info("%s is of request %s; it is replaced.", places.clip.uri, earlier.request_id)
        return False
    if places.clip.size() != earlier.bytes:
        log.warning("%s doesn't have the %d bytes of its sidecar.", places.clip.uri, earlier.bytes)
        return False
    if with_poster and (earlier.poster is None or places.poster.size() != earlier.poster["bytes"]):
        log.info("%s is missing.", places.poster.uri)
        return False
    if places.clip.sha256() != earlier.sha256:
        log.warning("%s doesn't have the hash of its sidecar.", places.clip.uri)
        return False
    return True


def _fetch(clip: Clip, path: Path, limits: DownloadLimits, renew: Callable[[], str] | None) -> Downloaded:
    began = time.monotonic()
    with path.open("wb") as sink:
        downloaded = _download(clip, sink, limits, renew)
    log.info(
        "Fetched %d bytes in %.1f s, cut off %d times, sha256 %s.",
        downloaded.bytes,
        time.monotonic() - began,
        downloaded.interruptions,
        downloaded.sha256,
    )
    return downloaded


def _download(
    clip: Clip, sink: BinaryIO, limits: DownloadLimits, renew: Callable[[], str] | None
) -> Downloaded:
    if clip.video_url:
        try:
            return download(clip.video_url, sink, limits)
        except DownloadFailed as error:
            if renew is None or not error.gone:
                raise
            log.warning("%s Asking the queue for the clip of request %s again.", error, clip.request_id)
    elif renew is None:
        raise DownloadFailed(f"The clip of request {clip.request_id} has no video_url.", retryable=False)
    return download(renew(), sink, limits)


def _remove(sidecar: Place, *, is_known: bool) -> None:
    """Remove the old sidecar: until the new one stands, whoever looks sees that this isn't whole."""
    try:
        sidecar.delete()
    except StorageFailed as error:
        if is_known:
            raise
        log.warning("%s Should an older sidecar stand there, it does so until the new one is written.", error)


def _described(place: Place, data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    return {"uri": place.uri, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _landed(sidecar: Sidecar, places: Places) -> dict[str, Any]:
    return {
        "uri": places.clip.uri,
        "sha256": sidecar.sha256,
        "bytes": sidecar.bytes,
        **sidecar.measures,
        "poster_uri": places.poster.uri if sidecar.poster else None,
        "sidecar_uri": places.sidecar.uri,
        "request_id": sidecar.request_id,
    }
