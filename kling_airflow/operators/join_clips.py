"""The operator that joins clips into a film."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import read_object_options, switch_or_none, text_or_none
from kling_airflow.exceptions import task_errors
from kling_airflow.hooks.allowed_addresses import DESTINATIONS, WrittenPlaces, confine
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.links import ClipLink, GalleryLink, RequestLink, push_landed
from kling_airflow.media.limits import DOWNLOAD_SECONDS, MAX_CLIP_BYTES, MAX_CLIP_PIXELS
from kling_airflow.task.asset_events import describe_file
from kling_airflow.task.film_options import FILM_FIELDS, FilmArguments
from kling_airflow.task.landing_arguments import (
    check_destination,
    number_or,
    task_of,
)
from kling_airflow.task.mapped_destination import refuse_one_for_all
from kling_airflow.task.mapping import refuse_shared_place, refuse_shared_place_in_group
from kling_airflow.task.operator import KlingTask

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.lineage import Lineage
    from kling_airflow.media.film.landing import FilmPlaces
    from kling_airflow.media.film.plan import Progress
    from kling_airflow.task.literals import Literals

_CAPTION_BYTES = 5_000_000
_SPOKEN = 15.0  # percent of the film between two lines of progress


class JoinClipsOperator(KlingTask):
    """Join clips, in order, into one MP4, and store it with all that belongs to it. Costs nothing.

    Pictures are copied if the clips are alike, else encoded once. A clip without sound gets silence, so that
    the sound never drifts. Beside ``film.mp4`` stand its poster ``film.jpg``, its timeline for editors
    ``film.otio``, captions ``film.vtt`` and ``film.srt``, a preview, other shapes such as
    ``film.9x16.mp4``, and last the sidecar ``film.json``: its presence means that all of it is whole. A retry
    that finds it, made of the same clips with the same options, does nothing. No file is overwritten that no
    landing wrote. Memory use doesn't grow with the film; clips and film are on local disk (``TMPDIR``).

    Returns ``uri, sha256, bytes, duration_seconds, width, height, fps, has_audio, poster_uri, sidecar_uri,
    request_id, clips, cost_usd, timeline_uri, captions_uri, preview_uri, variants``. Asset events of
    ``outlets`` carry ``request_id, cost_usd, duration_seconds, sha256, uri, clips`` as extras.

    :param clips: a list of addresses, of what landings returned, or of clip dicts; templated, as are all
        parameters here.
    :param destination: an object-storage URI that ends in .mp4.
    :param shape: "16:9", "9:16", "1:1" or "4:5"; None for that of the first clip.
    :param fit: how a clip of another shape is fitted: "pad", "crop" or "blur".
    :param transition: None for cuts, or "fade", "dissolve", "wipeleft" ...
    :param transition_seconds: how long a transition takes, up to 2.
    :param music: address of a track that lies under the whole film, repeated if it is shorter.
    :param music_volume: dB, relative to the track's own loudness.
    :param ducking: whether the music gets quieter while the clips' own sound is loud.
    :param fade_out: seconds at the end in which the music fades out.
    :param loudness: LUFS; -14 is what streaming services ask for. None leaves the sound as it is.
    :param chapters: whether each clip is a chapter, titled by the shot's name.
    :param captions: "prompts", or the address of a WebVTT or SRT file; None for none.
    :param variants: shapes in which the film is made once more, such as ["9:16", "1:1"].
    :param poster: whether to write ``film.jpg``.
    :param preview: "gif", "webp" or None.
    :param timeline: whether to write ``film.otio``.
    :param crf: x264's quality if pictures are encoded, 0 to 51.
    :param preset: x264's preset, "ultrafast" to "slower".
    :param max_bytes: a larger clip is refused.
    :param max_pixels: a clip with larger pictures is refused.
    :param signing_conn_id: connection with the key that the film is signed with (C2PA, extra ``c2pa``): the
        private key as password, ``certificates`` (PEM), ``algorithm`` and ``timestamp_url`` as extra.
    :param source_conn_id: connection of the clips' and the music's store.
    :param destination_conn_id: connection of the destination's store.
    :param overwrite: whether to replace files at the destination that no landing wrote.
    :param object_options: parameters of S3's calls, such as ``{"ServerSideEncryption": "aws:kms"}``.
    """

    template_fields: Sequence[str] = (
        "clips",
        "destination",
        *FILM_FIELDS,
        "max_bytes",
        "max_pixels",
        "signing_conn_id",
        "source_conn_id",
        "destination_conn_id",
        "overwrite",
        "object_options",
    )
    ui_color = "#e0f2fe"
    operator_extra_links = (RequestLink(), ClipLink(), GalleryLink())
    stores_at = "destination"

    def __init__(
        self,
        *,
        clips: Any,
        destination: Any,
        shape: str | None = None,
        fit: str | None = "pad",
        transition: str | None = None,
        transition_seconds: float | str | None = 0.5,
        music: Any = None,
        music_volume: float | str | None = -12,
        ducking: bool | str | None = True,
        fade_out: float | str | None = 2,
        loudness: float | str | None = None,
        chapters: bool | str | None = True,
        captions: Any = None,
        variants: Iterable[str] | str | None = None,
        poster: bool | str | None = True,
        preview: str | None = None,
        timeline: bool | str | None = True,
        crf: int | str | None = 18,
        preset: str | None = "medium",
        max_bytes: int | str | None = MAX_CLIP_BYTES,
        max_pixels: int | str | None = MAX_CLIP_PIXELS,
        signing_conn_id: str | None = None,
        source_conn_id: str | None = None,
        destination_conn_id: str | None = None,
        overwrite: bool | str | None = False,
        object_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clips = clips
        self.destination = destination
        self.shape = shape
        self.fit = fit
        self.transition = transition
        self.transition_seconds = transition_seconds
        self.music = music
        self.music_volume = music_volume
        self.ducking = ducking
        self.fade_out = fade_out
        self.loudness = loudness
        self.chapters = chapters
        self.captions = captions
        self.variants = variants
        self.poster = poster
        self.preview = preview
        self.timeline = timeline
        self.crf = crf
        self.preset = preset
        self.max_bytes = max_bytes
        self.max_pixels = max_pixels
        self.signing_conn_id = signing_conn_id
        self.source_conn_id = source_conn_id
        self.destination_conn_id = destination_conn_id
        self.overwrite = overwrite
        self.object_options = object_options
        self.written_places = WrittenPlaces(
            self, clips=clips, destination=destination, music=music, captions=captions
        )
        self._lineage: tuple[list[str | None], list[str | None]] = ([], [])
        self.check_own_literals()
        refuse_shared_place_in_group("destination", self)

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        from kling_airflow.task.film_literals import check_literal_film

        check_literal_film(given)

    @classmethod
    def check_mapped(cls, partial: Mapping[str, Any], mapped: Any) -> None:
        """Refuse films that would overwrite one another."""
        refuse_shared_place("destination", partial, mapped)

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the clips, make the film, store it; or find that it has been made."""
        from kling_airflow.gallery.landed import note_landing
        from kling_airflow.media.film.landing import landed

        with task_errors(self.log), tempfile.TemporaryDirectory(prefix="kling-film-") as folder:
            place = self._place()
            sidecar, places, inputs = self._made(context, place, Path(folder))
            result = landed(sidecar, places)
            note_landing(place)
        self.lineage_result = result
        stored = [result["uri"], result["poster_uri"], result["sidecar_uri"]]
        self._lineage = inputs, [*stored, *(str(file["uri"]) for file in sidecar.files)]
        if context.get("ti") is not None:
            context["ti"].xcom_push(key="uri", value=result["uri"])
        push_landed(context, result, place)
        names = ("request_id", "cost_usd", "duration_seconds", "sha256", "uri", "clips")
        describe_file(self.outlets, context, result["uri"], {name: result[name] for name in names})
        return self.as_outputs(result)

    def _made(
        self, context: Context, place: StoredObject, folder: Path
    ) -> tuple[Any, FilmPlaces, list[str | None]]:
        from kling_airflow.hooks.signing_key import read_signing_key
        from kling_airflow.media.film.landing import FilmPlaces, film_id, is_whole, store
        from kling_airflow.media.film.production import produce
        from kling_airflow.media.landing_claim import look, refuse_foreign, refuse_frames, refuse_other_task
        from kling_airflow.task.film_clips import FilmSource, fetch_clips, read_clips

        arguments = FilmArguments(self)
        signing = read_signing_key(text_or_none(self.signing_conn_id))
        extras = arguments.extras(self._caption_file(folder), signing)
        places = FilmPlaces.beside(place, list(extras.suffixes()))
        clips = read_clips(self.clips)
        max_bytes = number_or("max_bytes", self.max_bytes, MAX_CLIP_BYTES)
        source = FilmSource(self.written_places, text_or_none(self.source_conn_id), max_bytes)
        found = look(places)
        paths, shots = fetch_clips(clips, source, folder)
        options = arguments.options([shot.title for shot in shots], self._music_file(folder, max_bytes))
        asked = arguments.asked(options, extras)
        request_id, inputs = film_id(shots, asked), [shot.uri for shot in shots]
        refuse_frames(places, inputs, field="clips")
        if found.sidecar is not None and is_whole(found, places, request_id):
            self.log.info("The same film has landed before, whole, at %s.", place.uri)
            return found.sidecar, places, [*inputs]
        overwrite = bool(switch_or_none("overwrite", self.overwrite))
        if not overwrite:
            refuse_other_task(places, found, task_of(context) or {})
            refuse_foreign(places, found, request_id, with_poster=extras.poster)
        name = place.uri.rpartition("/")[2].removesuffix(".mp4")
        made = produce(
            paths, shots, folder, options, extras, name=name, asked=asked, progress=self._progress()
        )
        self.log.info(
            "Pictures are %s, sound is %s. %s", made.film.pictures, made.film.sound, " ".join(made.film.why)
        )
        sidecar = store(made, places, found, request_id, overwrite=overwrite, landed_by=task_of(context))
        return sidecar, places, [*inputs]

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Lineage:
        """Name the clips as inputs, and what was stored as outputs."""
        from kling_airflow.lineage import lineage

        inputs, outputs = self._lineage
        return lineage(inputs=inputs, outputs=outputs, result=self.lineage_result)

    def _place(self) -> StoredObject:
        refuse_one_for_all(self)
        address = check_destination(self.destination)
        confine(address, "destination", DESTINATIONS, self.written_places.of("destination"))
        return StoredObject(
            address,
            conn_id=text_or_none(self.destination_conn_id),
            field="destination",
            options=read_object_options(self.object_options),
        )

    def _music_file(self, folder: Path, max_bytes: int) -> Path | None:
        return self._fetched("music", folder / "music", max_bytes)

    def _caption_file(self, folder: Path) -> bytes | str | None:
        if isinstance(self.captions, str) and self.captions.strip().lower() == "prompts":
            return "prompts"
        path = self._fetched("captions", folder / "captions", _CAPTION_BYTES)
        return None if path is None else path.read_bytes()

    def _fetched(self, field: str, path: Path, max_bytes: int) -> Path | None:
        from kling_airflow.hooks.clip_source import fetch_allowed

        value = getattr(self, field)
        if text_or_none(value) is None:
            return None
        return fetch_allowed(
            value,
            field,
            self.written_places,
            path,
            conn_id=text_or_none(self.source_conn_id),
            max_bytes=max_bytes,
            deadline=DOWNLOAD_SECONDS,
        ).path

    def _progress(self) -> Progress:
        """Return what logs a line for each 15 percent of the film."""
        said = -_SPOKEN

        def tell(done: float, whole: float) -> None:
            nonlocal said
            percent = 100 * done / whole if whole else 100.0
            said = said if percent >= said else -_SPOKEN
            if percent - said >= _SPOKEN or percent >= 100:
                self.log.info("%.1f of %.1f seconds are made (%.0f %%).", done, whole, percent)
                said = percent

        return tell
