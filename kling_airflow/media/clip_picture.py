"""Pictures taken out of a clip: its poster, and the picture of a moment."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_reader import opened, pictures, read_track, to_image
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL import Image

_POSTER_SECONDS = 1.0
_POSTER_QUALITY = 90
_BLANK = 12.0  # standard deviation of the gray values below which a picture counts as blank
_ROUNDING = 1e-6  # seconds


class Poster:
    """The first picture within a second that is not blank, taken while a clip is decoded."""

    def __init__(self) -> None:
        self._best: tuple[float, Image.Image] | None = None
        self._jpeg: bytes | None = None

    @property
    def is_found(self) -> bool:
        """Whether no later picture can be the poster."""
        return self._jpeg is not None

    def look(self, picture: VideoFrame, video: VideoStream) -> bool:
        """Look at the next picture of the clip; return whether the poster is found."""
        if self.is_found:
            return True
        from PIL import ImageStat

        image = to_image(picture, video)
        contrast = ImageStat.Stat(image.convert("L").reduce(8)).stddev[0]
        if self._best is None or contrast > self._best[0]:
            self._best = contrast, image
        if contrast >= _BLANK or (picture.time or 0.0) >= _POSTER_SECONDS:
            self._jpeg = self.jpeg()
            self._best = None  # no picture stays in memory while the rest of the clip is decoded
        return self.is_found

    def jpeg(self) -> bytes:
        """Return the poster.

        :raises InvalidClip: the clip has shown no picture.
        """
        if self._jpeg is not None:
            return self._jpeg
        if self._best is None:
            raise InvalidClip("The clip has a video track, and no picture of it can be decoded.")
        buffer = io.BytesIO()
        self._best[1].save(buffer, "JPEG", quality=_POSTER_QUALITY, optimize=True)
        return buffer.getvalue()


def poster(path: Path, *, max_pixels: int = MAX_CLIP_PIXELS) -> bytes:
    """Return a JPEG of an early picture of the clip: the first within a second that isn't blank.

    :param path: of an MP4 file.
    :param max_pixels: of one picture; larger ones are not decoded.
    :raises InvalidClip: no picture can be decoded.
    """
    found = Poster()
    with opened(path, max_pixels=max_pixels) as (container, video):
        any(found.look(picture, video) for picture in pictures(container, video))
    return found.jpeg()


def frame_at(path: Path, seconds: float, *, max_pixels: int = MAX_CLIP_PIXELS) -> Image.Image:
    """Return the picture that is shown at a moment of the clip.

    :param path: of an MP4 file.
    :param seconds: from the start; a negative number counts from the end, so -0.01 is the last picture.
    :param max_pixels: of one picture; larger ones are not decoded.
    :return: an RGB image.
    :raises InvalidArgument: the clip is shorter than that.
    :raises InvalidClip: no picture can be decoded there.
    """
    with opened(path, max_pixels=max_pixels) as (container, video):
        track = read_track(container, video)
        moment = track.end + seconds if seconds < 0 else track.start + seconds
        if not track.start <= moment <= track.end:
            raise InvalidArgument(f"`seconds` is {seconds:g}; the clip lasts {track.seconds:.2f} s.")
    with opened(path, max_pixels=max_pixels) as (container, video):
        _seek(container, video, moment)
        shown: VideoFrame | None = None
        for picture in pictures(container, video):
            if shown is not None and (picture.time or 0.0) > moment + _ROUNDING:
                break
            shown = picture
        if shown is None:
            raise InvalidClip(f"The clip has no picture at {moment:.2f} s.")
        return to_image(shown, video)


def _seek(container: InputContainer, video: VideoStream, moment: float) -> None:
    """Go to the last key frame before a moment."""
    if video.time_base:
        container.seek(int(moment / video.time_base), stream=video, backward=True)
