"""A clip opened with PyAV: within bounds of memory, every picture decoded, its times measured.

A viewer's sizes are returned: the rotation or mirroring that a phone or an editor wrote into the file, and
pixels that are not square, are applied.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kling_airflow.errors import InvalidClip
from kling_airflow.media.file_signature import MP4
from kling_airflow.media.file_type import HEAD_BYTES, describe_file, detect_file_type
from kling_airflow.media.limits import MAX_CLIP_PIXELS
from kling_airflow.redaction import without_signatures

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL import Image

# FFmpeg also opens playlists, which name other files and addresses; a download is never one of those.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2"
_THREADS = 4  # each thread of the decoder holds pictures of its own
_HD_WIDTH = 1280
_HD_HEIGHT = 720
_BT709, _BT601 = 1, 5  # as H.273 numbers the matrices; FFmpeg takes 5 for both kinds of BT.601
_KNOWN_MATRICES = (1, 4, 5, 6, 7, 9)
_FULL_RANGE = 2
# The display matrix's a, b, c, d, as signs, and what Pillow calls the turn that shows the picture upright.
_TURNS = {
    (0, -1, 1, 0): "ROTATE_90",
    (-1, 0, 0, -1): "ROTATE_180",
    (0, 1, -1, 0): "ROTATE_270",
    (-1, 0, 0, 1): "FLIP_LEFT_RIGHT",
    (1, 0, 0, -1): "FLIP_TOP_BOTTOM",
    (0, 1, 1, 0): "TRANSPOSE",
    (0, -1, -1, 0): "TRANSVERSE",
}
_SIDEWAYS = ("ROTATE_90", "ROTATE_270", "TRANSPOSE", "TRANSVERSE")


@contextmanager
def opened(
    path: Path, *, max_pixels: int = MAX_CLIP_PIXELS, is_shown: bool = True
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Yield an MP4 file and its video track; no picture is decoded yet.

    :param max_pixels: of one picture; a file of 0.2 MB can hold pictures that need 2 GB of memory.
    :param is_shown: False for pictures that are counted and not looked at, except key frames: the edges of
        their blocks are not smoothed. That filter reads no bit of the file, so the same damage is found.
    :raises InvalidClip: the file is no MP4, has no video track, or has larger pictures.
    """
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _CONTAINERS,
        "max_pixels": str(max_pixels),  # holds while FFmpeg looks at the first pictures on opening
    }
    try:
        with av.open(str(path), mode="r", format="mp4", options=options, **any_metadata()) as container:
            video = _main_track(container)
            _refuse_large(video, max_pixels)
            video.thread_type = "AUTO"
            video.codec_context.thread_count = min(_THREADS, os.cpu_count() or 1)
            # Without "explode" the decoder fills what is missing with gray and says nothing.
            video.codec_context.options = {
                "err_detect": "explode",
                "max_pixels": str(max_pixels),
                "skip_loop_filter": "default" if is_shown else "nokey",
            }
            yield container, video
    except av.FFmpegError as error:
        raise InvalidClip(_why_not_mp4(path, error)) from error


def any_metadata() -> dict[str, Any]:
    """Return what lets PyAV before 19 open a file whose metadata is not UTF-8; 19 refuses the argument."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def _main_track(container: InputContainer) -> VideoStream:
    """Return the first video track that isn't a cover picture.

    :raises InvalidClip: there is none.
    """
    from av.stream import Disposition

    for video in container.streams.video:
        if not video.disposition & Disposition.attached_pic:
            return video
    raise InvalidClip("The clip has no video track.")


@dataclass
class Track:
    """What decoding the whole video track showed.

    :param shown: pictures that were decoded.
    :param damaged: packets that could not be decoded.
    :param start: seconds at which the first picture begins.
    :param end: seconds at which the last picture ends, its own duration included.
    :param width: pixels, as shown.
    :param height: pixels, as shown.
    """

    shown: int = 0
    damaged: int = 0
    start: float = 0.0
    end: float = 0.0
    width: int = 0
    height: int = 0

    @property
    def seconds(self) -> float:
        """How long the pictures are shown."""
        return max(0.0, self.end - self.start)

    @property
    def fps(self) -> float:
        """Pictures per second, on average."""
        return self.shown / self.seconds if self.seconds else 0.0

    def add(self, picture: VideoFrame, usual: float) -> None:
        """Count a picture.

        :param usual: seconds that a picture is shown if the file does not say.
        """
        begins = picture.time if picture.time is not None else self.end
        if not self.shown:
            self.start = self.end = begins
        length = (
            float(picture.duration * picture.time_base) if picture.duration and picture.time_base else usual
        )
        self.shown += 1
        self.start, self.end = min(self.start, begins), max(self.end, begins + length)


def read_track(
    container: InputContainer,
    video: VideoStream,
    look: Callable[[VideoFrame, VideoStream], object] | None = None,
) -> Track:
    """Decode every picture from the start, and measure.

    :param look: is shown each picture.
    :raises InvalidClip: not a single picture can be decoded.
    """
    import av

    track = Track()
    usual = float(1 / video.average_rate) if video.average_rate else 0.0
    packets = container.demux(video)
    while True:
        try:
            packet = next(packets)
            pictures = packet.decode()
        except (StopIteration, av.EOFError):
            break
        except av.FFmpegError:
            track.damaged += 1
            if track.damaged > _most_damaged(video):
                break
            continue
        for picture in pictures:
            if not track.shown:
                track.width, track.height = shown_size(picture, video)
            track.add(picture, usual)
            if look is not None:
                look(picture, video)
    if not track.shown:
        raise InvalidClip("The clip has a video track, and no picture of it can be decoded.")
    return track


def pictures(container: InputContainer, video: VideoStream) -> Iterator[VideoFrame]:
    """Yield the pictures from where the file stands, without those that can't be decoded."""
    import av

    packets = container.demux(video)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            break  # a file that was cut short: the decoder still holds pictures
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            continue
    with suppress(av.FFmpegError):
        yield from video.decode(None)


