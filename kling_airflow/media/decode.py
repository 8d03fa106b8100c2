"""Opens a picture of any format that is read, and names what is not.

Each format has a module of its own; what they share is in ``picture``. ``color.to_srgb`` follows.
"""

from __future__ import annotations

from collections.abc import Callable

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.bmp_picture import open_bmp
from kling_airflow.media.file_kinds import DAMAGE_ADVICE, FileKind
from kling_airflow.media.file_type import describe_file, detect_file_type
from kling_airflow.media.heif_picture import open_avif, open_heic
from kling_airflow.media.iso_boxes import boxed_xmp, jpeg2000_profile
from kling_airflow.media.jpeg_picture import open_jpeg
from kling_airflow.media.lost_data import check_jpeg2000, check_webp_length, check_webp_pixels
from kling_airflow.media.picture import Picture, open_image, orientation_of
from kling_airflow.media.png_picture import open_png
from kling_airflow.media.tiff_picture import open_tiff
from kling_airflow.redaction import in_short

READ = "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000, PPM, and HEIC with the extra `heif`"
"""The formats that are read, for errors. Each is plain pixels: nothing in them can be run."""

_VIDEO_ADVICE = "Use a picture: save one of the video's frames as PNG or JPEG."


def open_picture(data: bytes, *, max_pixels: int) -> Picture:
    """Read a picture's header without decoding it.

    :param data: the whole file.
    :param max_pixels: a picture that needs more pixels in memory is refused before it is decoded.
    :raises InvalidFrame: not a picture in a format that is read, or damaged in its structure.
    """
    check_readable(data)
    picture = _OPENERS[detect_file_type(data).name](data, max_pixels=max_pixels)
    picture.check_size()
    return picture


def check_readable(data: bytes, *, subject: str = "The source", details: str = "") -> None:
    """Refuse by its first bytes a file that is no picture of a format that is read.

    :param data: the whole file.
    :param subject: what the file is to the reader.
    :param details: what else is known of the file, such as its Content-Type.
    :raises InvalidFrame: naming what the file is.
    """
    file_type = detect_file_type(data)
    if file_type.name in _OPENERS:
        return
    known = "; ".join(part for part in (f"{len(data):,} bytes", details) if part)
    raise InvalidFrame(
        f"{subject} is not a picture that can be read: it is {describe_file(data)} ({known}). "
        f"These are read: {READ}.",
        todo=file_type.todo
        or (_VIDEO_ADVICE if file_type.kind is FileKind.VIDEO else f"Use one of: {READ}."),
    )


def _open_webp(data: bytes, *, max_pixels: int) -> Picture:
    check_webp_length(data)
    picture = _open(data, "WEBP", max_pixels)
    width, height = picture.stored_size
    check_webp_pixels(data, width * height)
    return picture


def _open_jpeg2000(data: bytes, *, max_pixels: int) -> Picture:
    check_jpeg2000(data)
    picture = _open(data, "JPEG2000", max_pixels)
    picture.profile = picture.profile or jpeg2000_profile(data)
    picture.orientation = orientation_of(None, boxed_xmp(data))
    return picture


def _open_gif(data: bytes, *, max_pixels: int) -> Picture:
    return _open(data, "GIF", max_pixels)


def _open_netpbm(data: bytes, *, max_pixels: int) -> Picture:
    return _open(data, "PPM", max_pixels)


def _open(data: bytes, kind: str, max_pixels: int) -> Picture:
    try:
        image = open_image(data, (kind,))
    except Exception as error:
        raise InvalidFrame(
            f"The source is {describe_file(data)} that can't be read ({in_short(error)}).", todo=DAMAGE_ADVICE
        ) from error
    return Picture(
        image,
        max_pixels,
        profile=image.info.get("icc_profile"),
        orientation=orientation_of(image.info.get("exif"), image.info.get("xmp")),
    )


_OPENERS: dict[str, Callable[..., Picture]] = {
    "a JPEG picture": open_jpeg,
    "a PNG picture": open_png,
    "a TIFF picture": open_tiff,
    "a BigTIFF picture": open_tiff,
    "an AVIF picture": open_avif,
    "a HEIC picture": open_heic,
    "a BMP picture": open_bmp,
    "a WebP picture": _open_webp,
    "a GIF picture": _open_gif,
    "a JPEG 2000 picture": _open_jpeg2000,
    "a PPM, PGM or PBM picture": _open_netpbm,
}
