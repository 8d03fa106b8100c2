"""The ids of the models that have an entry, as the queue spells them."""

from __future__ import annotations

from typing import Final

IMAGE_TO_VIDEO: Final = "kling-v3-image-to-video"
TEXT_TO_VIDEO: Final = "kling-v3-text-to-video"
TURBO_IMAGE_TO_VIDEO: Final = "kling-3.0-turbo-i2v"
TURBO_TEXT_TO_VIDEO: Final = "kling-3.0-turbo-t2v"
OMNI: Final = "kling-v3-omni"
CREATE_ELEMENT: Final = "kling-create-element"
MOTION_CONTROL: Final = "kling-3-motion-control"
IDENTIFY_FACE: Final = "kling-identify-face"
LIP_SYNC: Final = "kling-lip-sync"
CUSTOM_VOICE: Final = "kling-custom-voice"
