"""Opens JPEG files: strict about damage, decoded at a reduced size, the main picture of several."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.color_profile import ADOBE_RGB, gamma_curve, rgb_profile
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.jpeg_check import JpegStream, checked_by_ffmpeg
from kling_airflow.media.jpeg_structure import JpegStructure, read_structure
from kling_airflow.media.picture import (
    Picture,
    check_pixels,
    decoding_errors,
    first_orientation,
    open_image,
)
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

_DRAFT_GAP = 2.0  # decoded with at least twice the pixels needed: the resampling after it looks better so
_BYTES_A_PIXEL = 3
_EXIF_IFD, _INTEROP_IFD, _COLOR_SPACE, _INTEROP_INDEX = 0x8769, 0xA005, 0xA001, 0x0001
_EXIF, _XMP = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"
_ADOBE_GAMMA = 563 / 256
_MP_ENTRIES = 0xB002


@dataclass
class JpegPicture(Picture):
    """A JPEG file whose header is read.

    :param data: the file.
    :param structure: its markers.
    :param stream: what Pillow reads it from.
    :param deferred: what waits for FFmpeg's check, if not ``decode`` itself.
    """

    data: bytes = b""
    structure: JpegStructure = field(default_factory=JpegStructure)
    stream: JpegStream | None = None
    deferred: ExitStack | None = None

    @contextmanager
    def deferred_checks(self) -> Iterator[None]:
        """Let the body use the decoded pixels while FFmpeg still decodes the file strictly."""
        with ExitStack() as self.deferred:
            yield

    def check_size(self) -> None:
        """Leave the check to ``decode``: only there it is known at which size the pixels are decoded."""

    def decode(self, scale: float) -> Image.Image:
        """Decode the pixels, at a half, a quarter or an eighth of the size if ``scale`` allows."""
        width, height = self.image.size
        needed = [max(1, math.ceil(side * min(1.0, scale * _DRAFT_GAP))) for side in (width, height)]
        self.image.draft(None, (needed[0], needed[1]))
        decoded = self.image.width * self.image.height
        coefficients = self.structure.coefficient_bytes // _BYTES_A_PIXEL
        check_pixels(width, height, self.max_pixels, needed=max(decoded, coefficients))
        with decoding_errors(), ExitStack() as checks:
            (self.deferred or checks).enter_context(checked_by_ffmpeg(self.data, self.structure))
            self.image.load()
        if self.stream:
            self.stream.check()
        if not self.structure.has_end:
            log.warning("The end marker of the JPEG file is missing; all of its pixels are there.")
        return self.image


def open_jpeg(data: bytes, *, max_pixels: int) -> JpegPicture:
    """Read the header of a JPEG file.

    :raises InvalidFrame: if a part of the file is missing, or Pillow can't read it.
    """
    from PIL import JpegImagePlugin

    data = _main_picture(data)
    structure = read_structure(data)
    stream = JpegStream(data, structure)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = JpegImagePlugin.JpegImageFile(stream)  # type: ignore[arg-type]
    except Exception as error:
        raise InvalidFrame(f"The JPEG file can't be read ({in_short(error)}).", todo=DAMAGE_ADVICE) from error
    exif = image.info.get("exif")
    return JpegPicture(
        image,
        max_pixels,
        profile=_profile(image, exif, data[: structure.scans[0].begin]),
        orientation=_orientation([body for name, body in image.applist if name == "APP1"]),
        data=data,
        structure=structure,
        stream=stream,
    )


def _orientation(segments: list[bytes]) -> int:
    """Return the orientation by the APP1 segments, of which each may be EXIF, XMP, or the rest of an EXIF."""
    exifs: list[bytes] = []
    xmps: list[bytes] = []
    for segment in segments:
        if segment.startswith(_XMP):
            xmps.append(segment.removeprefix(_XMP))
        elif segment.startswith(_EXIF):
            body = segment[len(_EXIF) + 1 :]  # after a byte that pads the prefix, mostly a zero
            if exifs and body[:2] not in (b"II", b"MM"):
                exifs[-1] += body
            elif body:
                exifs.append(body)
    return first_orientation(exifs, xmps)


def _profile(image: Any, exif: bytes | None, header: bytes) -> bytes | None:
    profile: bytes | None = image.info.get("icc_profile")
    if profile:
        return profile
    if b"ICC_PROFILE\0" in header:
        log.warning("The color profile is incomplete; the colors are taken as sRGB.")
        return None
    if exif and image.mode == "RGB" and _is_adobe_rgb(exif):
        return rgb_profile(ADOBE_RGB, gamma_curve(_ADOBE_GAMMA), name="Adobe RGB (1998)")
    return None


def _is_adobe_rgb(exif: bytes) -> bool:
    """Whether a camera says by EXIF alone that the colors are Adobe RGB's."""
    from PIL import Image

    block = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            block.load(exif)
            space = block.get_ifd(_EXIF_IFD).get(_COLOR_SPACE)
            index = block.get_ifd(_INTEROP_IFD).get(_INTEROP_INDEX, "")
    except Exception:
        return False  # `orientation_of` has warned of the block
    index = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
    return space == 2 or (space == 0xFFFF and index.startswith("R03"))


def _main_picture(data: bytes) -> bytes:
    """Return the main picture of a file of several (MPO), if the first is a preview of it."""
    if b"MPF\0" not in data[:200_000]:
        return data
    try:
        with open_image(data, ("JPEG",)) as image:
            entries = list(image.mpinfo[_MP_ENTRIES])  # type: ignore[attr-defined]
            if "Thumbnail" not in str(entries[0]["Attribute"]["MPType"]):
                return data
            base = data.index(b"MPF\0") + 4
    except Exception:
        return data  # not several pictures after all
    for entry in entries[1:]:
        if "Thumbnail" not in str(entry["Attribute"]["MPType"]):
            log.info("The file begins with a preview; its main picture is taken.")
            start = base + int(entry["DataOffset"])
            return data[start : start + int(entry["Size"])]
    return data
