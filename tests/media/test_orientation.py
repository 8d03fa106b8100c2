"""Orientation is honoured in every carrier: EXIF, XMP, the way a format has of its own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from kling_airflow.media.picture import orientation_of
from tests.media.files import chunk, page, png, tiff
from tests.media.pictures import BLUE, GREEN, RED, WHITE, corners, encoded, near, quarters

IMAGE = quarters(400, 300)


def exif(value: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = value
    return block.tobytes()


def xmp(value: int) -> bytes:
    attribute = f'<rdf:Description tiff:Orientation="{value}"/>'
    return f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{attribute}</x:xmpmeta>".encode()


def xmp_element(value: int) -> bytes:
    return f"<rdf:Description><tiff:Orientation>{value}</tiff:Orientation></rdf:Description>".encode()


def xmp_prefix(value: int) -> bytes:
    """A prefix stands for its namespace; any will do."""
    return f'<rdf:Description xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="{value}"/>'.encode()


def text_png(value: int) -> bytes:
    """As ImageMagick writes EXIF into a PNG: hexadecimal digits in a compressed text."""
    block = exif(value)
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    return png(IMAGE, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))


def xmp_png(value: int, *, packed: bool) -> bytes:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(value).decode(), zip=packed)
    return encoded(IMAGE, "PNG", pnginfo=info)


def late_exif_png(value: int) -> bytes:
    data = encoded(IMAGE, "PNG")
    return data[:-12] + chunk(b"eXIf", exif(value).removeprefix(b"Exif\0\0")) + data[-12:]


def xmp_jp2(value: int) -> bytes:
    body = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp(value)
    data = encoded(IMAGE, "JPEG2000")
    head = data.index(b"jp2h") - 4
    return data[:head] + struct.pack(">I4s", len(body) + 8, b"uuid") + body + data[head:]


def heic(value: int) -> bytes:
    pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed").register_heif_opener()
    return encoded(IMAGE, "HEIF", quality=100, exif=exif(value))


CARRIERS: dict[str, Callable[[int], bytes]] = {
    "JPEG, EXIF": lambda value: encoded(IMAGE, "JPEG", quality=95, exif=exif(value)),
    "JPEG, XMP": lambda value: encoded(IMAGE, "JPEG", quality=95, xmp=xmp(value)),
    "JPEG, XMP element": lambda value: encoded(IMAGE, "JPEG", quality=95, xmp=xmp_element(value)),
    "JPEG, XMP with a prefix of its own": lambda value: encoded(
        IMAGE, "JPEG", quality=95, xmp=xmp_prefix(value)
    ),
    "PNG, EXIF": lambda value: encoded(IMAGE, "PNG", exif=exif(value)),
    "PNG, EXIF after the pixels": late_exif_png,
    "PNG, EXIF as text": text_png,
    "PNG, XMP": lambda value: xmp_png(value, packed=False),
    "PNG, XMP compressed": lambda value: xmp_png(value, packed=True),
    "WebP, EXIF": lambda value: encoded(IMAGE, "WEBP", lossless=True, exif=exif(value)),
    "WebP, XMP": lambda value: encoded(IMAGE, "WEBP", lossless=True, xmp=xmp(value)),
    "TIFF": lambda value: tiff(page(IMAGE, t274=(3, [value]))),
    "TIFF, XMP": lambda value: tiff(page(IMAGE, t700=(1, xmp(value)))),
    "AVIF": lambda value: encoded(IMAGE, "AVIF", quality=95, exif=exif(value)),
    "JPEG 2000, XMP": xmp_jp2,
    "HEIC": heic,
}
"""The carriers; the page on pictures shows this table."""

TURNS = {
    1: (RED, GREEN, BLUE, WHITE),
    3: (WHITE, BLUE, GREEN, RED),
    6: (BLUE, RED, WHITE, GREEN),
    8: (GREEN, WHITE, RED, BLUE),
}


@pytest.mark.parametrize("value", TURNS)
@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_is_honored(name: str, value: int) -> None:
    picture = open_picture(CARRIERS[name](value), max_pixels=MAX_PIXELS)
    size, image = picture.size, picture.load().convert("RGB")
    assert image.size == size == ((300, 400) if value >= 5 else (400, 300))
    assert all(near(a, b, 25) for a, b in zip(corners(image), TURNS[value], strict=True))


def test_exif_counts_before_xmp() -> None:
    assert orientation_of(exif(6), xmp(3)) == 6
    assert orientation_of(None, xmp(3)) == 3


def test_an_orientation_of_another_namespace_is_none_of_the_picture() -> None:
    assert (
        orientation_of(None, b'<x xmlns:t="http://example.com/" t:Orientation="6" xtiff:Orientation="3"/>')
        == 1
    )


@pytest.mark.parametrize("value", [0, 9, 77])
def test_a_value_that_does_not_exist_is_upright(value: int) -> None:
    assert orientation_of(exif(value)) == 1


def test_a_block_that_cannot_be_read_is_upright_and_said(caplog: pytest.LogCaptureFixture) -> None:
    assert orientation_of(b"Exif\0\0XX") == 1
    assert "EXIF block can't be read" in caplog.text


def segments(*bodies: bytes) -> bytes:
    """A JPEG with these APP1 segments."""
    data = encoded(IMAGE, "JPEG", quality=95)
    return data[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(b) + 2) + b for b in bodies) + data[2:]


def without_orientation() -> bytes:
    block = Image.Exif()
    block[0x010F] = "maker"
    return block.tobytes()


def packet(value: int) -> bytes:
    return b"http://ns.adobe.com/xap/1.0/\0" + xmp(value)


def exif_chunk(value: int) -> bytes:
    return chunk(b"eXIf", exif(value).removeprefix(b"Exif\0\0"))


SEVERAL: dict[str, tuple[bytes, int]] = {
    "two": (segments(exif(6), exif(3)), 6),
    "two, upright first": (segments(exif(1), exif(6)), 1),
    "two, the first says nothing": (segments(without_orientation(), exif(6)), 6),
    "two, the first is empty": (segments(b"Exif\0\0", exif(6)), 6),
    "two, the first can't be read": (segments(b"Exif\0\0XX", exif(6)), 6),
    "two, the first is impossible": (segments(exif(0), exif(6)), 6),
    "two, the second can't be read": (segments(exif(6), b"Exif\0\0XX"), 6),
    "one in two parts": (segments(exif(6)[:40], b"Exif\0\0" + exif(6)[40:]), 6),
    "padded by another byte": (segments(b"Exif\0\xff" + exif(6)[6:]), 6),
    "two XMP": (segments(packet(6), packet(3)), 6),
    "XMP before EXIF": (segments(packet(3), exif(6)), 6),
    "XMP, and EXIF that says nothing": (segments(packet(6), without_orientation()), 6),
    "PNG, two": (png(IMAGE, exif_chunk(6), exif_chunk(3)), 6),
    "PNG, before and after the pixels": (
        png(IMAGE, exif_chunk(6))[:-12] + exif_chunk(3) + png(IMAGE)[-12:],
        6,
    ),
    "PNG, as text and as a chunk": (text_png(3)[:-12] + exif_chunk(6) + png(IMAGE)[-12:], 6),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_the_first_that_says_an_orientation_counts(name: str) -> None:
    data, value = SEVERAL[name]
    assert open_picture(data, max_pixels=MAX_PIXELS).orientation == value