def to_image(picture: VideoFrame, video: VideoStream) -> Image.Image:
    """Return the picture as a viewer sees it: RGB, upright, with square pixels.

    The colors are converted by the tags of the file. Without a tag, convention decides: BT.709 for 720 lines
    and more, BT.601 below, limited range.
    """
    from PIL import Image

    matrix = matrix_of(picture)
    converted = picture.reformat(
        format="rgb24",
        src_colorspace=_BT601 if matrix == 6 else matrix,
        dst_colorspace=_BT601 if matrix == 6 else matrix,
        dst_color_range=_FULL_RANGE,
    )
    image = cast("Image.Image", converted.to_image())  # type: ignore[no-untyped-call]
    turn = turn_of(picture)
    if turn:
        image = image.transpose(Image.Transpose[turn])
    size = shown_size(picture, video)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def matrix_of(picture: VideoFrame) -> int:
    """Return the number, in H.273, of the matrix that made the colors: its tag's, or convention's."""
    matrix = int(picture.colorspace)
    if matrix in _KNOWN_MATRICES:
        return matrix
    return _BT709 if picture.width >= _HD_WIDTH or picture.height >= _HD_HEIGHT else _BT601


def shown_size(picture: VideoFrame, video: VideoStream) -> tuple[int, int]:
    """Return the width and height that a viewer sees, in pixels."""
    width, height = picture.width, picture.height
    aspect = video.sample_aspect_ratio
    if aspect and aspect > 0:
        width = max(1, round(width * aspect))
    return (height, width) if turn_of(picture) in _SIDEWAYS else (width, height)


def turn_of(picture: VideoFrame) -> str | None:
    """Return what Pillow calls the turn that the file's display matrix asks for; None for none."""
    side_data: Any = picture.side_data
    for at in range(len(side_data)):
        data = side_data[at]
        if "DISPLAYMATRIX" in str(data.type):
            a, b, _, c, d, *_ = struct.unpack("<9i", bytes(data)[:36])
            return _TURNS.get(tuple((value > 0x8000) - (value < -0x8000) for value in (a, b, c, d)))
    return None


def _why_not_mp4(path: Path, error: av.FFmpegError) -> str:
    """Return why a file can't be read, and what it is if it isn't an MP4 file."""
    text = f"The clip can't be read as MP4 ({type(error).__name__}: {error.strerror}); "
    if not path.exists():
        return f"{text}there is no file."
    if path.is_dir():
        return f"{text}it is a folder."
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as unreadable:
        return f"{text}the file can't be read: {unreadable.strerror}."
    size = f"the file has {path.stat().st_size:,} bytes"
    if detect_file_type(head) == MP4:
        return f"{text}{size}, and its index is missing or damaged."
    return f"{text}{size} and is {without_signatures(describe_file(head))}."


def _refuse_large(video: VideoStream, max_pixels: int) -> None:
    """Refuse pictures above the limit, or of a codec that is not known, before one is decoded."""
    if cast("object", video.codec_context) is None:  # PyAV's types don't know that
        raise InvalidClip(
            "The clip's pictures can't be decoded: the file names a codec that FFmpeg does not know."
        )
    width, height = video.codec_context.width, video.codec_context.height
    if width * height > max_pixels:
        raise InvalidClip(
            f"The clip's pictures have {width:,} x {height:,} pixels; at most {max_pixels:,} are decoded "
            "(`max_pixels`)."
        )
    if not width or not height or not video.codec_context.pix_fmt:
        raise InvalidClip(
            f"The clip's pictures can't be decoded: their format is not known, or they have more than "
            f"{max_pixels:,} pixels (`max_pixels`)."
        )


def _most_damaged(video: VideoStream) -> int:
    """Return how many damaged packets are read past: a broken file can raise without end."""
    return max(1000, video.frames or 0)
