"""What stands at a destination, and whose it is: no other clip and no foreign file is overwritten unasked.

A landing writes a claim, ``x.landing.json``, before it changes anything, and removes it after its sidecar.
The store decides which of two landings creates the claim; the other fails. A claim that is left over by a
task that was killed names the files that are half written: a retry of the same request goes on with them.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kling_airflow.addresses import canonical, shown
from kling_airflow.errors import DestinationTaken, StorageFailed
from kling_airflow.media.places import Place, Places
from kling_airflow.media.sidecar import Sidecar

log = logging.getLogger(__name__)

_CLAIM_BYTES = 10_000
_BEGINNING = b'{\n  "made_by": "kling_airflow"'
OVERWRITE = "Choose another `destination`, or set `overwrite=True`, which replaces these files."
"""What to do if a file of another stands at a destination."""
TASK_NAMES = ("dag_id", "task_id", "map_index")
"""What names a task whatever its run: its next run replaces what it has stored."""


@dataclass(frozen=True)
class Found:
    """What stands at a destination before a landing.

    :param raw: the sidecar's bytes; None if there is none, b"" if reading isn't permitted.
    :param sidecar: the sidecar of an earlier landing; None if there is none, or the file is another's.
    """

    raw: bytes | None
    sidecar: Sidecar | None


def look(places: Places) -> Found:
    """Read what stands at a destination."""
    raw = places.sidecar.read(Sidecar.MAX_BYTES)
    return Found(raw, Sidecar.parse(raw))


def refuse_frames(places: Places, frames: tuple[str, ...] | list[str], field: str = "frames") -> None:
    """Refuse to write over one of the frames that the clip was made of, or of the clips of a film.

    :param frames: their addresses.
    :param field: the argument that names them.
    :raises DestinationTaken: the clip, its sidecar or its poster would replace a frame.
    """
    known = {canonical(frame): frame for frame in frames if frame}
    for what, place in places.named():
        frame = known.get(canonical(place.uri))
        if frame is not None:
            raise DestinationTaken(
                f"`destination`: {what} would be written to {shown(place.uri)}, which is one of `{field}`.",
                todo="Choose another `destination`: what a clip or a film is made of is never overwritten.",
            )


def refuse_foreign(places: Places, found: Found, request_id: str, *, with_poster: bool) -> None:
    """Refuse to write over a file that no landing wrote, or that another landing is writing.

    :raises DestinationTaken: such a file stands at the destination.
    """
    claim = _read_claim(places.claim)
    if claim and claim.get("request_id") != request_id:
        raise _busy(places, claim)
    if claim is None:
        _refuse_foreign_claim(places)
    ours = _names(found.sidecar) | _claimed(claim)
    for what, place in places.named():
        if what == "the poster" and not with_poster:
            continue
        if what == "the sidecar" and found.sidecar is not None:
            continue
        if what != "the sidecar" and _name(place.uri) in ours:
            continue
        if place.size() is not None:
            raise DestinationTaken(
                f"`destination`: {shown(place.uri)}, where {what} would go, exists, and no sidecar of an"
                " earlier landing names it.",
                todo=OVERWRITE,
            )


def refuse_other_clip(places: Places, found: Found, request_id: str, landed_by: Mapping[str, Any]) -> None:
    """Refuse to replace the landed clip of another request: that clip was paid for as well.

    The next run of the same task replaces it: a DAG that always lands at one address means that.

    :param request_id: the request that lands now; "" before it is bought.
    :param landed_by: the task that lands now; empty if that is not known.
    :raises DestinationTaken: the sidecar there is another request's.
    """
    earlier = found.sidecar
    if earlier is None or earlier.request_id == request_id:
        return
    this = f"this is request {request_id}" if request_id else "this would be another clip"
    before = earlier.landed_by
    if _is_next_run(before, landed_by):
        log.warning(
            "Replacing the clip of request %s, which run %s of this task has landed at %s.",
            earlier.request_id,
            before.get("run_id"),
            shown(places.clip.uri),
        )
        return
    same_task = landed_by and all(
        before.get(name) == landed_by.get(name) for name in ("dag_id", "run_id", "task_id")
    )
    what = f"`destination`: {shown(places.clip.uri)} holds the clip of request {earlier.request_id}"
    if same_task and before.get("map_index") != landed_by.get("map_index"):
        raise DestinationTaken(
            f"{what}, which {landed_by.get('task_id')}[{before.get('map_index')}] of this run has landed;"
            f" this is {landed_by.get('task_id')}[{landed_by.get('map_index')}].",
            todo="Add `{{ ti.map_index }}` to `destination`, so that each clip has a name of its own.",
        )
    if same_task:
        raise DestinationTaken(
            f"{what}, which an earlier try of this task has landed; {this}.",
            todo="Set `overwrite=True` to replace the older clip, or give the new one a `destination` of its"
            " own, for instance with the number of the `take` in it.",
        )
    raise DestinationTaken(f"{what}; {this}.", todo=OVERWRITE)


def refuse_other_task(places: Places, found: Found, landed_by: Mapping[str, Any]) -> None:
    """Refuse to replace what another task has landed. What a task made itself, it makes anew at no cost.

    :param landed_by: the task that lands now; empty if that is not known.
    :raises DestinationTaken: the sidecar there is another task's, or that of another map index.
    """
    if found.sidecar is None or _is_same_task(found.sidecar.landed_by, landed_by):
        return
    by = found.sidecar.landed_by
    whose = f"{by.get('dag_id')}.{by.get('task_id')}[{by.get('map_index')}]" if by else "another program"
    raise DestinationTaken(
        f"`destination`: {shown(places.clip.uri)} holds what {whose} has landed (request"
        f" {found.sidecar.request_id}).",
        todo=OVERWRITE,
    )


def take(places: Places, found: Found, request_id: str, *, overwrite: bool) -> None:
    """Claim the destination, right before the first write.

    :param found: what stood there when the landing began.
    :raises DestinationTaken: another landing is writing there, or has finished meanwhile.
    """
    content = {
        "made_by": "kling_airflow",
        "request_id": request_id,
        "files": [_name(place.uri) for _, place in places.named()],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "nonce": secrets.token_hex(8),
    }
    created = places.claim.create(json.dumps(content, indent=2).encode() + b"\n")
    if not created:
        other = _read_claim(places.claim)
        if other and other.get("request_id") != request_id and not overwrite:
            raise _busy(places, other)
        if other is None and not overwrite:
            _refuse_foreign_claim(places)
        log.warning("%s stands there from an earlier try; the landing goes on.", shown(places.claim.uri))
    now = look(places)
    if now.raw != found.raw and not overwrite and _other(now.sidecar, request_id):
        if created:
            release(places)
        raise DestinationTaken(
            f"Another landing has finished at {shown(places.clip.uri)} meanwhile; its files are whole and"
            " stay.",
            todo=OVERWRITE,
        )


def release(places: Places) -> None:
    """Remove the claim; one that can't be removed is logged, because the landing is whole without it."""
    try:
        places.claim.delete()
    except StorageFailed as error:
        log.warning(
            "%s The claim of this landing stays; it refuses only landings of other requests.", error.what
        )


