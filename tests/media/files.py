"""Picture files that no library writes, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

from PIL import Image

from tests.media.pictures import encoded

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(image: Image.Image, *chunks: bytes) -> bytes:
    """An 8-bit PNG with further chunks before its pixels."""
    data = encoded(image, "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def raw_png(
    size: tuple[int, int], depth: int, color_type: int, rows: Sequence[bytes], *chunks: bytes
) -> bytes:
    """A PNG of any depth and color type, of packed rows."""
    head = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return SIGNATURE + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
_FORMATS = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B"}
Tags = Mapping[int, tuple[int, Sequence[float] | bytes]]


def tiff(*pages: tuple[Tags, bytes], subpages: Sequence[tuple[Tags, bytes]] = (), order: str = "<") -> bytes:
    """A TIFF of pages, each by its tags and the bytes of its only strip.

    :param subpages: pages that only the first page's SubIFD tag refers to.
    """
    data = bytearray(b"II*\0\0\0\0\0" if order == "<" else b"MM\0*\0\0\0\0")
    below = [_page(data, tags, pixels, order) for tags, pixels in subpages]
    link = 4
    for number, (tags, pixels) in enumerate(pages):
        more = {330: (4, below)} if below and number == 0 else {}
        at = _page(data, {**tags, **more}, pixels, order)
        struct.pack_into(order + "I", data, link, at)
        link = at + 2 + 12 * struct.unpack_from(order + "H", data, at)[0]
    return bytes(data)


def _page(data: bytearray, tags: Tags, pixels: bytes, order: str) -> int:
    strip = len(data)
    data += pixels + b"\0" * (len(pixels) % 2)
    entries = dict(tags) | {273: (4, [strip]), 279: (4, [len(pixels)])}
    packed = {}
    for tag, (kind, values) in entries.items():
        if isinstance(values, bytes):
            body = values
        elif kind == 5:
            body = b"".join(struct.pack(order + "II", round(value * 100_000), 100_000) for value in values)
        else:
            body = struct.pack(f"{order}{len(values)}{_FORMATS[kind]}", *values)
        packed[tag] = kind, len(body) // _SIZES[kind], body
    for tag, (kind, count, body) in packed.items():
        if len(body) > 4:
            packed[tag] = kind, count, struct.pack(order + "I", len(data))
            data += body + b"\0" * (len(body) % 2)
    at = len(data)
    data += struct.pack(order + "H", len(packed))
    for tag in sorted(packed):
        kind, count, body = packed[tag]
        data += struct.pack(order + "HHI", tag, kind, count) + body.ljust(4, b"\0")
    data += bytes(4)
    return at


def page(
    image: Image.Image, photometric: int = 2, **more: tuple[int, Sequence[float] | bytes]
) -> tuple[Tags, bytes]:
    """An uncompressed 8-bit page of an image's samples.

    :param more: tags, as ``t254=(4, [1])``.
    """
    bands = len(image.getbands())
    tags: dict[int, tuple[int, Sequence[float] | bytes]] = {
        256: (4, [image.width]),
        257: (4, [image.height]),
        258: (3, [8] * bands),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [bands]),
        278: (4, [image.height]),
    }
    return tags | {int(name[1:]): value for name, value in more.items()}, image.tobytes()


def bmp(
    image: Image.Image, *, bits: int = 24, alpha: int | None = None, color: bytes = b"", tail: bytes = b""
) -> bytes:
    """A BMP with a header of version 5.

    :param bits: 24, or 32 with the alpha of every pixel.
    :param color: the header from the kind of color space on, 68 bytes.
    :param tail: what follows the pixels.
    """
    order = "BGR" if bits == 24 else "BGRA"
    source = image.convert("RGB") if bits == 24 else image.convert("RGB").convert("RGBA")
    if alpha is not None:
        source.putalpha(alpha)
    pixels = source.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", order)
    size = 14 + 124
    head = struct.pack(
        "<IiiHHIIiiII", 124, *image.size, 1, bits, 3 if bits == 32 else 0, len(pixels), 2835, 2835, 0, 0
    )
    masks = struct.pack(">4I", 0x0000FF00, 0x00FF0000, 0xFF000000, 0x000000FF) if bits == 32 else bytes(16)
    head += masks + color.ljust(68, b"\0")
    return b"BM" + struct.pack("<IHHI", size + len(pixels) + len(tail), 0, 0, size) + head + pixels + tail


def with_codes(data: bytes, primaries: int, transfer: int) -> bytes:
    """An AVIF or HEIC file with other color codes; each file that has them has them once."""
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def with_jp2_profile(data: bytes, profile: bytes) -> bytes:
    """A JPEG 2000 file with an ICC profile in place of the number of its color space."""
    head, color = data.index(b"jp2h") - 4, data.index(b"colr") - 4
    old = struct.unpack_from(">I", data, color)[0]
    box = struct.pack(">I4sBBB", 11 + len(profile), b"colr", 2, 0, 0) + profile
    size = struct.unpack_from(">I", data, head)[0] - old + len(box)
    return data[:head] + struct.pack(">I", size) + data[head + 4 : color] + box + data[color + old :]
