"""The landing of a clip: fetched, checked, stored, and described by a sidecar that is written last.

The sidecar's presence means that the landing is whole. The store is hidden behind :class:`Place`.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import shown
from kling_airflow.clip import Clip
from kling_airflow.errors import KlingError, Money, StorageFailed
from kling_airflow.media.clip_check import ClipInfo, check_clip
from kling_airflow.media.clip_download import fetch
from kling_airflow.media.clip_picture import Poster, poster
from kling_airflow.media.credentials import Credentials, find_credentials
from kling_airflow.media.download import Downloaded, DownloadLimits
from kling_airflow.media.landing_claim import (
    Found,
    look,
    refuse_foreign,
    refuse_frames,
    refuse_other_clip,
    release,
    take,
)
from kling_airflow.media.limits import MAX_CLIP_BYTES, MAX_CLIP_PIXELS
from kling_airflow.media.places import Place, Places
from kling_airflow.media.sidecar import Asked, Sidecar

if TYPE_CHECKING:
    from kling_airflow.media.http_connection import AddressGuard
    from kling_airflow.media.signing import SigningKey

log = logging.getLogger(__name__)

_AGAIN = "Running the landing again buys nothing."


@dataclass(frozen=True, kw_only=True)
class LandingOptions:
    """How a clip is landed.

    :param with_poster: whether to take a poster out of the clip.
    :param overwrite: whether to replace the clip of another task or take, and files that no landing wrote.
    :param on_mismatch: "fail" or "warn": what to do with a clip that is damaged or not what was asked for.
    :param max_pixels: of one picture of the clip; larger ones are not decoded.
    :param landed_by: the task that lands, for the sidecar: ``dag_id, run_id, task_id, map_index``.
    :param signing: the key that the clip is signed with (C2PA), after its checks; None stores it as it came.
    :param on_landed: gets the sidecar, and whether the clip had landed before.
    """

    with_poster: bool = True
    overwrite: bool = False
    on_mismatch: str = "fail"
    max_pixels: int = MAX_CLIP_PIXELS
    landed_by: Mapping[str, Any] | None = None
    signing: SigningKey | None = None
    on_landed: Callable[[Sidecar, bool], None] = lambda _, __: None


def land(
    clip: Clip,
    places: Places,
    *,
    asked: Asked | None = None,
    limits: DownloadLimits | None = None,
    renew: Callable[[], str] | None = None,
    guard: AddressGuard | None = None,
    options: LandingOptions | None = None,
) -> dict[str, Any]:
    """Stream a clip to a local file, check it, and store the clip, its poster, and last its sidecar.

    If a whole landing of the same request is found, nothing is done. Nothing at the destination is touched
    before the new clip has passed its checks. Another request's clip, and a file that no landing wrote, are
    replaced only with ``options.overwrite``.

    :param clip: what the sensor returned.
    :param places: where it goes.
    :param asked: what was asked of the model, for the checks and the sidecar.
    :param limits: of the download.
    :param renew: asks the queue for the clip's address again.
    :param guard: which hosts the download may connect to; None for any.
    :param options: how it is landed.
    :return: ``uri, sha256, bytes, duration_seconds, width, height, fps, has_audio, poster_uri,
        sidecar_uri, request_id``.
    :raises DestinationTaken: another request's clip or a file that no landing wrote stands there, or another
        landing is writing.
    :raises DownloadFailed: the clip didn't arrive.
    :raises InvalidClip: it isn't what was asked for.
    :raises StorageFailed: the store refused.
    """
    with paid_for(clip.request_id):
        return _Landing(clip, places, asked or Asked(), options or LandingOptions()).run(
            limits or DownloadLimits(max_bytes=MAX_CLIP_BYTES), renew, guard
        )


@contextmanager
def paid_for(request_id: str) -> Iterator[None]:
    """Let every error that leaves the block say that the clip is paid for, and that landing again is free."""
    try:
        yield
    except KlingError as error:
        todo = f"{error.todo} {_AGAIN}" if error.todo else f"Run the task again. {_AGAIN}"
        if error.money is Money.SPENT and error.request_id:
            raise
        raise error.with_money(Money.SPENT, todo=todo, request_id=request_id) from error.__cause__


@dataclass(frozen=True)
class _File:
    """What is stored as the clip; ``signed`` is what the sidecar says of its signature."""

    path: Path
    sha256: str
    bytes: int
    signed: Mapping[str, str] | None = None


class _Landing:
    """One clip on its way to its places."""

    def __init__(self, clip: Clip, places: Places, asked: Asked, options: LandingOptions) -> None:
        self.clip, self.places, self.asked, self.options = clip, places, asked, options

    def run(
        self, limits: DownloadLimits, renew: Callable[[], str] | None, guard: AddressGuard | None
    ) -> dict[str, Any]:
        """Land the clip, or find that it has landed."""
        refuse_frames(self.places, [str(frame.get("uri") or "") for frame in self.asked.frames])
        found = look(self.places)
        if found.sidecar is not None and self._is_whole(found.sidecar):
            log.info("Request %s has landed before, whole, at %s.", self.clip.request_id, self._shown())
            self.options.on_landed(found.sidecar, True)
            return what_landed(found.sidecar, self.places)
        if not self.options.overwrite:
            refuse_other_clip(self.places, found, self.clip.request_id, self.options.landed_by or {})
            refuse_foreign(self.places, found, self.clip.request_id, with_poster=self.options.with_poster)
        with tempfile.TemporaryDirectory(prefix="kling-landing-") as folder:
            # Named after the clip, so that a scanner that goes by names knows what it is.
            path = Path(folder) / "clip.mp4"
            downloaded = fetch(self.clip, path, limits, renew, guard)
            info, picture = self._checked(path)
            credentials = find_credentials(path)
            file = self._signed(path, downloaded)
            take(self.places, found, self.clip.request_id, overwrite=self.options.overwrite)
            made = self._store(file, found, info, picture, credentials)
        release(self.places)
        log.info("Request %s has landed at %s.", self.clip.request_id, self._shown())
        self.options.on_landed(made, False)
        return what_landed(made, self.places)

    def _checked(self, path: Path) -> tuple[ClipInfo, bytes | None]:
        """Decode the clip once, for its checks and its poster; its first second again if it begins blank."""
        found = Poster() if self.options.with_poster else None
        info = check_clip(
            path,
            duration=self.asked.duration,
            sound=self.asked.sound,
            on_mismatch=self.options.on_mismatch,
            max_pixels=self.options.max_pixels,
            look_at_first=None if found is None else found.look,
        )
        for mismatch in info.mismatches:
            log.warning('%s It lands nevertheless, because of on_mismatch="warn".', mismatch)
        log.info(
            "The clip was decoded: %d x %d, duration %s, audio track: %s.",
            info.width,
            info.height,
            info.duration_check,
            info.sound_check,
        )
        if found is None:
            return info, None
        return info, found.jpeg() if found.is_found else poster(path, max_pixels=self.options.max_pixels)

    def _signed(self, path: Path, downloaded: Downloaded) -> _File:
        """Return the file that is stored: as it came, or signed."""
        if self.options.signing is None:
            return _File(path, downloaded.sha256, downloaded.bytes)
        from kling_airflow.media.signing import sign_clip

        key, name = self.options.signing, self.places.clip.uri.rpartition("/")[2].removesuffix(".mp4")
        sign_clip(path, key, title=name, model=self.clip.model, max_pixels=self.options.max_pixels)
        signed = {"by": key.name, "from_sha256": downloaded.sha256}
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return _File(path, digest, path.stat().st_size, signed)

    def _store(
        self,
        file: _File,
        found: Found,
        info: ClipInfo,
        picture: bytes | None,
        credentials: Credentials | None,
    ) -> Sidecar:
        """Write clip, poster and sidecar, in this order; the older sidecar goes first."""
        places = self.places
        if found.raw is not None:
            remove_sidecar(places.sidecar, is_known=found.sidecar is not None)
        places.clip.write_file(file.path, "video/mp4")
        if picture:
            places.poster.write(picture, "image/jpeg")
        elif found.sidecar and found.sidecar.poster:
            places.poster.delete()  # it shows the clip that was replaced
        made = Sidecar.make(
            self.clip,
            self.asked,
            info,
            sha256=file.sha256,
            size=file.bytes,
            uri=places.clip.uri,
            poster=_described(places.poster, picture),
            landed_at=datetime.now(UTC),
            landed_by=self.options.landed_by,
            credentials=credentials,
            signed=file.signed,
        )
        places.sidecar.write(made.to_json(), "application/json")
        return made

    def _is_whole(self, earlier: Sidecar) -> bool:
        """Compare what is stored with its sidecar, the cheap questions first."""
        if earlier.request_id != self.clip.request_id:
            log.info("%s is the clip of request %s.", self._shown(), earlier.request_id)
            return False
        if self.options.signing is not None and earlier.signed_by != self.options.signing.name:
            log.info("%s is not signed with this key.", self._shown())
            return False
        if self.places.clip.size() != earlier.bytes:
            log.warning("%s doesn't have the %d bytes of its sidecar.", self._shown(), earlier.bytes)
            return False
        poster_bytes = None if earlier.poster is None else earlier.poster["bytes"]
        if self.options.with_poster and (poster_bytes is None or self.places.poster.size() != poster_bytes):
            log.info("%s is missing.", shown(self.places.poster.uri))
            return False
        if self.places.clip.sha256() != earlier.sha256:
            log.warning("%s doesn't have the hash of its sidecar.", self._shown())
            return False
        return True

    def _shown(self) -> str:
        return shown(self.places.clip.uri)


def remove_sidecar(sidecar: Place, *, is_known: bool) -> None:
    """Remove the old sidecar: until the new one is written, nothing at the destination counts as whole."""
    try:
        sidecar.delete()
    except StorageFailed as error:
        if is_known:
            raise
        log.warning("%s If an older sidecar stands there, it stays until the new one is written.", error.what)


def _described(place: Place, data: bytes | None) -> dict[str, Any] | None:
    if data is None:
        return None
    return {"uri": place.uri, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def what_landed(sidecar: Sidecar, places: Places) -> dict[str, Any]:
    """Return what a task hands on about the files that a sidecar describes."""
    return {
        "uri": places.clip.uri,
        "sha256": sidecar.sha256,
        "bytes": sidecar.bytes,
        **sidecar.measures,
        "poster_uri": places.poster.uri if sidecar.poster else None,
        "sidecar_uri": places.sidecar.uri,
        "request_id": sidecar.request_id,
    }
