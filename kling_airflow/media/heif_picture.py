"""Opens AVIF files, and HEIC files if the extra ``heif`` is installed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.color_codes import profile_of_codes
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.file_signature import AVIF, HEIC
from kling_airflow.media.iso_boxes import color_codes
from kling_airflow.media.lost_data import check_boxes
from kling_airflow.media.picture import (
    Picture,
    decoding_errors,
    open_image,
    orientation_of,
)
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image


@dataclass
class HeicPicture(Picture):
    """A HEIC file whose header is read.

    :param file: what pillow-heif opened.
    """

    file: Any = None

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height, turned as the file says, in pixels."""
        width, height = self.file.size
        return width, height

    def decode(self, scale: float) -> Image.Image:
        """Decode the main picture of the file."""
        with decoding_errors():
            image: Image.Image = self.file.to_pillow()
        return image


def open_heic(data: bytes, *, max_pixels: int) -> Picture:
    """Read the header of a HEIC file.

    :raises InvalidFrame: if pillow-heif isn't installed, or the file is damaged.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise InvalidFrame(f"The source is {HEIC.name}, which needs pillow-heif.", todo=HEIC.todo) from error
    from PIL import Image

    check_boxes(data)
    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    except Exception as error:
        raise InvalidFrame(f"The HEIC file can't be read ({in_short(error)}).", todo=DAMAGE_ADVICE) from error
    return HeicPicture(
        Image.new("1", (1, 1)),  # never decoded: `file` is
        max_pixels,
        profile=file.info.get("icc_profile") or _coded_profile(data),
        file=file,  # libheif turns the pixels as the file says
    )


def open_avif(data: bytes, *, max_pixels: int) -> Picture:
    """Read the header of an AVIF file.

    :raises InvalidFrame: if this Pillow can't read AVIF, or the file is damaged.
    """
    check_boxes(data)
    try:
        image = open_image(data, ("AVIF",))
    except Exception as error:
        raise InvalidFrame(
            f"The source is {AVIF.name} that can't be read ({in_short(error)}).",
            todo="Use Pillow 11.3 or later, or save the picture as JPEG or PNG.",
        ) from error
    return Picture(
        image,
        max_pixels,
        profile=image.info.get("icc_profile") or _coded_profile(data),
        orientation=orientation_of(image.info.get("exif")),
    )


def _coded_profile(data: bytes) -> bytes | None:
    codes = color_codes(data)
    return profile_of_codes(codes) if codes else None
