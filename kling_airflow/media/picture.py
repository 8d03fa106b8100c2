"""A picture that is opened but not decoded: what all formats have in common."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.pixel_depth import to_eight_bits
from kling_airflow.media.transparency import check_visible
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

UPRIGHT = 1
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_XMP_PREFIX = re.compile(rb"xmlns:([\w.-]+)\s*=\s*[\"']http://ns\.adobe\.com/tiff/1\.0/")
_XMP_ORIENTATION = rb":Orientation\s*(?:=\s*[\"']|>)\s*([1-8])"


@dataclass
class Picture:
    """A picture whose header is read.

    :param image: as Pillow opened it; it isn't decoded yet.
    :param max_pixels: a picture that needs more pixels in memory is refused before it is decoded.
    :param profile: the ICC profile of its pixels; None for sRGB.
    :param orientation: how the stored pixels are to be turned, 1 to 8 as in EXIF; 1 is upright.
    """

    image: Image.Image
    max_pixels: int
    profile: bytes | None = None
    orientation: int = UPRIGHT

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *_: object) -> None:
        self.image.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as a viewer sees them, in pixels."""
        width, height = self.stored_size
        return (height, width) if self.orientation in _SIDEWAYS else (width, height)

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as stored, in pixels."""
        return self.image.size

    def load(self, scale: float = 1.0) -> Image.Image:
        """Decode the picture, turn it upright, and bring it to 8 bits a channel.

        :param scale: the share of the picture's width that is needed, 0 to 1. Some formats are decoded at a
            reduced size, which is several times faster. The result may be larger than that, never smaller.
        :return: an image of mode L, LA, RGB, RGBA, CMYK or LAB with its profile in ``info["icc_profile"]``.
        :raises InvalidFrame: the file is damaged, has too many pixels, or is wholly transparent.
        """
        image = to_eight_bits(self.decode(scale))
        check_visible(image)
        image = _turned(image, self.orientation)
        image.info = {"icc_profile": self.profile} if self.profile else {}
        return image

    @contextmanager
    def deferred_checks(self) -> Iterator[None]:
        """Let the body use the decoded pixels while a check for damage still runs.

        :raises InvalidFrame: at the end of the body, if the check finds damage.
        """
        yield

    def check_size(self) -> None:
        """Refuse the picture by its header if decoding it needs too much memory.

        :raises InvalidFrame: more than ``max_pixels`` pixels.
        """
        check_pixels(*self.stored_size, self.max_pixels)

    def decode(self, scale: float) -> Image.Image:
        """Decode the stored pixels; formats with checks of their own override this."""
        with decoding_errors():
            self.image.load()
        return self.image


@contextmanager
def decoding_errors() -> Iterator[None]:
    """Raise ``InvalidFrame`` for what a decoder raises; memory that runs out is passed on."""
    try:
        yield
    except (MemoryError, InvalidFrame):
        raise
    except Exception as error:
        raise InvalidFrame(f"The source can't be decoded: {in_short(error)}.", todo=DAMAGE_ADVICE) from error


def open_image(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """Read the header of an image in one of these formats; Pillow's errors are passed on."""
    from PIL import Image

    with warnings.catch_warnings():
        # Pillow warns of large pictures and refuses larger ones; `check_pixels` has a limit of its own.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data), formats=formats)


def check_pixels(width: int, height: int, limit: int, *, needed: int | None = None) -> None:
    """Refuse a picture before it is decoded if decoding it could fill the memory.

    :param needed: pixels that decoding holds in memory; None for all of them.
    :raises InvalidFrame: more than ``limit`` pixels.
    """
    pixels = width * height if needed is None else needed
    if pixels <= limit:
        return
    what = f"{width} x {height} px, {width * height:,} pixels"
    if needed is not None and needed != width * height:
        what += f", of which decoding needs the memory of {needed:,}"
    raise InvalidFrame(
        f"The picture is {what}; the limit is {limit:,} (`max_pixels`). "
        "Decoding it could fill the worker's memory.",
        todo="Use a smaller picture, or raise `max_pixels` if the worker has the memory.",
    )


def orientation_of(exif: bytes | None, xmp: bytes | None = None) -> int:
    """Return the orientation that the metadata ask for: EXIF's, or XMP's if EXIF has none; else upright.

    :param exif: an EXIF block, with or without its ``Exif`` prefix.
    :param xmp: an XMP packet.
    """
    return first_orientation([exif] if exif else [], [xmp] if xmp else [])


def first_orientation(exifs: Iterable[bytes], xmps: Iterable[bytes] = ()) -> int:
    """Return the orientation of the first block that has one; upright if none has.

    Editors that can't change a block add one. Viewers take the first orientation that they find.

    :param exifs: EXIF blocks in the order of the file, with or without their ``Exif`` prefix.
    :param xmps: XMP packets in the order of the file. EXIF counts before XMP.
    """
    for exif in exifs:
        if (value := _exif_orientation(exif)) is not None:
            return value
    for xmp in xmps:
        for prefix in {b"tiff", *_XMP_PREFIX.findall(xmp)}:
            if found := re.search(rb"\b" + re.escape(prefix) + _XMP_ORIENTATION, xmp):
                return int(found[1])
    return UPRIGHT


def _exif_orientation(exif: bytes) -> int | None:
    from PIL import Image

    block = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            block.load(exif)
            value = block.get(_ORIENTATION)
    except Exception as error:
        log.warning("The EXIF block can't be read (%s).", in_short(error))
        return None
    value = value[0] if isinstance(value, tuple) and value else value
    value = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    from PIL import Image

    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)
