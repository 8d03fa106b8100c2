"""The operator that makes a frame of a picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import canonical, check_location, check_source, is_http, read_address, shown
from kling_airflow.arguments import name_or_none, switch_or_none, text_or_none, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import task_errors
from kling_airflow.hooks.allowed_addresses import DESTINATIONS, WrittenPlaces, confine
from kling_airflow.media.geometry import SHORT_SIDE, check_options
from kling_airflow.media.limits import MAX_PIXELS, MAX_SOURCE_BYTES
from kling_airflow.task.landing_arguments import task_of
from kling_airflow.task.mapped_destination import refuse_one_for_all
from kling_airflow.task.mapping import refuse_shared_place, refuse_shared_place_in_group
from kling_airflow.task.operator import KlingTask
from kling_airflow.yaml_habits import yaml_hint

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context, Templated
    from kling_airflow.lineage import Lineage
    from kling_airflow.media.frame import FrameOptions
    from kling_airflow.task.literals import Literals

_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_NAMES = tuple(sorted(set(_FORMATS.values())))
_HEX_DIGITS = r"(?i)([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})"


class PrepareFrameOperator(KlingTask):
    """Make a frame that the queue takes of any picture, and store it.

    The picture is turned upright, converted to sRGB without transparency, and cut, padded or stretched to
    the shape asked for. The frame is never larger than asked, and never larger than the picture has pixels
    for; a picture too small for the queue is enlarged up to twice, and refused if twice isn't enough.
    Metadata is left out, but for a comment that names the task as a hash. The same picture gives the same
    bytes.

    Returns ``uri, width, height, bytes, sha256, format``.

    :param source: an http(s) URL or any object-storage URI; templated, as are all parameters here.
    :param destination: an object-storage URI that ends in .jpg, .jpeg or .png.
    :param aspect_ratio: "16:9", "9:16", "1:1", or "source" for the picture's own shape.
    :param fit: "cover" crops, "contain" pads, "stretch" distorts.
    :param gravity: what "cover" keeps: "center", "top", "bottom", "left", "right", "top-left", ...
    :param background: a color for padding and behind transparent parts, "#rrggbb" or a CSS name; or "blur":
        padding made of the blurred picture.
    :param short_side: upper limit of the frame's shorter side, 432 to 2160 pixels; 720 makes 1280x720.
    :param format: "jpeg" or "png"; by default what the destination's name says.
    :param quality: of JPEG, 40 to 100; lowered if the frame would exceed 10 MB.
    :param max_bytes: largest file size of the source.
    :param max_pixels: largest number of pixels that decoding may hold in memory, about four bytes each. A
        JPEG is decoded at a reduced size, so that a larger one passes.
    :param source_conn_id: connection of the source's store; None takes the store's default.
    :param destination_conn_id: connection of the destination's store; None takes the store's default.
    :param overwrite: whether to replace a file at the destination that this task has not stored, in this run
        or an earlier one.
    """

    template_fields: Sequence[str] = (
        "source",
        "destination",
        "aspect_ratio",
        "fit",
        "gravity",
        "background",
        "short_side",
        "format",
        "quality",
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
        source: Any,
        destination: Any,
        aspect_ratio: Templated[str] | None = "16:9",
        fit: Templated[str] | None = "cover",
        gravity: Templated[str] | None = "center",
        background: Templated[str] | None = "#000000",
        short_side: Templated[int] | None = SHORT_SIDE,
        format: Templated[str] | None = None,  # noqa: A002
        quality: Templated[int] | None = 92,
        max_bytes: Templated[int] | None = MAX_SOURCE_BYTES,
        max_pixels: Templated[int] | None = MAX_PIXELS,
        source_conn_id: Templated[str] | None = None,
        destination_conn_id: Templated[str] | None = None,
        overwrite: Templated[bool] | None = False,
        **kwargs: Any,
    ) -> None:
        # Each value becomes an XCom of its own, so that `start.output["uri"]` works.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.source = source
        self.destination = destination
        self.aspect_ratio: Any = aspect_ratio
        self.fit: Any = fit
        self.gravity: Any = gravity
        self.background: Any = background
        self.short_side: Any = short_side
        self.format: Any = format
        self.quality: Any = quality
        self.max_bytes: Any = max_bytes
        self.max_pixels: Any = max_pixels
        self.source_conn_id: Any = source_conn_id
        self.destination_conn_id: Any = destination_conn_id
        self.overwrite: Any = overwrite
        self.written_places = WrittenPlaces(self, source=source, destination=destination)
        self._lineage: tuple[str, str] | None = None
        self.check_own_literals()
        refuse_shared_place_in_group("destination", self)

    @classmethod
    def check_mapped(cls, partial: Mapping[str, Any], mapped: Any) -> None:
        """Refuse frames that would overwrite one another: each clip would begin on the last of them."""
        refuse_shared_place("destination", partial, mapped)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the picture, make the frame, store it, and return where it is and what it measures."""
        from kling_airflow.hooks.frame_source import read_allowed_frame
        from kling_airflow.hooks.storage import StoredObject
        from kling_airflow.media.frame import prepare_frame
        from kling_airflow.media.picture_claim import PictureClaim
        from kling_airflow.task.asset_events import describe_file

        with task_errors(self.log):
            options = self._options()
            refuse_one_for_all(self)
            destination = check_location(self.destination, "destination")
            confine(destination, "destination", DESTINATIONS, self.written_places.of("destination"))
            target = StoredObject(
                destination,
                conn_id=name_or_none("destination_conn_id", self.destination_conn_id),
                field="destination",
            )
            check_source(self.source, "source")
            source = read_address("source", self.source)
            _refuse_in_place(source, destination)
            data = read_allowed_frame(
                source,
                "source",
                self.written_places,
                conn_id=name_or_none("source_conn_id", self.source_conn_id),
                max_bytes=whole_number("max_bytes", self.max_bytes),
            )
            self.log.info("Read %s: %d bytes.", shown(source), len(data))
            frame = prepare_frame(data, options)
            claim = PictureClaim(
                task_of(context), overwrite=bool(switch_or_none("overwrite", self.overwrite))
            )
            stored = claim.store(target, frame.data, "the frame")
        info, sha256 = frame.info, hashlib.sha256(stored).hexdigest()
        self.log.info(
            "Stored %s: %d x %d, %d bytes, sha256 %s.",
            target.uri,
            info.width,
            info.height,
            len(stored),
            sha256,
        )
        self._lineage = source, target.uri
        made = {
            "uri": target.uri,
            "width": info.width,
            "height": info.height,
            "bytes": len(stored),
            "sha256": sha256,
            "format": info.format,
        }
        self.lineage_result = made
        describe_file(self.outlets, context, target.uri, made)
        return made

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the picture as the input and the frame as the output."""
        from kling_airflow.lineage import lineage

        source, target = self._lineage or (None, None)
        return lineage(inputs=[source], outputs=[target], result=self.lineage_result)

    def _options(self) -> FrameOptions:
        from kling_airflow.media.frame import FrameOptions

        return FrameOptions(
            aspect_ratio=self.aspect_ratio,
            fit=self.fit,
            gravity=self.gravity,
            background=self.background,
            short_side=whole_number("short_side", self.short_side),
            format=text_or_none(self.format) or _format_of(self.destination),
            quality=whole_number("quality", self.quality),
            max_pixels=whole_number("max_pixels", self.max_pixels),
        )

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse wrong values when the DAG is parsed, if no template or XCom can change them."""
        from kling_airflow.media.jpeg_quality import check_quality

        given.read("source", lambda name, value: check_source(value, name), none=True)
        given.read("destination", lambda name, value: check_location(value, name), none=True)
        if given.keys() >= {"destination", "format"}:
            _ = text_or_none(given["format"]) or _format_of(given["destination"])
        words = {"aspect_ratio": "16:9", "fit": "cover", "gravity": "center"}
        for name in ("short_side", "quality", "max_bytes", "max_pixels"):
            given.read(name, lambda name, value: whole_number(name, value, least=1))
        words |= {name: given[name] for name in words if given.get(name) is not None}
        check_options(**words, short_side=whole_number("short_side", given.get("short_side") or SHORT_SIDE))
        given.read("quality", lambda _, value: check_quality(whole_number("quality", value)))
        given.read("format", lambda _, value: _check_format(value))
        given.read("background", lambda _, value: _check_background(value))
        for name in ("source_conn_id", "destination_conn_id"):
            given.read(name, name_or_none)
        given.read("overwrite", switch_or_none)


