"""Pictures for frames, and what the gallery serves of them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from PIL import Image


def picture(color: str = "red", size: tuple[int, int] = (1280, 720), kind: str = "PNG") -> bytes:
    """A picture of one color."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, kind)
    return buffer.getvalue()


def frame(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """Store a frame; return what a sidecar says of it."""
    data = picture() if data is None else data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"uri": path.as_uri(), "sha256": hashlib.sha256(data).hexdigest()}


def asked(*frames: Any) -> dict[str, Any]:
    """What a sidecar says was asked for, with these frames."""
    return {"prompt": "Rocket 1 lifts off.", "duration": 5.0, "sound": True, "frames": list(frames)}