def _busy(places: Places, claim: Mapping[str, Any]) -> DestinationTaken:
    return DestinationTaken(
        f"Request {claim.get('request_id')} is being landed at {shown(places.clip.uri)} since"
        f" {claim.get('since')}; two landings never share a destination.",
        todo="Choose another `destination`. If that landing is no longer running, clear its task, or set"
        " `overwrite=True` here.",
    )


def _refuse_foreign_claim(places: Places) -> None:
    """Refuse a file in the claim's place that no landing wrote: the claim is removed after the landing.

    An empty file, or the beginning of a claim, is what a task leaves that is killed while it writes it.
    """
    data = (places.claim.read(_CLAIM_BYTES) or b"").strip()
    if data and not data.startswith(_BEGINNING) and not _BEGINNING.startswith(data):
        raise DestinationTaken(
            f"`destination`: {shown(places.claim.uri)}, where the claim of a landing would go, exists, and no"
            " landing wrote it.",
            todo=OVERWRITE,
        )


def _is_next_run(before: Mapping[str, Any], landed_by: Mapping[str, Any]) -> bool:
    return _is_same_task(before, landed_by) and before.get("run_id") != landed_by.get("run_id")


def _is_same_task(before: Mapping[str, Any], landed_by: Mapping[str, Any]) -> bool:
    return bool(landed_by) and all(before.get(name) == landed_by.get(name) for name in TASK_NAMES)


def _other(sidecar: Sidecar | None, request_id: str) -> bool:
    return sidecar is not None and sidecar.request_id != request_id


def _names(sidecar: Sidecar | None) -> set[str]:
    """Return the names of the files that a sidecar describes; folders may have been moved since."""
    if sidecar is None:
        return set()
    poster = sidecar.poster or {}
    others = [str(file.get("uri") or "") for file in sidecar.files]
    return {_name(uri) for uri in (sidecar.uri, str(poster.get("uri") or ""), *others) if uri}


def _claimed(claim: Mapping[str, Any] | None) -> set[str]:
    files = (claim or {}).get("files")
    return {str(name) for name in files} if isinstance(files, list) else set()


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]


def _read_claim(place: Place) -> Mapping[str, Any] | None:
    """Return a claim of this package; None if there is none, or it can't be read."""
    data = place.read(_CLAIM_BYTES)
    try:
        content = json.loads(data or b"")
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("made_by") == "kling_airflow" else None
