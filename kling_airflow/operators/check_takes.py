"""The operator that checks takes and puts them on a contact sheet, before a person looks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import check_location, is_http, shown
from kling_airflow.arguments import (
    number_or_none,
    read_structure,
    switch_or_none,
    text_or_none,
    whole_number,
)
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import task_errors
from kling_airflow.hooks.allowed_addresses import DESTINATIONS, WrittenPlaces, confine
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.media.limits import MAX_CLIP_BYTES, MAX_CLIP_PIXELS, MAX_SOURCE_BYTES
from kling_airflow.task.landing_arguments import number_or, task_of
from kling_airflow.task.mapped_destination import refuse_one_for_all
from kling_airflow.task.mapping import refuse_shared_place, refuse_shared_place_in_group
from kling_airflow.task.operator import KlingTask

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.lineage import Lineage
    from kling_airflow.media.film.shot import Shot
    from kling_airflow.media.film.take_check import TakeReport
    from kling_airflow.task.literals import Literals

_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}


class CheckTakesOperator(KlingTask):
    """Say what a machine can tell of takes, and store a contact sheet of them. Costs nothing.

    Black, frozen, silent, clipped, a first picture unlike the start frame: each is a sentence in the report.
    No take is removed and none is made again: a person, or the DAG, decides.

    Returns ``takes`` (of each: ``uri, title, take, request_id, cost_usd, seconds, problems`` and what was
    measured), ``good`` (the addresses of those without problems), ``cost_usd``, ``sheet_uri``.

    :param clips: a list of addresses, of what landings returned, or of clip dicts; templated, as are all
        parameters here.
    :param destination: an object-storage URI of the sheet that ends in .jpg, .jpeg or .png.
    :param frames: the start frames: one for all takes, or one for each; addresses, or what
        ``PrepareFrameOperator`` returned.
    :param sound: whether sound was asked for; False says that silence is right.
    :param likeness: SSIM of first picture and start frame, below which they are unlike.
    :param columns: pictures in a row of the sheet.
    :param rows: rows for each take.
    :param max_bytes: a larger clip is refused.
    :param max_pixels: a clip with larger pictures is refused.
    :param source_conn_id: connection of the clips' and the frames' store.
    :param destination_conn_id: connection of the sheet's store.
    :param overwrite: whether to replace a file at the destination that this task has not stored, in this run
        or an earlier one.
    """

    template_fields: Sequence[str] = (
        "clips",
        "destination",
        "frames",
        "sound",
        "likeness",
        "columns",
        "rows",
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
        clips: Any,
        destination: Any,
        frames: Any = None,
        sound: bool | str | None = None,
        likeness: float | str | None = 0.6,
        columns: int | str = 5,
        rows: int | str = 1,
        max_bytes: int | str | None = MAX_CLIP_BYTES,
        max_pixels: int | str | None = MAX_CLIP_PIXELS,
        source_conn_id: str | None = None,
        destination_conn_id: str | None = None,
        overwrite: bool | str | None = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.clips = clips
        self.destination = destination
        self.frames = frames
        self.sound = sound
        self.likeness = likeness
        self.columns = columns
        self.rows = rows
        self.max_bytes = max_bytes
        self.max_pixels = max_pixels
        self.source_conn_id = source_conn_id
        self.destination_conn_id = destination_conn_id
        self.overwrite = overwrite
        self.written_places = WrittenPlaces(self, clips=clips, destination=destination, frames=frames)
        self._lineage: tuple[list[str | None], list[str | None]] = ([], [])
        self.check_own_literals()
        refuse_shared_place_in_group("destination", self)

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        from kling_airflow.task.film_literals import check_literal_takes

        given.read("destination", lambda _, value: _format_of(value), none=True)
        check_literal_takes(given)

    @classmethod
    def check_mapped(cls, partial: Mapping[str, Any], mapped: Any) -> None:
        """Refuse sheets that would overwrite one another."""
        refuse_shared_place("destination", partial, mapped)

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the takes, check each, store the sheet."""
        from kling_airflow.media.film.contact_sheet import SheetTake, contact_sheet
        from kling_airflow.media.picture_claim import PictureClaim
        from kling_airflow.task.asset_events import describe_file
        from kling_airflow.task.film_clips import FilmSource, fetch_clips, read_clips

        with task_errors(self.log), tempfile.TemporaryDirectory(prefix="kling-takes-") as folder:
            target, format_ = self._target()
            clips = read_clips(self.clips)
            frames = self._frames(len(clips))
            source = FilmSource(
                self.written_places,
                text_or_none(self.source_conn_id),
                number_or("max_bytes", self.max_bytes, MAX_CLIP_BYTES),
            )
            paths, shots = fetch_clips(clips, source, Path(folder))
            reports = [self._check(*each) for each in zip(paths, shots, frames, strict=True)]
            takes = [
                SheetTake(path=path, title=_title(shot), note=" ".join(report.problems))
                for path, shot, report in zip(paths, shots, reports, strict=True)
            ]
            sheet = contact_sheet(
                takes,
                columns=whole_number("columns", self.columns, least=1),
                rows=whole_number("rows", self.rows, least=1),
                format=format_,
                max_pixels=self._max_pixels(),
            )
            overwrite = bool(switch_or_none("overwrite", self.overwrite))
            PictureClaim(task_of(context), overwrite=overwrite).store(target, sheet, "the sheet")
        self._lineage = [shot.uri for shot in shots], [target.uri]
        result = self.lineage_result = _result(shots, reports, target.uri)
        about = {"uri": target.uri, "takes": len(shots), "cost_usd": result["cost_usd"]}
        describe_file(self.outlets, context, target.uri, about)
        return self.as_outputs(result)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the takes as inputs, and the sheet as the output."""
        from kling_airflow.lineage import lineage

        inputs, outputs = self._lineage
        return lineage(inputs=inputs, outputs=outputs, result=self.lineage_result)

    def _target(self) -> tuple[StoredObject, str]:
        refuse_one_for_all(self)
        format_ = _format_of(self.destination)
        address = check_location(self.destination, "destination")
        confine(address, "destination", DESTINATIONS, self.written_places.of("destination"))
        conn_id = text_or_none(self.destination_conn_id)
        return StoredObject(address, conn_id=conn_id, field="destination"), format_

    def _check(self, path: Path, shot: Shot, frame: bytes | None) -> TakeReport:
        from kling_airflow.media.film.facts import about
        from kling_airflow.media.film.take_check import TakeLimits, check_take

        likeness = number_or_none("likeness", self.likeness)
        with about(f"Take {shown(shot.uri)}"):
            report = check_take(
                path,
                start_frame=frame,
                sound=switch_or_none("sound", self.sound),
                limits=TakeLimits() if likeness is None else TakeLimits(likeness=likeness),
                max_pixels=self._max_pixels(),
            )
        for problem in report.problems:
            self.log.warning("%s: %s", shown(shot.uri), problem)
        return report

    def _max_pixels(self) -> int:
        return number_or("max_pixels", self.max_pixels, MAX_CLIP_PIXELS)

    def _frames(self, count: int) -> list[bytes | None]:
        """Return the start frame of each take; None for a take without one."""
        from kling_airflow.hooks.frame_source import read_allowed_frame

        given = read_structure(self.frames)
        if given is None:
            return [None] * count
        several = list(given) if isinstance(given, list | tuple) else [given]
        if len(several) not in (1, count):
            raise InvalidArgument(
                f"`frames` has {len(several)} frames for {count} takes; give one, or {count}."
            )
        found = [
            None
            if frame is None
            else read_allowed_frame(
                frame,
                "frames",
                self.written_places,
                conn_id=text_or_none(self.source_conn_id),
                max_bytes=MAX_SOURCE_BYTES,
            )
            for frame in several
        ]
        return found * count if len(found) == 1 else found


def _result(shots: Sequence[Shot], reports: Sequence[TakeReport], sheet: str) -> dict[str, Any]:
    costs = [shot.cost_usd for shot in shots]
    return {
        "takes": [
            {
                "uri": shot.uri,
                "title": _title(shot),
                "take": shot.take,
                "request_id": shot.request_id,
                "cost_usd": shot.cost_usd,
                **report.to_json(),
            }
            for shot, report in zip(shots, reports, strict=True)
        ],
        "good": [shot.uri for shot, report in zip(shots, reports, strict=True) if not report.problems],
        "cost_usd": None if None in costs else round(sum(cost for cost in costs if cost is not None), 6),
        "sheet_uri": sheet,
    }


def _title(shot: Shot) -> str:
    return shot.title if shot.take is None else f"{shot.title}, take {shot.take}"


def _format_of(destination: object) -> str:
    address = check_location(destination, "destination")
    suffix = f".{address.rpartition('/')[2].rpartition('.')[2].lower()}"
    if is_http(address) or suffix not in _FORMATS:
        raise InvalidArgument(
            f"`destination` is {shown(address)!r}; it must be an object-storage URI that ends in"
            f" {', '.join(_FORMATS)}."
        )
    return _FORMATS[suffix]
