"""The operator that takes exact frames out of a clip."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import check_location, is_http, shown
from kling_airflow.arguments import number_or_none, switch_or_none, text_or_none
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import task_errors
from kling_airflow.hooks.allowed_addresses import DESTINATIONS, WrittenPlaces, confine
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.media.limits import DOWNLOAD_SECONDS, MAX_CLIP_BYTES, MAX_CLIP_PIXELS
from kling_airflow.task.landing_arguments import number_or, task_of
from kling_airflow.task.mapped_destination import refuse_one_for_all
from kling_airflow.task.mapping import refuse_shared_place, refuse_shared_place_in_group
from kling_airflow.task.operator import KlingTask

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.lineage import Lineage
    from kling_airflow.media.picture_claim import PictureClaim
    from kling_airflow.task.literals import Literals

_WORDS = ("first", "last")


class ExtractFrameOperator(KlingTask):
    """Take a frame, or one every n seconds, out of a clip, and store it as PNG. Costs nothing.

    The frame is exact: the pixels that the decoder gives, upright and in RGB, without loss. ``at="last"`` is
    the last picture that can be decoded, which is what the next shot begins on if it continues this one.

    Returns ``uri, width, height, bytes, sha256, format, seconds``, which is what ``image`` of
    ``KlingImageToVideoOperator`` takes; ``seconds`` is None for the last frame. With ``every`` a list of
    these.

    :param clip: an object-storage URI, an http(s) URL, what a landing returned, or the clip dict of
        ``GMICloudRequestSensor``; templated, as are all parameters here.
    :param destination: an object-storage URI that ends in .png. With ``every``, the frames are named
        ``x.0001.png``, ``x.0002.png`` ... beside it.
    :param at: "last", "first", or seconds from the start; a negative number counts from the end.
    :param every: seconds between two frames; the first is at 0. None for the one frame of ``at``.
    :param max_bytes: a larger clip is refused.
    :param max_pixels: a clip with larger pictures is refused.
    :param source_conn_id: connection of the clip's store; None takes the store's default.
    :param destination_conn_id: connection of the destination's store; None takes the store's default.
    :param overwrite: whether to replace files at the destination that this task has not stored, in this run
        or an earlier one.
    """

    template_fields: Sequence[str] = (
        "clip",
        "destination",
        "at",
        "every",
        "max_bytes",
        "max_pixels",
        "source_conn_id",
        "destination_conn_id",
        "overwrite",
    )
    ui_color = "#e0f2fe"
    stores_at = "destination"

    def __init__(
        self,
        *,
        clip: Any,
        destination: Any,
        at: float | str | None = "last",
        every: float | str | None = None,
        max_bytes: int | str | None = MAX_CLIP_BYTES,
        max_pixels: int | str | None = MAX_CLIP_PIXELS,
        source_conn_id: str | None = None,
        destination_conn_id: str | None = None,
        overwrite: bool | str | None = False,
        **kwargs: Any,
    ) -> None:
        # Each value of one frame becomes an XCom of its own, so that `frame.output["uri"]` works.
        super().__init__(**{"multiple_outputs": every is None, **kwargs})
        self.clip = clip
        self.destination = destination
        self.at = at
        self.every = every
        self.max_bytes = max_bytes
        self.max_pixels = max_pixels
        self.source_conn_id = source_conn_id
        self.destination_conn_id = destination_conn_id
        self.overwrite = overwrite
        self.written_places = WrittenPlaces(self, clip=clip, destination=destination)
        self._lineage: tuple[list[str | None], list[str | None]] = ([], [])
        self.check_own_literals()
        refuse_shared_place_in_group("destination", self)

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        from kling_airflow.task.film_literals import check_literal_clip

        check_literal_clip(given)
        given.read("destination", lambda _, value: _check_png(value), none=True)
        given.read("at", lambda _, value: _read_at(value))
        given.read("every", lambda _, value: _read_every(value))

    @classmethod
    def check_mapped(cls, partial: Mapping[str, Any], mapped: Any) -> None:
        """Refuse frames that would overwrite one another."""
        refuse_shared_place("destination", partial, mapped)

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """Fetch the clip, decode what is needed, store the frames."""
        from kling_airflow.hooks.clip_source import fetch_allowed
        from kling_airflow.media.picture_claim import PictureClaim
        from kling_airflow.task.asset_events import describe_events

        with task_errors(self.log):
            at, every = _read_at(self.at), _read_every(self.every)
            target = self._target()
            with tempfile.TemporaryDirectory(prefix="kling-frames-") as folder:
                fetched = fetch_allowed(
                    self.clip,
                    "clip",
                    self.written_places,
                    Path(folder) / "clip.mp4",
                    conn_id=text_or_none(self.source_conn_id),
                    max_bytes=number_or("max_bytes", self.max_bytes, MAX_CLIP_BYTES),
                    deadline=DOWNLOAD_SECONDS,
                )
                pixels = number_or("max_pixels", self.max_pixels, MAX_CLIP_PIXELS)
                claim = PictureClaim(
                    task_of(context), overwrite=bool(switch_or_none("overwrite", self.overwrite))
                )
                if every is None:
                    png, seconds = _one(fetched.path, at, pixels)
                    made: Any = _described(target, claim.store(target, png, "the frame"), seconds)
                else:
                    made = _store_all(target, fetched.path, every, pixels, claim)
        stored = [made] if isinstance(made, dict) else made
        self.lineage_result = stored
        self._lineage = [fetched.uri], [frame["uri"] for frame in stored]
        files = [(frame["uri"], frame) for frame in stored]
        extra = made if isinstance(made, dict) else {"frames": len(stored)}
        describe_events(self.outlets, context, extra, files)
        self.log.info("Stored %d frames of %s at %s.", len(stored), shown(fetched.uri), shown(target.uri))
        return self.as_outputs(made) if isinstance(made, dict) else stored

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the clip as the input and the frames as outputs."""
        from kling_airflow.lineage import lineage

        inputs, outputs = self._lineage
        return lineage(inputs=inputs, outputs=outputs, result=self.lineage_result)

    def _target(self) -> StoredObject:
        refuse_one_for_all(self)
        address = _check_png(self.destination)
        confine(address, "destination", DESTINATIONS, self.written_places.of("destination"))
        return StoredObject(address, conn_id=text_or_none(self.destination_conn_id), field="destination")


