"""A film and what belongs to it, stored: under a claim, never over a file of another, the sidecar last."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kling_airflow import __version__
from kling_airflow.addresses import shown
from kling_airflow.media.clip_check import ClipInfo
from kling_airflow.media.credentials import find_credentials
from kling_airflow.media.film.join import Film
from kling_airflow.media.film.shot import Shot
from kling_airflow.media.landing import remove_sidecar, what_landed
from kling_airflow.media.landing_claim import Found, release, take
from kling_airflow.media.places import Place, Places
from kling_airflow.media.sidecar import Sidecar

log = logging.getLogger(__name__)

_MEASURES = ("duration_seconds", "width", "height", "fps", "has_audio")
_BLOCK = 1 << 20
TYPES = {
    ".mp4": "video/mp4",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".vtt": "text/vtt",
    ".srt": "application/x-subrip",
    ".otio": "application/json",
}


@dataclass(frozen=True)
class FilmPlaces(Places):
    """Where a film's parts go: as a clip's, and further files beside it.

    :param others: by suffix: ".otio", ".vtt", ".9x16.mp4".
    """

    others: Mapping[str, Place] = field(default_factory=dict)

    @classmethod
    def beside(cls, film: Place, suffixes: Sequence[str]) -> FilmPlaces:
        """Return the places of a film, all named after it."""
        others = {suffix: film.sibling(suffix) for suffix in suffixes}
        return cls(film, film.sibling(".json"), film.sibling(".jpg"), others)

    def named(self) -> Iterator[tuple[str, Place]]:
        """Yield what is written, each with its name for errors."""
        yield from super().named()
        for suffix, place in self.others.items():
            yield f"the film's {suffix.rpartition('.')[2]} file", place


@dataclass(frozen=True, kw_only=True)
class MadeFilm:
    """Everything that was made, on the local disk.

    :param film: the film.
    :param info: what it measures.
    :param shots: its clips.
    :param poster: a JPEG; None for none.
    :param others: further files by suffix.
    :param kinds: what each of these is: "variant", "preview", "captions", "timeline".
    :param asked: the options, for the sidecar.
    """

    film: Film
    info: ClipInfo
    shots: Sequence[Shot]
    poster: bytes | None
    others: Mapping[str, Path]
    kinds: Mapping[str, str]
    asked: Mapping[str, Any]


def film_id(shots: Sequence[Shot], asked: Mapping[str, Any]) -> str:
    """Return the film's name for itself: the same clips and options have the same."""
    content = {"clips": [shot.sha256 for shot in shots], "asked": asked}
    text = json.dumps(content, sort_keys=True, default=str)
    return f"film-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def is_whole(found: Found, places: FilmPlaces, request_id: str) -> bool:
    """Whether the same film has been stored before, with all of its files."""
    sidecar = found.sidecar
    if sidecar is None or sidecar.request_id != request_id:
        return False
    sizes = {str(file.get("name")): file.get("bytes") for file in sidecar.files}
    if any(place.size() != sizes.get(suffix, -1) for suffix, place in places.others.items()):
        return False
    if sidecar.poster is not None and places.poster.size() != sidecar.poster["bytes"]:
        return False
    return places.clip.size() == sidecar.bytes and places.clip.sha256() == sidecar.sha256


def store(
    made: MadeFilm,
    places: FilmPlaces,
    found: Found,
    request_id: str,
    *,
    overwrite: bool,
    landed_by: Mapping[str, Any] | None,
) -> Sidecar:
    """Write the film and its files, and last its sidecar.

    :param found: what stood there when the task began.
    :raises DestinationTaken: another landing is writing there.
    :raises StorageFailed: the store refused.
    """
    take(places, found, request_id, overwrite=overwrite)
    if found.raw is not None:
        remove_sidecar(places.sidecar, is_known=found.sidecar is not None)
    places.clip.write_file(made.film.path, TYPES[".mp4"])
    files = []
    for suffix, path in made.others.items():
        place = places.others[suffix]
        place.write_file(path, TYPES[f".{suffix.rpartition('.')[2]}"])
        files.append({"kind": made.kinds[suffix], "name": suffix, **_described(place, path)})
    if made.poster:
        places.poster.write(made.poster, "image/jpeg")
    sidecar = Sidecar(_content(made, places, request_id, files, landed_by))
    places.sidecar.write(sidecar.to_json(), "application/json")
    release(places)
    log.info("The film of %d clips has landed at %s.", len(made.shots), shown(places.clip.uri))
    return sidecar


def landed(sidecar: Sidecar, places: FilmPlaces) -> dict[str, Any]:
    """Return what a task hands on about a film."""
    uris = {str(file["name"]): str(file["uri"]) for file in sidecar.files}
    variants = {
        suffix.split(".")[1].replace("x", ":"): uri for suffix, uri in uris.items() if suffix.endswith(".mp4")
    }
    return {
        **what_landed(sidecar, places),
        "clips": len(sidecar.content["shots"]),
        "cost_usd": sidecar.content["cost_usd"],
        "timeline_uri": uris.get(".otio"),
        "captions_uri": uris.get(".vtt"),
        "preview_uri": uris.get(".gif") or uris.get(".webp"),
        "variants": variants,
    }


def _content(
    made: MadeFilm,
    places: FilmPlaces,
    request_id: str,
    files: Sequence[Mapping[str, Any]],
    landed_by: Mapping[str, Any] | None,
) -> dict[str, Any]:
    film = made.film
    costs = [shot.cost_usd for shot in made.shots]
    own = find_credentials(film.path)
    return {
        "version": Sidecar.VERSION,
        "kind": "film",
        "made_by": f"kling_airflow {__version__}",
        "request_id": request_id,
        "asked": dict(made.asked),
        "clip": {
            **_described(places.clip, film.path),
            **{name: getattr(made.info, name) for name in _MEASURES},
        },
        "made": {"pictures": film.pictures, "sound": film.sound, "why": list(film.why)},
        "shots": [
            {**shot.to_json(), "start": segment.start, "seconds": segment.seconds}
            for shot, segment in zip(made.shots, film.segments, strict=True)
        ],
        "files": list(files),
        "poster": None
        if made.poster is None
        else {
            "uri": places.poster.uri,
            "sha256": hashlib.sha256(made.poster).hexdigest(),
            "bytes": len(made.poster),
        },
        "credentials": None if own is None else own.to_json(),
        # Only if each clip's cost is known: a sum without some of them would be read as the whole.
        "cost_usd": None if None in costs else round(sum(cost for cost in costs if cost is not None), 6),
        "landed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "landed_by": None if landed_by is None else dict(landed_by),
    }


def _described(place: Place, path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"uri": place.uri, "sha256": digest.hexdigest(), "bytes": path.stat().st_size}
