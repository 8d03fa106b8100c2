"""One clip or film of the gallery, as its index keeps it: the sidecar in short. Knows nothing of Airflow."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec

from kling_airflow.media.clip_check import DURATION_TOLERANCE, NOT_CHECKED
from kling_airflow.media.sidecar import Sidecar

AS_ASKED: Final = "as asked"
DIFFERS: Final = "differs"
STATES: Final = (AS_ASKED, DIFFERS, NOT_CHECKED)

INDEX: Final = ".kling-gallery"
"""The folder of the index, below the gallery's."""
_PROMPT: Final = 1000
_NAME: Final = 500
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,127}")


class GalleryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the gallery shows of a landing without opening its sidecar.

    :param path: of the MP4 file, relative to the gallery's folder.
    :param kind: "clip" or "film".
    :param request_id: the queue's id of the request; of a film, its own.
    :param sha256: of the MP4 file.
    :param size: of the MP4 file, bytes.
    :param landed_at: ISO 8601, UTC.
    :param state: one of :data:`STATES`: what the checks of the landing say.
    :param dag_id: the DAG that has landed it, which decides who may see it.
    """

    path: str
    kind: str
    request_id: str
    sha256: str
    size: int
    landed_at: str
    state: str
    model: str = ""
    prompt: str = ""
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    has_audio: bool = False
    has_poster: bool = False
    cost_usd: float | None = None
    submitted_at: str | None = None
    finished_at: str | None = None
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1

    @classmethod
    def of(cls, sidecar: Sidecar, path: str) -> Self:
        """Return the entry of a landing.

        :param path: of the MP4 file, relative to the gallery's folder.
        :raises ValueError: the sidecar lacks what the gallery needs, or the path is not one of the gallery.
        """
        content = sidecar.content
        try:
            task, measures = sidecar.landed_by, sidecar.measures
            entry = cls(
                path=path,
                kind="film" if content.get("kind") == "film" else "clip",
                request_id=sidecar.request_id,
                sha256=sidecar.sha256,
                size=sidecar.bytes,
                landed_at=_utc(str(content["landed_at"])),
                state=_state(content),
                model=_text(content.get("model"))[:_NAME],
                prompt=_text(_prompt(content))[:_PROMPT],
                seconds=float(measures["duration_seconds"]),
                width=int(measures["width"]),
                height=int(measures["height"]),
                has_audio=bool(measures["has_audio"]),
                has_poster=sidecar.poster is not None,
                cost_usd=_number(content.get("cost_usd")),
                submitted_at=_text_or_none(content.get("submitted_at")),
                finished_at=_text_or_none(content.get("finished_at")),
                dag_id=_text(task.get("dag_id"))[:_NAME],
                run_id=_text(task.get("run_id"))[:_NAME],
                task_id=_text(task.get("task_id"))[:_NAME],
                map_index=int(task.get("map_index", -1)),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"the sidecar has no usable {error}") from error
        if not entry.is_sound:
            raise ValueError(f"{path!r} is no path of the gallery, or the request id is malformed")
        return entry

    @property
    def is_sound(self) -> bool:
        """Whether path and id are what they should be: others can write the index, too."""
        return is_path(self.path, ".mp4") and is_request_id(self.request_id)

    @property
    def id(self) -> str:
        """The entry's name in addresses: 24 hex digits, which say nothing of where the file is."""
        text = f"{self.path}\n{self.request_id}\n{self.sha256}"
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]

    @property
    def key(self) -> str:
        """The file's name in the index: the newest landing sorts first, and the same landing has the same."""
        seconds = int(datetime.fromisoformat(self.landed_at).timestamp())
        digest = hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]
        return f"{10**10 - seconds:010d}-{digest}.json"

    @property
    def day(self) -> str:
        """The day of the landing, UTC: 2026-11-28."""
        return self.landed_at[:10]

    def beside(self, suffix: str) -> str:
        """Return the path of a file beside the clip, such as its poster's."""
        return f"{self.path.removesuffix('.mp4')}{suffix}"


def is_request_id(text: str) -> bool:
    """Whether a text can be the id of a request, or of a film."""
    return _REQUEST_ID.fullmatch(text) is not None


def is_path(path: str, suffix: str) -> bool:
    """Whether a relative path names a file of the gallery: in its folder, not in its index."""
    parts = path.split("/")
    return (
        path.lower().endswith(suffix)
        and not any(part in {"", ".", "..", INDEX} for part in parts)
        and "\\" not in path
        and path.isprintable()
        and len(path) <= 1024
    )


def _state(content: Mapping[str, Any]) -> str:
    """Return what the checks came to. A film is checked when it is made, and one that differs never lands."""
    if content.get("kind") == "film":
        return AS_ASKED
    checks, asked = content.get("checks") or {}, content.get("asked") or {}
    duration = asked.get("duration")
    sound = str(checks.get("sound", NOT_CHECKED))
    wrong_length = (
        duration is not None
        and abs(float(content["clip"]["duration_seconds"]) - float(duration)) > DURATION_TOLERANCE
    )
    if wrong_length or checks.get("pictures") or not sound.endswith((", as asked for", NOT_CHECKED)):
        return DIFFERS
    return NOT_CHECKED if NOT_CHECKED in (sound, checks.get("duration", NOT_CHECKED)) else AS_ASKED


def _prompt(content: Mapping[str, Any]) -> str:
    if content.get("kind") == "film":
        prompts = [str(shot.get("prompt") or "") for shot in content.get("shots") or ()]
        return " / ".join(prompt for prompt in prompts if prompt)
    return str((content.get("asked") or {}).get("prompt") or "")


def _utc(text: str) -> str:
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds")


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)[:_NAME]


def _text(value: object) -> str:
    """Return a text that UTF-8 can hold: JSON can name one half of a surrogate pair, which no file can."""
    return str(value or "").encode(errors="replace").decode()