def _check_background(background: object) -> None:
    """Refuse what can't be a color; whether a name is one, only the image library knows."""
    hint = yaml_hint(background)
    if isinstance(background, str):
        is_hex = re.fullmatch(_HEX_DIGITS, background.strip().removeprefix("#")) is not None
        if is_hex == background.strip().startswith("#"):
            return
        hint = f" Write '#{background.strip()}'." if is_hex else ""
    raise InvalidArgument(
        f"`background` is {background!r}; it must be 'blur' or a color such as '#1a2b3c' or 'white'.{hint}"
    )


def _check_format(format_: object) -> None:
    if text_or_none(format_) is not None and format_ not in _NAMES:
        hint = yaml_hint(format_)
        raise InvalidArgument(f"`format` is {format_!r}; it must be one of {', '.join(_NAMES)}.{hint}")


def _refuse_in_place(source: str, destination: str) -> None:
    """Refuse to write the frame over its own picture, an older version of which may be the source."""
    from kling_airflow.hooks.store_path import split_version

    if is_http(source):
        return
    if canonical(split_version(source, "source")[0]) == canonical(destination):
        raise InvalidArgument(
            f"`destination` is {shown(destination)!r}, which is `source`: the frame would replace your"
            " picture.",
            todo="Choose another `destination`.",
        )


def _format_of(destination: object) -> str:
    destination = read_address("destination", destination)
    suffix = f".{destination.rpartition('/')[2].rpartition('.')[2].lower()}"
    if suffix not in _FORMATS:
        raise InvalidArgument(
            f"`destination` is {shown(destination)!r}; its name must end in {', '.join(_FORMATS)}, "
            "or `format` must be given."
        )
    return _FORMATS[suffix]
