"""Sidecars as landings write them, and galleries full of them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kling_airflow.gallery.entry import GalleryEntry
from kling_airflow.media.sidecar import Sidecar

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def clip_sidecar(number: int = 1, **changes: Any) -> dict[str, Any]:
    """The sidecar of a clip; each number is a minute later than the one before."""
    landed = NOON + timedelta(minutes=number)
    content: dict[str, Any] = {
        "version": 1,
        "made_by": "kling_airflow 0.1.0",
        "request_id": f"request-{number:05d}",
        "model": "kling-v3-image-to-video",
        "asked": {
            "prompt": f"Rocket {number} lifts off.",
            "duration": 5.0,
            "sound": True,
            "frames": [{"uri": "s3://frames/start.png", "sha256": "ab" * 32}],
        },
        "clip": {
            "uri": f"s3://clips/{number}.mp4",
            "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
            "bytes": 1000 + number,
            "duration_seconds": 5.04,
            "width": 1280,
            "height": 720,
            "fps": 24.0,
            "has_audio": True,
        },
        "checks": {"duration": "5.04 s, asked for 5 s", "sound": "has sound, as asked for"},
        "poster": None,
        "credentials": None,
        "cost_usd": 1.26,
        "submitted_at": (landed - timedelta(minutes=3)).isoformat(),
        "finished_at": (landed - timedelta(minutes=1)).isoformat(),
        "landed_at": landed.isoformat(timespec="seconds"),
        "landed_by": {"dag_id": "rockets", "run_id": "manual__1", "task_id": "land", "map_index": -1},
    }
    return content | changes


def film_sidecar(**changes: Any) -> dict[str, Any]:
    """The sidecar of a film of two clips."""
    clip = clip_sidecar()
    shot = {
        "uri": "s3://clips/1.mp4",
        "sha256": "cd" * 32,
        "bytes": 1001,
        "start": 0.0,
        "seconds": 5.04,
        "request_id": "request-00001",
        "model": "kling-v3-image-to-video",
        "take": 1,
        "label": "launch",
        "prompt": "Rocket 1 lifts off.",
        "cost_usd": 1.26,
        "credentials": None,
    }
    content: dict[str, Any] = {
        "version": 1,
        "kind": "film",
        "made_by": "kling_airflow 0.1.0",
        "request_id": f"film-{'0' * 32}",
        "asked": {"shape": "16:9"},
        "clip": clip["clip"] | {"uri": "s3://clips/film.mp4"},
        "made": {"pictures": "copied", "sound": "copied", "why": []},
        "shots": [shot, shot | {"start": 5.04, "label": "flight", "prompt": "It flies."}],
        "files": [
            {
                "kind": "captions",
                "name": ".vtt",
                "uri": "s3://clips/film.vtt",
                "sha256": "ef" * 32,
                "bytes": 30,
            }
        ],
        "poster": None,
        "credentials": None,
        "cost_usd": 2.52,
        "landed_at": clip["landed_at"],
        "landed_by": clip["landed_by"],
    }
    return content | changes


def entry(number: int = 1, *, path: str | None = None, **changes: Any) -> GalleryEntry:
    """The index entry of a clip."""
    return GalleryEntry.of(Sidecar(clip_sidecar(number, **changes)), path or f"clips/{number:05d}.mp4")


def store_clip(
    folder: Path, path: str, number: int = 1, *, data: bytes | None = None, **changes: Any
) -> dict[str, Any]:
    """Write an MP4 file and its sidecar below a local folder, as a landing does; return the sidecar."""
    clip = data if data is not None else f"clip {number} ".encode() * 1000
    content = clip_sidecar(number, **changes)
    content["clip"] |= {"sha256": hashlib.sha256(clip).hexdigest(), "bytes": len(clip)}
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(clip)
    target.with_suffix(".json").write_text(json.dumps(content))
    return content
