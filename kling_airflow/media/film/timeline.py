"""The film as a timeline for editors: an ``.otio`` file (OpenTimelineIO), which Resolve and Premiere open.

It is JSON of a published schema, so that it is written here without a library; a test reads it with
``opentimelineio``. https://opentimelineio.readthedocs.io/en/stable/tutorials/otio-serialized-schema.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from kling_airflow.media.film.join import Film
from kling_airflow.media.film.shot import Shot


def timeline(film: Film, shots: Sequence[Shot], name: str, transition: str | None) -> bytes:
    """Return the film's timeline: each clip where it lies in its store, with its transition and metadata.

    :param shots: one for each clip of the film; take, cost and request id become metadata.
    :param name: of the film.
    :param transition: the name of the film's transition; None for cuts.
    """
    rate = film.rate
    counts = [round(segment.seconds * rate) for segment in film.segments]
    starts = [round(segment.start * rate) for segment in film.segments]
    kinds = ["Video", "Audio"] if film.has_audio else ["Video"]
    tracks = [_track(kind, shots, counts, starts, rate, transition) for kind in kinds]
    whole = {
        "OTIO_SCHEMA": "Timeline.1",
        "name": name,
        "metadata": {"kling_airflow": {"seconds": film.seconds, "clips": len(shots)}},
        "global_start_time": None,
        "tracks": {**_item("Stack.1", "tracks"), "children": tracks},
    }
    return json.dumps(whole, indent=2, ensure_ascii=False).encode() + b"\n"


def _track(
    kind: str,
    shots: Sequence[Shot],
    counts: Sequence[int],
    starts: Sequence[int],
    rate: Fraction,
    transition: str | None,
) -> dict[str, Any]:
    """Return a track: clips cut in the middle of their transitions, and the transitions between them."""
    children: list[dict[str, Any]] = []
    before = 0  # pictures that a clip begins with and that lie before the cut
    for number, (shot, count) in enumerate(zip(shots, counts, strict=True)):
        is_last = number == len(shots) - 1
        overlap = 0 if is_last else starts[number] + count - starts[number + 1]
        after = overlap // 2
        children.append(_clip(shot, before, count - before - after, count, rate))
        if overlap:
            children.append(_transition(transition or "fade", overlap - after, after, rate))
        before = overlap - after
    return {**_item("Track.1", kind), "kind": kind, "children": children}


def _clip(shot: Shot, start: int, length: int, available: int, rate: Fraction) -> dict[str, Any]:
    known = {
        "request_id": shot.request_id,
        "take": shot.take,
        "cost_usd": shot.cost_usd,
        "model": shot.model,
        "prompt": shot.prompt,
        "sha256": shot.sha256 or None,
    }
    media = {
        "OTIO_SCHEMA": "ExternalReference.1",
        "metadata": {},
        "name": shot.title,
        "available_range": _range(0, available, rate),
        "available_image_bounds": None,
        "target_url": shot.uri,
    }
    return {
        **_item("Clip.2", shot.title),
        "metadata": {"kling_airflow": {key: value for key, value in known.items() if value is not None}},
        "source_range": _range(start, length, rate),
        "media_references": {"DEFAULT_MEDIA": media},
        "active_media_reference_key": "DEFAULT_MEDIA",
    }


def _transition(name: str, before: int, after: int, rate: Fraction) -> dict[str, Any]:
    """Return a transition that begins and ends so many pictures before and after the cut."""
    return {
        "OTIO_SCHEMA": "Transition.1",
        "metadata": {"kling_airflow": {"transition": name}},
        "name": name,
        "in_offset": _time(before, rate),
        "out_offset": _time(after, rate),
        "transition_type": "SMPTE_Dissolve",
    }


def _item(schema: str, name: str) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": schema,
        "metadata": {},
        "name": name,
        "source_range": None,
        "effects": [],
        "markers": [],
        "enabled": True,
    }


def _range(start: int, length: int, rate: Fraction) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "duration": _time(length, rate),
        "start_time": _time(start, rate),
    }


def _time(value: int, rate: Fraction) -> dict[str, Any]:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(value)}
