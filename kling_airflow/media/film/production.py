"""A film with everything that was asked for beside it: shapes, captions, preview, poster, timeline."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_picture import Poster
from kling_airflow.media.film.captions import Caption, captions_of, read_captions, to_srt, to_vtt
from kling_airflow.media.film.join import Film, join
from kling_airflow.media.film.landing import MadeFilm
from kling_airflow.media.film.options import SHAPES, FilmOptions
from kling_airflow.media.film.plan import Progress
from kling_airflow.media.film.preview import FORMATS, preview
from kling_airflow.media.film.shot import Shot
from kling_airflow.media.film.timeline import timeline
from kling_airflow.media.signing import SigningKey, sign

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is made beside a film.

    :param variants: shapes in which the film is made once more: "9:16", "1:1", "4:5", "16:9".
    :param captions: "prompts", the content of a WebVTT or SRT file, or None for none.
    :param poster: whether to make a JPEG of an early picture.
    :param preview: "gif", "webp" or None.
    :param timeline: whether to write an .otio file.
    :param signing: the key that the film and its other shapes are signed with, last; None for none.
    """

    variants: Sequence[str] = ()
    captions: str | bytes | None = None
    poster: bool = True
    preview: str | None = None
    timeline: bool = True
    signing: SigningKey | None = None

    def suffixes(self) -> dict[str, str]:
        """Return the suffix of each file, and what it is.

        :raises InvalidArgument: an unknown shape or format.
        """
        found = {}
        for shape in self.variants:
            if shape not in SHAPES:
                raise InvalidArgument(f"`variants` holds {shape!r}; each must be one of {', '.join(SHAPES)}.")
            found[f".{shape.replace(':', 'x')}.mp4"] = "variant"
        if self.preview is not None:
            if self.preview not in FORMATS:
                raise InvalidArgument(f"`preview` is {self.preview!r}; it must be `gif` or `webp`.")
            found[f".{self.preview}"] = "preview"
        if self.captions is not None:
            found[".vtt"] = found[".srt"] = "captions"
        if self.timeline:
            found[".otio"] = "timeline"
        return found


def produce(
    paths: Sequence[Path],
    shots: Sequence[Shot],
    folder: Path,
    options: FilmOptions,
    extras: Extras,
    *,
    name: str,
    asked: Mapping[str, Any],
    progress: Progress | None = None,
) -> MadeFilm:
    """Join the clips, and make what belongs to the film.

    :param paths: the clips' files.
    :param shots: what is known of each.
    :param folder: where the files are made.
    :param name: of the film, in its timeline.
    :param asked: the options, for the sidecar.
    :raises InvalidArgument: an option that can't be.
    :raises InvalidClip: a file is no clip.
    """
    captions = _given_captions(extras, shots)
    called = [f"Clip {number} ({shot.title})" for number, shot in enumerate(shots, 1)]
    _warn_of_credentials(shots, is_signed=extras.signing is not None)
    film = join(paths, folder / "film.mp4", options, names=called, progress=progress)
    others: dict[str, Path] = {}
    for suffix, data in _texts(film, shots, extras, captions, name, options):
        others[suffix] = folder / f"film{suffix}"
        others[suffix].write_bytes(data)
    for shape in extras.variants:
        suffix = f".{shape.replace(':', 'x')}.mp4"
        log.info("The film is made once more, in %s.", shape)
        others[suffix] = join(
            paths, folder / f"film{suffix}", replace(options, shape=shape), names=called, progress=progress
        ).path
    poster = Poster()
    look = poster.look if extras.poster else None
    made = MadeFilm(
        film=film,
        info=check_clip(film.path, duration=film.seconds, max_pixels=options.max_pixels, look=look),
        shots=shots,
        poster=poster.jpeg() if extras.poster else None,
        others=others,
        kinds=extras.suffixes(),
        asked=asked,
    )
    if extras.signing is not None:
        clips = [(path, shot.title) for path, shot in zip(paths, shots, strict=True)]
        for path in (film.path, *(others[suffix] for suffix in others if suffix.endswith(".mp4"))):
            sign(path, extras.signing, title=name, clips=clips, max_pixels=options.max_pixels)
    return made


def _texts(
    film: Film,
    shots: Sequence[Shot],
    extras: Extras,
    given: Sequence[Caption] | None,
    name: str,
    options: FilmOptions,
) -> Iterator[tuple[str, bytes]]:
    """Yield the small files: suffix and content."""
    if extras.captions is not None:
        captions = given or captions_of([shot.prompt for shot in shots], film.segments)
        yield ".vtt", to_vtt(captions)
        yield ".srt", to_srt(captions)
    if extras.preview is not None:
        yield (
            f".{extras.preview}",
            preview(film.path, film.seconds, extras.preview, max_pixels=options.max_pixels),
        )
    if extras.timeline:
        yield ".otio", timeline(film, shots, name, options.transition)


def _given_captions(extras: Extras, shots: Sequence[Shot]) -> Sequence[Caption] | None:
    """Return the captions of a file, read before anything is made; None if the prompts are the captions."""
    if isinstance(extras.captions, bytes):
        return read_captions(extras.captions, "`captions`")
    if extras.captions is not None and not any(shot.prompt for shot in shots):
        raise InvalidArgument(
            "`captions` is 'prompts', and no clip's prompt is known: neither the tasks that hand the clips on"
            " nor the sidecars beside the clips name one.",
            todo="Give `prompt` to ClipToObjectStorageOperator, or the address of a WebVTT or SRT file here.",
        )
    return None


def _warn_of_credentials(shots: Sequence[Shot], *, is_signed: bool) -> None:
    """Say that a film can't carry its clips' credentials: they are bound to the clips' own bytes."""
    found = [shot.title for shot in shots if shot.credentials is not None]
    if found:
        log.warning(
            "Content credentials (C2PA) are in %d of the clips: %s. They stay in the clips' own files. The"
            " film is another file%s; its sidecar names them.",
            len(found),
            ", ".join(found[:10]),
            ", whose own credentials name them as ingredients" if is_signed else " and does not carry them",
        )
