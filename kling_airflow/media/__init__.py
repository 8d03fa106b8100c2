"""Pictures and clips: frames made for the queue, clips checked and stored. Knows nothing of Airflow.

Make a frame of a photograph::

    from kling_airflow.media import FrameOptions, prepare_frame

    frame = prepare_frame(photograph, FrameOptions(aspect_ratio="16:9"))
    print(frame.info.width, frame.info.height, len(frame.data))

Importing this package costs nothing; Pillow, PyAV and requests are loaded when a function needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.media.clip_check import ClipInfo, check_clip
    from kling_airflow.media.clip_picture import frame_at, poster
    from kling_airflow.media.download import Downloaded, DownloadLimits, read_url
    from kling_airflow.media.frame import Frame, FrameOptions, prepare_frame
    from kling_airflow.media.frame_check import FrameInfo, check_frame
    from kling_airflow.media.image_comment import with_comment
    from kling_airflow.media.landing import LandingOptions, land
    from kling_airflow.media.places import Place, Places
    from kling_airflow.media.sidecar import Asked, Sidecar

__all__ = [
    "Asked",
    "ClipInfo",
    "DownloadLimits",
    "Downloaded",
    "Frame",
    "FrameInfo",
    "FrameOptions",
    "LandingOptions",
    "Place",
    "Places",
    "Sidecar",
    "check_clip",
    "check_frame",
    "frame_at",
    "land",
    "poster",
    "prepare_frame",
    "read_url",
    "with_comment",
]

_MODULES = {
    "clip_check": ("ClipInfo", "check_clip"),
    "clip_picture": ("frame_at", "poster"),
    "download": ("DownloadLimits", "Downloaded", "read_url"),
    "frame": ("Frame", "FrameOptions", "prepare_frame"),
    "frame_check": ("FrameInfo", "check_frame"),
    "image_comment": ("with_comment",),
    "landing": ("LandingOptions", "land"),
    "places": ("Place", "Places"),
    "sidecar": ("Asked", "Sidecar"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
