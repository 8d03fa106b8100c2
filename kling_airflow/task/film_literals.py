"""What is wrong in the literals of the film operators, said when the DAG is parsed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.arguments import (
    name_or_none,
    number_or_none,
    read_object_options,
    switch_or_none,
    text_or_none,
    whole_number,
)
from kling_airflow.hooks.clip_source import address_of
from kling_airflow.task.film_options import texts, transition_or_none
from kling_airflow.task.landing_arguments import check_destination, number_or

if TYPE_CHECKING:
    from kling_airflow.task.literals import Literals

_SWITCHES: Final = ("ducking", "chapters", "poster", "timeline", "overwrite", "sound")
_NUMBERS: Final = ("music_volume", "fade_out", "likeness")
_COUNTS: Final = ("max_bytes", "max_pixels")
_NAMES: Final = ("signing_conn_id", "source_conn_id", "destination_conn_id")


def check_literal_film(given: Literals) -> None:
    """Refuse what is wrong in the literals of ``JoinClipsOperator``, whatever the templates will say.

    :raises InvalidArgument: naming the argument, its value and what is possible.
    """
    given.read("destination", lambda _, value: check_destination(value), none=True)
    check_literals_alike(given)
    for name, read in _OPTIONS.items():
        given.read(name, lambda name, value, read=read: _check_option(name, read(name, value)))  # type: ignore[misc]
    given.read("music", _check_address)
    given.read("captions", _check_captions)
    given.read("variants", lambda name, value: _check_extras(variants=texts(name, value)))
    given.read("preview", lambda _, value: _check_extras(preview=text_or_none(value)))
    _check_clips(given)


def check_literal_takes(given: Literals) -> None:
    """Refuse what is wrong in the literals of ``CheckTakesOperator``; errors as ``check_literal_film``."""
    check_literals_alike(given)
    for name in ("columns", "rows"):
        given.read(name, lambda name, value: whole_number(name, value, least=1), none=True)
    _check_clips(given)


def check_literal_clip(given: Literals) -> None:
    """Refuse what is no clip, and what is wrong in the literals that the operators of clips share."""
    given.read("clip", lambda name, value: address_of(value, name), none=True)
    check_literals_alike(given)


def check_literals_alike(given: Literals) -> None:
    """Read the arguments that several operators have, each as it is read when the task runs."""
    for name in _SWITCHES:
        given.read(name, switch_or_none)
    for name in _NUMBERS:
        given.read(name, number_or_none)
    for name in _COUNTS:
        given.read(name, lambda name, value: number_or(name, value, 1))
    for name in _NAMES:
        given.read(name, name_or_none)
    given.read("object_options", lambda _, value: read_object_options(value))


def _check_clips(given: Literals) -> None:
    from kling_airflow.task.film_clips import read_clips

    given.read("clips", lambda _, value: read_clips(value), none=True)


def _whole_or_none(name: str, value: object) -> int | None:
    return None if text_or_none(value) is None else whole_number(name, value)


_OPTIONS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "shape": lambda _, value: text_or_none(value),
    "fit": lambda _, value: text_or_none(value),
    "transition": lambda _, value: transition_or_none(value),
    "preset": lambda _, value: text_or_none(value),
    "transition_seconds": number_or_none,
    "loudness": number_or_none,
    "crf": _whole_or_none,
}
"""How the options are read that ``FilmOptions`` checks."""


def _check_option(name: str, value: Any) -> None:
    from kling_airflow.media.film.options import FilmOptions

    if value is not None:
        FilmOptions(**{name: value}).check()


def _check_extras(**given: Any) -> None:
    from kling_airflow.media.film.production import Extras

    Extras(**given).suffixes()


def _check_captions(name: str, value: object) -> None:
    if not (isinstance(value, str) and value.strip().lower() == "prompts"):
        _check_address(name, value)


def _check_address(name: str, value: object) -> None:
    if text_or_none(value) is not None:
        address_of(value, name)
