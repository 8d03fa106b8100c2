"""What models without clips answer, in the shapes that the vendor documents; the values are made up."""

from __future__ import annotations

import uuid
from typing import Any

MEDIUM = "medium:0"
"""Stands in a result for the address of the file that was made with it."""


def element() -> dict[str, Any]:
    """Return the result of `kling-create-element`: an id of twelve digits, as one client has it."""
    return {"element_id": str(100_000_000_000 + uuid.uuid4().int % 900_000_000_000)}


def faces() -> dict[str, Any]:
    """Return the result of `kling-identify-face`: one face, seen from the first second to the third."""
    face = {"face_id": "0", "face_image": MEDIUM, "start_time": 0, "end_time": 3000}
    return {"data": {"session_id": str(uuid.uuid4().int)[:18], "face_data": [face]}}


def voice(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the result of `kling-custom-voice`."""
    name = str(payload.get("voice_name"))
    return {"voices": [{"voice_id": str(uuid.uuid4().int)[:18], "voice_name": name}]}
