"""The sidecar, a JSON file beside a clip: what was asked of which model, from which frames, and the clip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from kling_airflow import __version__
from kling_airflow.clip import Clip
from kling_airflow.media.clip_check import ClipInfo
from kling_airflow.media.credentials import Credentials
from kling_airflow.media.http_address import plain_url

_MEASURES = ("duration_seconds", "width", "height", "fps", "has_audio")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of the model; what is not known is None and isn't checked.

    :param duration: seconds.
    :param sound: whether an audio track was wanted.
    :param prompt: the text.
    :param frames: of each frame its ``uri`` and ``sha256``.
    """

    duration: float | None = None
    sound: bool | None = None
    prompt: str | None = None
    frames: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Sidecar:
    """The JSON beside a clip."""

    VERSION: ClassVar[int] = 1
    MAX_BYTES: ClassVar[int] = 1_000_000

    content: Mapping[str, Any]

    @classmethod
    def make(
        cls,
        clip: Clip,
        asked: Asked,
        info: ClipInfo,
        *,
        sha256: str,
        size: int,
        uri: str,
        poster: Mapping[str, Any] | None,
        landed_at: datetime,
        landed_by: Mapping[str, Any] | None = None,
        credentials: Credentials | None = None,
        signed: Mapping[str, str] | None = None,
    ) -> Self:
        """Describe a landing.

        :param sha256: of the clip, in hex.
        :param size: of the clip, bytes.
        :param uri: where the clip is.
        :param poster: its ``uri``, ``sha256`` and ``bytes``; None if there is none.
        :param landed_by: the task: ``dag_id, run_id, task_id, map_index``; None if no task has landed it.
        :param credentials: the vendor's, as they were found in the clip; None if there are none.
        :param signed: with which key (``by``), and the hash of the clip as it came (``from_sha256``); None if
            the clip was stored as it came.
        """
        return cls(
            {
                "version": cls.VERSION,
                "made_by": f"kling_airflow {__version__}",
                "request_id": clip.request_id,
                "model": clip.model,
                "asked": {
                    "prompt": asked.prompt,
                    "duration": asked.duration,
                    "sound": asked.sound,
                    "frames": [_frame(frame) for frame in asked.frames],
                },
                "clip": {
                    "uri": uri,
                    "sha256": sha256,
                    "bytes": size,
                    **{name: getattr(info, name) for name in _MEASURES},
                },
                "checks": _checks(info),
                "poster": None if poster is None else dict(poster),
                "credentials": None if credentials is None else credentials.to_json(),
                "signed": None if signed is None else dict(signed),
                "cost_usd": clip.cost_usd,
                "submitted_at": clip.submitted_at,
                "finished_at": clip.finished_at,
                "landed_at": landed_at.isoformat(timespec="seconds"),
                "landed_by": None if landed_by is None else dict(landed_by),
            }
        )

    @classmethod
    def parse(cls, data: bytes | None) -> Self | None:
        """Return a sidecar that is complete; None for anything else, such as another program's JSON."""
        try:
            content = json.loads(data or b"")
            made = cls(content)
            _ = made.request_id, made.sha256, int(made.bytes), made.measures, made.poster
            if made.poster is not None:
                int(made.poster["bytes"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return made

    def to_json(self) -> bytes:
        """Return the file's content."""
        return json.dumps(self.content, indent=2, ensure_ascii=False).encode() + b"\n"

    @property
    def request_id(self) -> str:
        """The request that the clip came of."""
        return str(self.content["request_id"])

    @property
    def sha256(self) -> str:
        """The clip's hash, in hex."""
        return str(self.content["clip"]["sha256"])

    @property
    def bytes(self) -> int:
        """The clip's size."""
        return int(self.content["clip"]["bytes"])

    @property
    def uri(self) -> str:
        """Where the clip was stored."""
        return str(self.content["clip"].get("uri") or "")

    @property
    def files(self) -> list[Mapping[str, Any]]:
        """What else was stored, each with its ``uri``: a film's variants, captions and timeline."""
        return [file for file in self.content.get("files") or () if isinstance(file, Mapping)]

    @property
    def landed_by(self) -> Mapping[str, Any]:
        """The task that landed the clip; empty if that is not known."""
        task = self.content.get("landed_by")
        return task if isinstance(task, Mapping) else {}

    @property
    def signed_by(self) -> str | None:
        """The name of the key that a landed clip was signed with; None if it was stored as it came."""
        signed = self.content.get("signed")
        return str(signed.get("by")) if isinstance(signed, Mapping) else None

    @property
    def measures(self) -> dict[str, Any]:
        """What the clip measures: duration, width, height, rate, sound."""
        return {name: self.content["clip"][name] for name in _MEASURES}

    @property
    def checks(self) -> Mapping[str, Any]:
        """What was checked, in words: ``duration``, ``sound``, and ``pictures`` if some can't be decoded."""
        checks = self.content.get("checks")
        return checks if isinstance(checks, Mapping) else {}

    @property
    def poster(self) -> Mapping[str, Any] | None:
        """The poster's uri, hash and size; None where there is none."""
        return self.content["poster"]  # type: ignore[no-any-return]


def _checks(info: ClipInfo) -> dict[str, str]:
    checks = {"duration": info.duration_check, "sound": info.sound_check}
    return checks | ({"pictures": info.pictures_check} if info.pictures_check else {})


def _frame(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a frame's address and hash; of an http(s) address not the query, which may be a signature."""
    uri = str(frame.get("uri", ""))
    if uri.lower().startswith(("http://", "https://")):
        uri = plain_url(uri)
    return {"uri": uri, "sha256": frame.get("sha256")}