def _store_all(
    target: StoredObject, path: Path, every: float, pixels: int, claim: PictureClaim
) -> list[dict[str, Any]]:
    """Store all frames, after a look at each place: either all of them are written, or none."""
    from kling_airflow.media.film.frames import frames_every

    frames: list[tuple[StoredObject, Path, float]] = []
    for number, still in enumerate(frames_every(path, every, max_pixels=pixels), 1):
        place, file = target.sibling(f".{number:04}.png"), path.with_suffix(f".{number:04}.png")
        claim.refuse_other(place, still.png, "a frame")
        file.write_bytes(still.png)
        frames.append((place, file, still.seconds))
    return [
        _described(place, claim.write(place, file.read_bytes()), seconds) for place, file, seconds in frames
    ]


def _described(place: StoredObject, png: bytes, seconds: float | None) -> dict[str, Any]:
    return {
        "uri": place.uri,
        "width": int.from_bytes(png[16:20], "big"),
        "height": int.from_bytes(png[20:24], "big"),
        "bytes": len(png),
        "sha256": hashlib.sha256(png).hexdigest(),
        "format": "png",
        "seconds": seconds,
    }


def _one(path: Path, at: str | float, pixels: int) -> tuple[bytes, float | None]:
    """Return one frame as PNG, and its moment if that is known."""
    from kling_airflow.media.film.frames import first_frame, frame_png, last_frame

    if at == "last":
        return last_frame(path, max_pixels=pixels), None
    if at == "first":
        return first_frame(path, max_pixels=pixels), 0.0
    return frame_png(path, float(at), max_pixels=pixels), float(at)


def _check_png(destination: object) -> str:
    address = check_location(destination, "destination")
    if is_http(address) or not address.lower().endswith(".png"):
        raise InvalidArgument(
            f"`destination` is {shown(address)!r}; it must be an object-storage URI that ends in .png."
        )
    return address


def _read_at(value: object) -> str | float:
    text = text_or_none(value)
    if text is None:
        return "last"
    word = text.strip().lower()
    if word in _WORDS:
        return word
    try:
        found = number_or_none("at", value)
    except InvalidArgument:
        found = None
    if found is None:
        raise InvalidArgument(f"`at` is {value!r}; it must be `first`, `last` or a number of seconds.")
    return found


def _read_every(value: object) -> float | None:
    found = number_or_none("every", value)
    if found is not None and found <= 0:
        raise InvalidArgument(f"`every` is {value!r}; it must be a number of seconds above 0.")
    return found
