"""Brings a clip into the user's own store, verified and described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import is_literal, number_or_none, switch_or_none, text_or_none, whole_number
from kling_airflow.errors import DownloadFailed, InvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.hooks.storage import StoredObject, check_location
from kling_airflow.media.limits import DOWNLOAD_SECONDS, MAX_CLIP_BYTES
from kling_airflow.task.operator import KlingTask

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from kling_airflow.clip import Clip
    from kling_airflow.lineage import Lineage
    from kling_airflow.media.landing import Places
    from kling_airflow.media.sidecar import Asked


class ClipToObjectStorageOperator(KlingTask):
    """Land a clip: download it, check it, store it with a poster, and write a sidecar last.

    The sidecar (``x.json`` beside ``x.mp4``) says what was asked, of which model, with which frames, and what
    came back. Its presence means the landing is whole: a retry that finds it, and the clip it describes, does
    nothing. Nothing here costs money. Memory use doesn't grow with the clip; the temporary file is on local
    disk (``TMPDIR``).

    Returns ``uri, sha256, bytes, duration_seconds, width, height, fps, has_audio, poster_uri, sidecar_uri,
    request_id``; each is an XCom of its own, too: ``land.output["uri"]``.

    :param clip: the dict that ``GMICloudRequestSensor`` returns; templated, as are all parameters here.
    :param destination: an object-storage URI that ends in .mp4. Poster and sidecar go beside it.
    :param destination_conn_id: connection of the destination's store; None takes the store's default.
    :param gmi_conn_id: the queue's connection, used only where the clip's address has expired.
    :param duration: seconds that were asked for; by default what the clip dict says.
    :param sound: whether sound was asked for; by default what the clip dict says.
    :param frames: what ``PrepareFrameOperator`` returned, for the sidecar; None entries are left out.
    :param prompt: for the sidecar.
    :param poster: whether to write a poster, ``x.jpg``.
    :param max_bytes: a larger clip is refused.
    :param download_timeout: seconds that the download may take in all.
    """

    template_fields: Sequence[str] = (
        "clip",
        "destination",
        "destination_conn_id",
        "gmi_conn_id",
        "duration",
        "sound",
        "frames",
        "prompt",
        "poster",
        "max_bytes",
        "download_timeout",
    )
    ui_color = "#e0f2fe"

    def __init__(
        self,
        *,
        clip: Mapping[str, Any] | str,
        destination: str,
        destination_conn_id: str | None = None,
        gmi_conn_id: str = GMICloudHook.default_conn_name,
        duration: float | str | None = None,
        sound: bool | str | None = None,
        frames: Iterable[Mapping[str, Any] | None] | None = None,
        prompt: str | None = None,
        poster: bool | str = True,
        max_bytes: int | str = MAX_CLIP_BYTES,
        download_timeout: float | str = DOWNLOAD_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.clip = clip
        self.destination = destination
        self.destination_conn_id = destination_conn_id
        self.gmi_conn_id = gmi_conn_id
        self.duration = duration
        self.sound = sound
        self.frames = frames
        self.prompt = prompt
        self.poster = poster
        self.max_bytes = max_bytes
        self.download_timeout = download_timeout
        self._lineage: tuple[list[str | None], list[str | None]] = ([], [])
        with airflow_errors():
            if is_literal(destination):
                _check_destination(destination)

    def execute(self, context: Context) -> dict[str, Any]:
        """Land the clip, or find that it has landed."""
        from kling_airflow.clip import Clip
        from kling_airflow.media.download import DownloadLimits
        from kling_airflow.media.landing import land

        with airflow_errors():
            clip = Clip.read(self.clip)
            asked = self._asked(clip)
            limits = DownloadLimits(
                max_bytes=whole_number("max_bytes", self.max_bytes),
                deadline=number_or_none("download_timeout", self.download_timeout) or DOWNLOAD_SECONDS,
            )
            landed = land(
                clip,
                self._places(),
                asked=asked,
                with_poster=bool(switch_or_none("poster", self.poster)),
                limits=limits,
                renew=lambda: self._fresh_url(clip.request_id),
            )
        self._lineage = (
            [clip.video_url, *(str(frame["uri"]) for frame in asked.frames)],
            [landed["uri"], landed["poster_uri"], landed["sidecar_uri"]],
        )
        return landed

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the frames and the clip's address as inputs, and what was stored as outputs."""
        from kling_airflow.lineage import lineage

        inputs, outputs = self._lineage
        return lineage(inputs=inputs, outputs=outputs)

    def _asked(self, clip: Clip) -> Asked:
        from kling_airflow.media.sidecar import Asked

        duration = number_or_none("duration", self.duration)
        sound = switch_or_none("sound", self.sound)
        return Asked(
            duration=number_or_none("clip['duration']", clip.duration) if duration is None else duration,
            sound=switch_or_none("clip['sound']", clip.sound) if sound is None else sound,
            prompt=text_or_none(self.prompt),
            frames=_frames(self.frames),
        )

    def _places(self) -> Places:
        from kling_airflow.media.landing import Places

        _check_destination(self.destination)
        place = StoredObject(
            self.destination, conn_id=text_or_none(self.destination_conn_id), field="destination"
        )
        return Places(place, place.sibling(".json"), place.sibling(".jpg"))

    def _fresh_url(self, request_id: str) -> str:
        request = GMICloudHook(self.gmi_conn_id).get_conn().get(request_id)
        if not request.outcome.video_url:
            raise DownloadFailed(
                f"The queue has no clip of request {request_id} any more ({request.status})."
            )
        return request.outcome.video_url


def _check_destination(destination: object) -> None:
    uri = check_location(destination, "destination")
    if not uri.lower().endswith(".mp4"):
        raise InvalidArgument(f"destination is {uri!r}; it must end in .mp4, which is what clips are.")
    if uri.lower().startswith(("http://", "https://")):
        raise InvalidArgument(f"destination is {uri!r}; nothing can be stored over http.")


def _frames(frames: Any) -> list[Mapping[str, Any]]:
    """Read what PrepareFrameOperator returned; a skipped end frame is None."""
    found = [] if frames is None else [frames] if isinstance(frames, Mapping) else list(frames)
    kept = [frame for frame in found if frame]
    for frame in kept:
        if not isinstance(frame, Mapping) or not frame.get("uri"):
            raise InvalidArgument(
                f"frames holds {frame!r}; each must be what PrepareFrameOperator returns, with a uri."
            )
    return kept
