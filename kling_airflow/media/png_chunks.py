"""Reads the chunks of a PNG file, and returns it without what Pillow stumbles over.

Every critical chunk's checksum is verified: what differs is damaged. A damaged chunk that holds no pixels
is left out with a warning, and so is all text: Pillow refuses files with a megabyte of it.
"""

from __future__ import annotations

import logging
import re
import struct
import zlib
from dataclasses import dataclass, field

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.file_kinds import DAMAGE_ADVICE

log = logging.getLogger(__name__)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS")
_READ = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf", b"iTXt", b"zTXt", b"tEXt")
_LARGEST_PROFILE = 64_000_000  # bytes: of a profile or a text after decompression
_XMP = b"XML:com.adobe.xmp"
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")


@dataclass
class PngChunks:
    """A PNG file by its chunks.

    :param data: the file with the chunks that hold pixels, and no other.
    :param chunks: the bodies of the other chunks that are read, the first of each name.
    :param depth: bits a sample.
    :param color_type: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA.
    :param transparency: the body of tRNS.
    :param exifs: the EXIF blocks, wherever they stand.
    :param text_exifs: the EXIF blocks that are written as text.
    :param xmp: the XMP packet.
    """

    data: bytes = b""
    chunks: dict[bytes, bytes] = field(default_factory=dict)
    depth: int = 8
    color_type: int = 2
    transparency: bytes | None = None
    exifs: list[bytes] = field(default_factory=list)
    text_exifs: list[bytes] = field(default_factory=list)
    xmp: bytes | None = None


def read_chunks(data: bytes) -> PngChunks:
    """Return the chunks of a PNG file.

    :param data: the whole file.
    :raises InvalidFrame: if a chunk that holds pixels is damaged or missing.
    """
    found = PngChunks()
    kept: list[bytes | memoryview] = [SIGNATURE]
    view, at, has_pixels, has_end = memoryview(data), len(SIGNATURE), False, False
    while at + 8 <= len(data) and not has_end:
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        after = at + 12 + length
        is_whole = after <= len(data) and name.isalpha()
        if not is_whole and (name == b"IDAT" or not has_pixels):
            raise _damaged(f"it ends or is garbled at byte {at:,}")
        if not is_whole:
            break
        body = view[at + 8 : after - 4]
        intact = zlib.crc32(body, zlib.crc32(name)) == int.from_bytes(data[after - 4 : after], "big")
        if name == b"IEND":
            has_end = True
        elif not intact and (name[0:1].isupper() or name == b"tRNS"):
            raise _damaged(f"the checksum of its {name.decode()} chunk at byte {at:,} is wrong")
        elif not intact:
            log.warning("The %s chunk of the PNG file is damaged; it is left out.", name.decode())
        elif name in _KEPT:
            has_pixels = has_pixels or name == b"IDAT"
            kept.append(view[at:after])
            _read_pixels_header(found, name, body)
        elif name in _READ:
            _read_extra(found, name, bytes(body))
        at = after
    if not has_end:
        log.warning("The end marker of the PNG file is missing.")
    kept.append(struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND")))
    found.data = b"".join(kept)
    return found


def read_profile(body: bytes) -> bytes | None:
    """Return the ICC profile in the body of an iCCP chunk; None, with a warning, if it can't be read."""
    profile = _inflated(body.partition(b"\0")[2][1:])
    if profile is None:
        log.warning("The color profile can't be decompressed; the colors are taken as sRGB.")
    return profile


def _read_pixels_header(found: PngChunks, name: bytes, body: memoryview) -> None:
    if name == b"IHDR" and len(body) >= 10:
        found.depth, found.color_type = body[8], body[9]
    elif name == b"tRNS":
        found.transparency = bytes(body)


def _read_extra(found: PngChunks, name: bytes, body: bytes) -> None:
    """Keep what describes colors and orientation."""
    if name in (b"tEXt", b"zTXt"):
        if body.startswith(_RAW_EXIF) and not found.text_exifs:
            text = body.partition(b"\0")[2]
            block = _raw_exif(text if name == b"tEXt" else _inflated(text[1:]) or b"")
            found.text_exifs += [block] if block else []
    elif name == b"iTXt":
        if body.startswith(_XMP + b"\0") and not found.xmp:
            found.xmp = _international_text(body)
    elif name == b"eXIf":
        found.exifs.append(body)
    else:
        found.chunks.setdefault(name, body)


def _international_text(body: bytes) -> bytes | None:
    rest = body[len(_XMP) + 1 :]
    is_packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if is_packed else text


def _raw_exif(text: bytes) -> bytes | None:
    """Return the EXIF block that ImageMagick writes as text: a name, a length, and hexadecimal digits."""
    match = re.match(rb"\s*\w+\s+\d+\s+([0-9a-fA-F\s]+)$", text)
    try:
        return bytes.fromhex(match[1].decode()) if match else None
    except ValueError:
        return None


def _inflated(data: bytes) -> bytes | None:
    """Return decompressed bytes; None if they are damaged or too many."""
    inflate = zlib.decompressobj()
    try:
        result = inflate.decompress(data, _LARGEST_PROFILE)
    except zlib.error:
        return None
    return result if inflate.eof else None


def _damaged(how: str) -> InvalidFrame:
    return InvalidFrame(f"The PNG file can't be decoded in full: {how}.", todo=DAMAGE_ADVICE)
