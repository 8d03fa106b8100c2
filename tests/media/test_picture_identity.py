"""Metadata makes no other picture; pixels do."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from kling_airflow.media.image_comment import with_comment
from kling_airflow.media.picture_identity import picture_identity
from tests.media.pictures import HUBBLE, ROCKET, encoded, quarters

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=99)
PNG, JPEG = encoded(quarters(400, 300)), ROCKET.read_bytes()
PICTURES = [PNG, JPEG, HUBBLE.read_bytes(), encoded(quarters(400, 300), "JPEG")]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def rechunked(png: bytes) -> bytes:
    """Return the same picture with its pixels in chunks of one kilobyte."""
    pixels, rest, at = b"", [], 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if kind == b"IDAT":
            pixels += body
        else:
            rest.append((kind, body))
        at += 12 + length
    pieces = [(b"IDAT", pixels[start : start + 1000]) for start in range(0, len(pixels), 1000)]
    return png[:8] + b"".join(chunk(kind, body) for kind, body in [*rest[:-1], *pieces, rest[-1]])


@given(
    st.sampled_from(PICTURES),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=99),
)
def test_a_comment_makes_no_other_picture(picture: bytes, comment: str) -> None:
    assert picture_identity(with_comment(picture, comment)) == picture_identity(picture)


def test_neither_does_any_other_metadata_of_a_png() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Title", "a rocket")
    made = io.BytesIO()
    Image.open(io.BytesIO(PNG)).save(made, "PNG")
    plain, made = made.getvalue(), io.BytesIO()
    Image.open(io.BytesIO(PNG)).save(made, "PNG", pnginfo=info, dpi=(72, 72))
    assert picture_identity(made.getvalue()) == picture_identity(plain)
    assert picture_identity(rechunked(plain)) == picture_identity(plain)
    assert picture_identity(plain + b"trailing bytes") == picture_identity(plain)


def test_nor_any_of_a_jpeg() -> None:
    segment = b"\xff\xe1" + struct.pack(">H", 2 + 13) + b"http://ns.ado"
    assert picture_identity(JPEG[:2] + segment + JPEG[2:]) == picture_identity(JPEG)
    assert picture_identity(JPEG + b"trailing bytes") == picture_identity(JPEG)


def test_an_orientation_turns_the_picture() -> None:
    def turned(orientation: int) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = orientation
        made = io.BytesIO()
        Image.open(io.BytesIO(PNG)).convert("RGB").save(made, "JPEG", exif=exif, quality=90)
        return made.getvalue()

    assert picture_identity(turned(6)) != picture_identity(turned(1))
    assert len({picture_identity(turned(orientation)) for orientation in range(1, 9)}) == 8


def test_other_pixels_are_another_picture() -> None:
    assert len({picture_identity(picture) for picture in PICTURES}) == len(PICTURES)
    changed = bytearray(JPEG)
    changed[-1000] ^= 1
    assert picture_identity(bytes(changed)) != picture_identity(JPEG)


@pytest.mark.parametrize("picture", [PNG, JPEG])
def test_a_damaged_file_is_told_by_all_of_it(picture: bytes) -> None:
    whole = {picture_identity(picture[:size]) for size in range(0, len(picture), max(1, len(picture) // 50))}
    assert len(whole) >= 50


@given(st.binary(max_size=300))
def test_any_bytes_have_an_identity(data: bytes) -> None:
    for made in (data, PNG[:40] + data, JPEG[:200] + data):
        assert len(picture_identity(made)) == 64
