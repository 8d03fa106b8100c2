"""What people write about a film, read as what is meant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import number_or_none, read_structure, switch_or_none, text_or_none, whole_number
from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.media.film.options import FilmOptions
    from kling_airflow.media.film.production import Extras
    from kling_airflow.media.signing import SigningKey

FILM_FIELDS = (
    "shape",
    "fit",
    "transition",
    "transition_seconds",
    "music",
    "music_volume",
    "ducking",
    "fade_out",
    "loudness",
    "chapters",
    "captions",
    "variants",
    "poster",
    "preview",
    "timeline",
    "crf",
    "preset",
)
"""The arguments of an operator that say how a film is made."""

_CUTS = ("none", "cut", "")


class FilmArguments:
    """Reads the arguments of an operator.

    :param operator: has an attribute for each of ``FILM_FIELDS``.
    """

    def __init__(self, operator: Any) -> None:
        self._operator = operator

    def options(self, titles: Sequence[str], music: Path | None) -> FilmOptions:
        """Return how the film is made.

        :param titles: of the clips.
        :param music: the track's local file; None for none.
        :raises InvalidArgument: a value that can't be.
        """
        from dataclasses import replace

        from kling_airflow.media.film.mix import Music

        made = replace(
            self._words(),
            transition_seconds=self._number("transition_seconds", 0.5),
            loudness=number_or_none("loudness", self._operator.loudness),
            crf=whole_number("crf", self._number("crf", 18)),
            max_pixels=whole_number("max_pixels", self._number("max_pixels", 8_912_896)),
            titles=tuple(titles) if self._switch("chapters") else (),
            music=None
            if music is None
            else Music(
                path=music,
                volume=self._number("music_volume", -12),
                ducking=self._switch("ducking"),
                fade_out=self._number("fade_out", 2),
            ),
        )
        made.check()
        return made

    def extras(self, captions: str | bytes | None, signing: SigningKey | None) -> Extras:
        """Return what is made beside the film.

        :param captions: "prompts", a file's content, or None.
        :param signing: the key that the film is signed with; None for none.
        :raises InvalidArgument: an unknown shape or format.
        """
        from kling_airflow.media.film.production import Extras

        made = Extras(
            variants=texts("variants", self._operator.variants),
            captions=captions,
            poster=self._switch("poster"),
            preview=text_or_none(self._operator.preview),
            timeline=self._switch("timeline"),
            signing=signing,
        )
        made.suffixes()
        return made

    def asked(self, options: FilmOptions, extras: Extras) -> dict[str, Any]:
        """Return the options as the sidecar has them: plain JSON, files by their hashes."""
        found = asdict(options)
        if options.music is not None:
            found["music"]["path"] = _sha256(options.music.path)
        captions = extras.captions
        if isinstance(captions, bytes):
            captions = f"sha256:{hashlib.sha256(captions).hexdigest()}"
        beside = {
            "variants": list(extras.variants),
            "captions": captions,
            "poster": extras.poster,
            "preview": extras.preview,
            "timeline": extras.timeline,
            "signed_with": None if extras.signing is None else extras.signing.name,
        }
        return {**found, "titles": list(options.titles), **beside}

    def _words(self) -> FilmOptions:
        from kling_airflow.media.film.options import FilmOptions

        return FilmOptions(
            shape=text_or_none(self._operator.shape),
            fit=text_or_none(self._operator.fit) or "pad",
            transition=transition_or_none(self._operator.transition),
            preset=text_or_none(self._operator.preset) or "medium",
        )

    def _number(self, field: str, usual: float) -> float:
        found = number_or_none(field, getattr(self._operator, field))
        return usual if found is None else found

    def _switch(self, field: str) -> bool:
        return switch_or_none(field, getattr(self._operator, field)) is not False


def transition_or_none(value: object) -> str | None:
    """Return the name of a transition; None for cuts."""
    name = text_or_none(value)
    return None if (name or "").strip().lower() in _CUTS else name


def texts(field: str, value: object) -> tuple[str, ...]:
    """Return a list of words: a list, its JSON, or words between commas.

    :raises InvalidArgument: for what is no list.
    """
    value = read_structure(value)
    if value is None:
        return ()
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise InvalidArgument(f'`{field}` is {value!r}; it must be a list such as ["9:16", "1:1"].')
    return tuple(dict.fromkeys(str(each) for each in value))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"
