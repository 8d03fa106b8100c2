"""Decodes by FFmpeg what Pillow can't: pixels of 16 bits with transparency; and strictly, to find damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.file_kinds import DAMAGE_ADVICE

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.codeccontext import VideoCodecContext
    from PIL import Image


def decode_rgb16(data: bytes, codec: str) -> Image.Image:
    """Return RGB of 16 bits as RGBA of 8; a color key is compared at 16 bits.

    :param codec: FFmpeg's name of the format.
    """
    return _image(_decoded(data, codec), "rgba", "RGBA")


def decode_gray_alpha16(data: bytes, codec: str) -> Image.Image:
    """Return gray and alpha of 16 bits as LA of 8."""
    return _image(_decoded(data, codec, err_detect="bitstream"), "ya8", "LA")


def decode_strictly(data: bytes, codec: str, **options: str) -> None:
    """Decode a picture and drop it.

    :raises InvalidFrame: at the first error that FFmpeg finds.
    """
    _decoded(data, codec, **options)


def _decoded(data: bytes, codec: str, **options: str) -> VideoFrame | None:
    """Return the frame; None for a kind of file that FFmpeg doesn't read."""
    import av

    context: VideoCodecContext = av.CodecContext.create(codec, "r")  # type: ignore[assignment]
    context.options = {"err_detect": "explode", **options}
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except av.error.PatchWelcomeError:
        return None
    except av.error.FFmpegError as error:
        raise InvalidFrame(
            "The source can't be decoded in full: FFmpeg stops at an error in its data.", todo=DAMAGE_ADVICE
        ) from error
    if not frames:
        raise InvalidFrame("The source can't be decoded: FFmpeg finds no picture in it.", todo=DAMAGE_ADVICE)
    return frames[0]


def _image(frame: VideoFrame | None, pixels: str, mode: str) -> Image.Image:
    from PIL import Image

    if frame is None:
        raise InvalidFrame("The source's kind of pixels isn't read.", todo="Save it with 8 bits a channel.")
    plane = frame.reformat(format=pixels).planes[0]
    return Image.frombytes(mode, (frame.width, frame.height), bytes(plane), "raw", mode, plane.line_size)
