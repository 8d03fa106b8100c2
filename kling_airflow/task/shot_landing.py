"""Lands the clips of a storyboard, each as soon as it is there, several at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.clip import Clip
from kling_airflow.hooks.allowed_addresses import DESTINATIONS, WrittenPlaces, confine
from kling_airflow.hooks.queue_clip import clip_guard, fresh_url
from kling_airflow.hooks.storage import StoredObject

if TYPE_CHECKING:
    from kling_airflow.hooks.gmi import GMICloudHook
    from kling_airflow.media.places import Places
    from kling_airflow.media.signing import SigningKey
    from kling_airflow.storyboard.shot import Shot

_KEPT: Final = ("uri", "sha256", "bytes", "duration_seconds", "width", "height")
"""What a report says of a landed clip, besides where its poster and sidecar are."""
_SIGNED_SECONDS: Final = 86_400


@dataclass(frozen=True)
class ClipStore:
    """The folder that the clips of a storyboard are stored in.

    :param folder: its address, without a slash at its end.
    :param conn_id: the store's connection; None for the store's default.
    :param hook: the queue's connection, for a clip whose address has expired.
    :param written: the places that the DAG's code names.
    :param object_options: parameters of S3's calls.
    :param on_mismatch: "fail" or "warn": what to do with a clip that is not what was asked for.
    :param overwrite: whether to replace the clip of another order, and files that no landing wrote.
    :param poster: whether to write a poster.
    :param signing: the key that the clips are signed with (C2PA); None stores them as they came.
    :param landed_by: the task, for the sidecars.
    """

    folder: str
    conn_id: str | None
    hook: GMICloudHook
    written: WrittenPlaces
    object_options: Mapping[str, Any] = field(default_factory=dict)
    on_mismatch: str = "fail"
    overwrite: bool = False
    poster: bool = True
    signing: SigningKey | None = None
    landed_by: Mapping[str, Any] | None = None

    def object(self, name: str) -> StoredObject:
        """Return a file of the folder.

        :raises InvalidArgument: if the task may not write there.
        """
        address = f"{self.folder}/{name}"
        confine(address, "destination", DESTINATIONS, self.written.of("destination"))
        return StoredObject(address, conn_id=self.conn_id, options=self.object_options)

    def refuse_taken(self, name: str) -> None:
        """Refuse, before a take is bought, what its landing would refuse afterwards.

        :raises DestinationTaken: if another clip, or a file that no landing wrote, has the place.
        :raises KlingError: if the store can't be read.
        """
        from kling_airflow.media.landing_claim import look, refuse_foreign, refuse_other_clip

        if self.overwrite:
            return
        places = self._places(name)
        found = look(places)
        refuse_other_clip(places, found, "", self.landed_by or {})
        refuse_foreign(places, found, "", with_poster=self.poster)

    def land(
        self, clip: Mapping[str, Any], name: str, shot: Shot | None, *, trace: str | None = None
    ) -> dict[str, Any]:
        """Land a clip under a name, or find that it has landed.

        :param shot: what was asked; None if the storyboard doesn't have the shot any more.
        :param trace: the place of the take's span; None if tracing is off.
        :return: ``uri, sha256, bytes, duration_seconds, width, height, poster_uri, sidecar_uri``.
        :raises KlingError: as :func:`kling_airflow.media.landing.land` does.
        """
        from kling_airflow.gallery.landed import note_landing
        from kling_airflow.hooks.land_span import landing
        from kling_airflow.media.landing import LandingOptions, land, paid_for
        from kling_airflow.media.sidecar import Asked

        made = Clip.read(clip)
        frames = () if shot is None else (shot.frame, shot.end_frame)
        places = self._places(name)
        traced = landing({}, made, connection=self.hook.gmi_conn_id, shot=name, under=trace)
        with paid_for(made.request_id), traced as on_landed:
            landed = land(
                made,
                places,
                asked=Asked(
                    duration=made.duration,
                    sound=made.sound,
                    prompt=None if shot is None else shot.options.values.get("prompt"),
                    frames=[{"uri": uri} for uri in frames if uri],
                ),
                renew=lambda: fresh_url(self.hook, made.request_id),
                guard=clip_guard(lambda: self.hook, ()),
                options=LandingOptions(
                    with_poster=self.poster,
                    overwrite=self.overwrite,
                    on_mismatch=self.on_mismatch,
                    landed_by=self.landed_by,
                    signing=self.signing,
                    on_landed=on_landed,
                ),
            )
            note_landing(places.clip)
        return {name: landed[name] for name in (*_KEPT, "poster_uri", "sidecar_uri", "request_id")}

    def _places(self, name: str) -> Places:
        from kling_airflow.media.places import Places

        place = self.object(f"{name}.mp4")
        return Places(place, place.sibling(".json"), place.sibling(".jpg"))

    def record_last_frame(self, name: str, landed: Mapping[str, Any]) -> str:
        """Store the last frame of a landed clip as PNG, once, and return its address.

        The frame is stored before a shot begins on it, so that each later try begins on the same one. Its
        name tells of which file it is: another clip of the same name gets another frame.

        :param name: the take's name.
        :param landed: what :meth:`land` returned.
        :raises KlingError: if the clip can't be read or decoded, or the frame can't be stored.
        """
        from kling_airflow.media.film.frames import last_frame
        from kling_airflow.media.landing import paid_for

        with paid_for(str(landed["request_id"])):
            place = self.object(f"{name}.last-{landed['sha256'][:12]}.png")
            if place.size():
                return place.uri
            with tempfile.TemporaryDirectory(prefix="kling-last-frame-") as folder:
                path = Path(folder) / "clip.mp4"
                with path.open("wb") as sink:
                    for block in self.object(f"{name}.mp4").blocks():
                        sink.write(block)
                place.write(last_frame(path), "image/png")
        return place.uri

    def read_last_frame(self, address: str, _: str) -> bytes:
        """Return the frame that :meth:`record_last_frame` has stored."""
        from kling_airflow.media.limits import MAX_FRAME_BYTES

        return self.object(address.rpartition("/")[2]).read_all(MAX_FRAME_BYTES)

    def sign(self, address: str) -> str:
        """Return an address of a stored frame that the queue can read for a day."""
        return self.object(address.rpartition("/")[2]).sign(_SIGNED_SECONDS)
