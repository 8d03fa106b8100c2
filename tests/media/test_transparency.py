"""Transparency is honoured where it is meant, and only there."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.color import to_srgb
from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.files import bmp, chunk, page, raw_png, tiff
from tests.media.pictures import BLUE, GREEN, RED, WHITE, corners, encoded, near, quarters

BACKGROUND = (10, 120, 240)
OPAQUE = [RED, GREEN, BLUE, WHITE]


def rgb(data: bytes) -> Image.Image:
    return to_srgb(open_picture(data, max_pixels=MAX_PIXELS).load(), BACKGROUND)


def test_a_32_bit_bmp_whose_alpha_is_zero_throughout_is_opaque() -> None:
    assert corners(rgb(bmp(quarters(400, 300), bits=32, alpha=0))) == OPAQUE


def test_a_32_bit_bmp_with_a_real_alpha_is_blended() -> None:
    found = corners(rgb(bmp(Image.new("RGB", (400, 300), (250, 250, 250)), bits=32, alpha=128)))
    assert all(near(color, (130, 185, 245), 2) for color in found)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_wholly_transparent_picture_is_refused_and_said(kind: str, mode: str) -> None:
    image = quarters(400, 300).convert("RGBA")
    image.putalpha(0)
    with pytest.raises(InvalidFrame, match="wholly transparent: every pixel has alpha 0") as error:
        rgb(encoded(image.convert(mode), kind))
    assert "without its alpha channel" in error.value.todo


def test_one_visible_pixel_is_enough() -> None:
    image = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    image.putpixel((7, 7), (255, 0, 0, 255))
    assert rgb(encoded(image)).getpixel((7, 7)) == (255, 0, 0)


def test_a_16_bit_gray_key_hides_exactly_its_own_level() -> None:
    levels = [0x8000, 0x8001, 0x80FF, 0xFFFF]
    rows = [struct.pack(">400H", *[levels[x // 100] for x in range(400)])] * 300
    made = rgb(raw_png((400, 300), 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 0x8001))))
    found = [made.getpixel((x, 9)) for x in (50, 150, 250, 350)]
    assert found == [(128, 128, 128), BACKGROUND, (128, 128, 128), (255, 255, 255)]


def test_a_16_bit_color_key_hides_exactly_its_own_color() -> None:
    colors = [(0x1234, 0x8000, 0xFFFF), (0x1235, 0x8000, 0xFFFF)]
    rows = [b"".join(struct.pack(">3H", *colors[x // 200]) for x in range(400))] * 300
    made = rgb(raw_png((400, 300), 16, 2, rows, chunk(b"tRNS", struct.pack(">3H", *colors[0]))))
    assert made.getpixel((50, 9)) == BACKGROUND
    assert near(made.getpixel((350, 9)), (0x12, 0x80, 0xFF), 1)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_gray_key_of_few_bits(depth: int) -> None:
    """The left half has the level of the key, the right half none."""
    top = (1 << depth) - 1
    per_byte = 8 // depth
    left = sum(top << depth * number for number in range(per_byte))
    rows = [bytes([left] * (200 // per_byte) + [0] * (200 // per_byte))] * 300
    made = rgb(raw_png((400, 300), depth, 0, rows, chunk(b"tRNS", struct.pack(">H", top))))
    assert [made.getpixel((x, 9)) for x in (50, 350)] == [BACKGROUND, (0, 0, 0)]


def test_an_extra_channel_of_a_tiff_that_is_not_alpha_is_not_transparency() -> None:
    image = quarters(400, 300).convert("RGBA")
    image.putalpha(0)
    assert corners(rgb(tiff(page(image, t338=(3, [0]))))) == OPAQUE


def test_a_fourth_channel_of_a_tiff_that_no_tag_explains_is_opaque_if_it_is_unset() -> None:
    image = quarters(400, 300).convert("RGBA")
    image.putalpha(0)
    assert corners(rgb(tiff(page(image)))) == OPAQUE


def test_premultiplied_alpha_of_a_tiff() -> None:
    image = Image.new("RGBA", (400, 300), (100, 50, 25, 128))
    found = rgb(tiff(page(image, t338=(3, [1])))).getpixel((9, 9))
    assert near(found, (105, 110, 145), 2)


def test_gray_and_alpha_of_16_bits_in_a_tiff() -> None:
    tags, _ = page(Image.new("LA", (400, 300)), 1, t338=(3, [2]))
    pixels = struct.pack("<2H", 0x4000, 0xFFFF) * (400 * 150) + struct.pack("<2H", 0x4000, 0) * (400 * 150)
    made = rgb(tiff(({**tags, 258: (3, [16, 16])}, pixels)))
    assert near(made.getpixel((9, 9)), (64, 64, 64), 1)
    assert made.getpixel((9, 290)) == BACKGROUND


def test_the_fifth_channel_of_a_cmyk_tiff_is_ignored_and_said(caplog: pytest.LogCaptureFixture) -> None:
    tags, _ = page(Image.new("CMYK", (400, 300)), 5, t338=(3, [2]))
    pixels = bytes((0, 255, 255, 0, 255)) * (400 * 300)
    made = rgb(tiff(({**tags, 258: (3, [8] * 5), 277: (3, [5])}, pixels)))
    assert near(made.getpixel((9, 9)), (255, 0, 0), 2)
    assert "transparency of the CMYK picture is ignored" in caplog.text
