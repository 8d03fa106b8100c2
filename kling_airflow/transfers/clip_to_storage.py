"""Stores a clip in the user's own store, verified and described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import (
    name_or_none,
    number_or_none,
    one_of,
    read_object_options,
    switch_or_none,
    text_or_none,
)
from kling_airflow.errors import DownloadFailed, Money
from kling_airflow.exceptions import task_errors
from kling_airflow.hooks.allowed_addresses import DESTINATIONS, WrittenPlaces, confine
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.links import ClipLink, GalleryLink, RequestLink, push_landed
from kling_airflow.media.limits import DOWNLOAD_SECONDS, MAX_CLIP_BYTES, MAX_CLIP_PIXELS, ON_MISMATCH
from kling_airflow.task.landing_arguments import (
    asked_seconds,
    check_destination,
    check_literal_landing,
    number_or,
    read_clip,
    read_frames,
    task_of,
)
from kling_airflow.task.mapped_destination import refuse_one_for_all
from kling_airflow.task.mapping import refuse_shared_place, refuse_shared_place_in_group
from kling_airflow.task.operator import KlingTask
from kling_airflow.task.shot_failure import raise_if_failed

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context, Templated
    from kling_airflow.clip import Clip
    from kling_airflow.hooks.storage import StoredObject
    from kling_airflow.lineage import Lineage
    from kling_airflow.media.http_connection import AddressGuard
    from kling_airflow.media.landing import LandingOptions
    from kling_airflow.media.sidecar import Asked
    from kling_airflow.task.literals import Literals


class ClipToObjectStorageOperator(KlingTask):
    """Land a clip: download it, check it, store it with a poster, and write a sidecar last.

    The sidecar (``x.json`` beside ``x.mp4``) says what was asked, of which model, with which frames, and what
    came back. Its presence means the landing is whole: a retry that finds it, and the clip it describes, does
    nothing. Nothing here costs money. The clip of another request, and a file that no landing wrote, are
    replaced only with ``overwrite=True``. Memory use doesn't grow with the clip; the temporary file is on
    local disk (``TMPDIR``).

    Returns ``uri, sha256, bytes, duration_seconds, width, height, fps, has_audio, poster_uri, sidecar_uri,
    request_id``; the URI is an XCom of its own, too: ``land.output["uri"]``. Asset events of ``outlets``
    carry ``request_id, cost_usd, duration_seconds, sha256, uri, label`` as extras.

    :param clip: the dict that ``GMICloudRequestSensor`` returns, its JSON, or a request id; templated, as are
        all parameters here. None, from a Param, means "not given" in each of them.
    :param destination: an object-storage URI or path that ends in .mp4. Poster and sidecar go beside it.
    :param destination_conn_id: connection of the destination's store; None takes the store's default.
    :param gmi_conn_id: the queue's connection, used only if the clip's address has expired or isn't known.
        None for the connection that the clip dict names, else ``gmi_cloud_default``.
    :param duration: seconds that were asked for; by default what the clip dict says.
    :param sound: whether sound was asked for; by default what the clip dict says.
    :param frames: what ``PrepareFrameOperator`` returned, one or several, for the sidecar.
    :param prompt: for the sidecar.
    :param poster: whether to write a poster, ``x.jpg``.
    :param max_bytes: a larger clip is refused.
    :param max_pixels: a clip with larger pictures is refused: decoding one needs up to 20 times 1.5 bytes a
        pixel.
    :param download_timeout: seconds that the download may take in all, or a timedelta.
    :param on_mismatch: "fail" refuses a clip that is damaged or not what was asked for; "warn" lands it, and
        says what is wrong in log and sidecar.
    :param signing_conn_id: connection with a key that the clip is signed with (C2PA, extra ``c2pa``), as for
        ``JoinClipsOperator``; the vendor's own credentials stay in the file. None stores the clip as it came.
    :param overwrite: whether to replace the clip of another task or take, and files that no landing wrote.
    :param object_options: parameters of S3's calls, such as ``{"ServerSideEncryption": "aws:kms"}``, ``ACL``,
        ``RequestPayer``.
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
        "max_pixels",
        "download_timeout",
        "on_mismatch",
        "signing_conn_id",
        "overwrite",
        "object_options",
    )
    ui_color = "#e0f2fe"
    operator_extra_links = (RequestLink(), ClipLink(), GalleryLink())
    stores_at = "destination"
    mapped_trigger_rule = "all_done"

    def __init__(
        self,
        *,
        clip: Templated[Mapping[str, Any]] | Sequence[Templated[Mapping[str, Any]]],
        destination: Any,
        destination_conn_id: Templated[str] | None = None,
        gmi_conn_id: Templated[str] | None = None,
        duration: Templated[float] | timedelta | None = None,
        sound: Templated[bool] | None = None,
        frames: Templated[Mapping[str, Any]] | Iterable[Any] | None = None,
        prompt: Templated[str] | None = None,
        poster: Templated[bool] | None = True,
        max_bytes: Templated[int] | None = MAX_CLIP_BYTES,
        max_pixels: Templated[int] | None = MAX_CLIP_PIXELS,
        download_timeout: Templated[float] | timedelta | None = DOWNLOAD_SECONDS,
        on_mismatch: Templated[str] | None = "fail",
        signing_conn_id: Templated[str] | None = None,
        overwrite: Templated[bool] | None = False,
        object_options: Templated[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clip: Any = clip
        self.destination = destination
        self.destination_conn_id: Any = destination_conn_id
        self.gmi_conn_id: Any = gmi_conn_id
        self.duration: Any = duration
        self.sound: Any = sound
        self.frames: Any = frames
        self.prompt: Any = prompt
        self.poster: Any = poster
        self.max_bytes: Any = max_bytes
        self.max_pixels: Any = max_pixels
        self.download_timeout: Any = download_timeout
        self.on_mismatch: Any = on_mismatch
        self.signing_conn_id: Any = signing_conn_id
        self.overwrite: Any = overwrite
        self.object_options: Any = object_options
        self.written_places = WrittenPlaces(self, clip=clip, destination=destination)
        self._clip_conn_id: str | None = None
        self._lineage: tuple[list[str | None], list[str | None]] = ([], [])
        self.check_own_literals()
        refuse_shared_place_in_group("destination", self)

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        check_literal_landing(given)

    @classmethod
    def check_mapped(cls, partial: Mapping[str, Any], mapped: Any) -> None:
        """Refuse clips that would overwrite one another."""
        refuse_shared_place("destination", partial, mapped)

    def execute(self, context: Context) -> dict[str, Any]:
        """Land the clip, or find that it has landed."""
        from kling_airflow.gallery.landed import note_landing
        from kling_airflow.hooks.land_span import landing
        from kling_airflow.hooks.queue_clip import fresh_url
        from kling_airflow.media.download import DownloadLimits
        from kling_airflow.media.landing import land, paid_for
        from kling_airflow.media.places import Places

        with task_errors(self.log):
            raise_if_failed(self.clip)
            clip = read_clip(self.clip, self._ask_for_clip)
            self._clip_conn_id = clip.gmi_conn_id
            with paid_for(clip.request_id):
                asked = self._asked(clip)
                place = self._place()
                limits = DownloadLimits(
                    max_bytes=number_or("max_bytes", self.max_bytes, MAX_CLIP_BYTES),
                    deadline=asked_seconds("download_timeout", self.download_timeout) or DOWNLOAD_SECONDS,
                )
                with landing(context, clip, connection=clip.gmi_conn_id) as on_landed:
                    landed = land(
                        clip,
                        Places(place, place.sibling(".json"), place.sibling(".jpg")),
                        asked=asked,
                        limits=limits,
                        renew=lambda: fresh_url(self._hook(), clip.request_id),
                        guard=self._guard(),
                        options=replace(self._options(context), on_landed=on_landed),
                    )
                note_landing(place)
        self._lineage = (
            [clip.video_url, *(str(frame["uri"]) for frame in asked.frames)],
            [landed["uri"], landed["poster_uri"], landed["sidecar_uri"]],
        )
        self.lineage_result = {**landed, "cost_usd": clip.cost_usd, "model": clip.model}
        self._hand_on(context, clip, landed, place)
        return self.as_outputs(landed)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the frames and the clip's address as inputs, and what was stored as outputs."""
        from kling_airflow.lineage import lineage

        inputs, outputs = self._lineage
        return lineage(inputs=inputs, outputs=outputs, result=self.lineage_result)

    def _asked(self, clip: Clip) -> Asked:
        from kling_airflow.media.sidecar import Asked

        duration = asked_seconds("duration", self.duration)
        sound = switch_or_none("sound", self.sound)
        return Asked(
            duration=number_or_none("clip['duration']", clip.duration) if duration is None else duration,
            sound=switch_or_none("clip['sound']", clip.sound) if sound is None else sound,
            prompt=text_or_none(self.prompt),
            frames=read_frames(self.frames),
        )

    def _options(self, context: Context) -> LandingOptions:
        from kling_airflow.hooks.signing_key import read_signing_key
        from kling_airflow.media.landing import LandingOptions

        on_mismatch = text_or_none(self.on_mismatch) or "fail"
        one_of("on_mismatch", on_mismatch, ON_MISMATCH)
        return LandingOptions(
            with_poster=switch_or_none("poster", self.poster) is not False,
            overwrite=bool(switch_or_none("overwrite", self.overwrite)),
            on_mismatch=on_mismatch,
            max_pixels=number_or("max_pixels", self.max_pixels, MAX_CLIP_PIXELS),
            landed_by=task_of(context),
            signing=read_signing_key(name_or_none("signing_conn_id", self.signing_conn_id)),
        )

    def _place(self) -> StoredObject:
        from kling_airflow.hooks.storage import StoredObject

        refuse_one_for_all(self)
        address = check_destination(self.destination)
        confine(address, "destination", DESTINATIONS, self.written_places.of("destination"))
        return StoredObject(
            address,
            conn_id=name_or_none("destination_conn_id", self.destination_conn_id),
            field="destination",
            options=read_object_options(self.object_options),
        )

    def _hook(self) -> GMICloudHook:
        named = name_or_none("gmi_conn_id", self.gmi_conn_id) or self._clip_conn_id
        return GMICloudHook(named or GMICloudHook.default_conn_name)

    def _guard(self) -> AddressGuard:
        from kling_airflow.hooks.queue_clip import clip_guard

        return clip_guard(self._hook, self.written_places.of("clip"))

    def _ask_for_clip(self, request_id: str) -> Clip:
        request = self._hook().get_conn().get(request_id)
        if not request.outcome.video_url:
            ended = Money.SPENT if request.status == "success" else Money.NOT_BILLED
            raise DownloadFailed(
                f"Request {request_id} is {request.status}; the queue has no clip of it.",
                retryable=not request.status.terminal,
                money=ended if request.status.terminal else Money.HELD,
                todo="Land it after it has succeeded, for instance behind a GMICloudRequestSensor.",
                request_id=request_id,
            )
        return request.clip()

    def _hand_on(self, context: Context, clip: Clip, landed: Mapping[str, Any], place: StoredObject) -> None:
        """Leave the URI and the links as XComs, and what the clip is in the asset events of the outlets."""
        from kling_airflow.task.asset_events import describe_file

        if context.get("ti") is not None:
            context["ti"].xcom_push(key="uri", value=landed["uri"])
        push_landed(context, landed, place)
        extra = {
            "request_id": landed["request_id"],
            "cost_usd": clip.cost_usd,
            "duration_seconds": landed["duration_seconds"],
            "sha256": landed["sha256"],
            "uri": landed["uri"],
            "label": clip.label,
        }
        describe_file(self.outlets, context, landed["uri"], extra)
