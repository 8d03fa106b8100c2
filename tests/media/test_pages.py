"""Of several pictures in a file, the real one is taken: no preview, no reduced copy, no mask."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.files import page, tiff
from tests.media.pictures import BLUE, GREEN, RED, WHITE, corners, encoded, near, quarters

PREVIEW = page(Image.new("RGB", (100, 75), "black"), t254=(4, [1]))
UNMARKED_PREVIEW = page(Image.new("RGB", (100, 75), "black"))
OLD_PREVIEW = page(Image.new("RGB", (100, 75), "black"), t255=(3, [2]))
MASK = page(Image.new("L", (400, 300)), 4, t254=(4, [4]))
REAL = page(quarters(400, 300))
PLAIN = page(Image.new("RGB", (400, 300), "black"))
RAW = page(Image.new("L", (4000, 3000)), 32803)


def load(data: bytes) -> Image.Image:
    return open_picture(data, max_pixels=MAX_PIXELS).load()


FILES = {
    "one page": lambda order: tiff(REAL, order=order),
    "preview first": lambda order: tiff(PREVIEW, REAL, order=order),
    "preview first, marked the old way": lambda order: tiff(OLD_PREVIEW, REAL, order=order),
    "preview first, unmarked": lambda order: tiff(UNMARKED_PREVIEW, REAL, order=order),
    "mask first": lambda order: tiff(MASK, REAL, order=order),
    "preview first, the picture below it": lambda order: tiff(PREVIEW, subpages=[REAL], order=order),
    "two previews": lambda order: tiff(PREVIEW, subpages=[PREVIEW, REAL], order=order),
    "preview last": lambda order: tiff(REAL, PREVIEW, order=order),
    "reduced copies below": lambda order: tiff(REAL, subpages=[PREVIEW], order=order),
    "several pages": lambda order: tiff(REAL, PLAIN, PLAIN, order=order),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", FILES)
def test_the_real_page_of_a_tiff_is_taken(name: str, order: str) -> None:
    image = load(FILES[name](order))
    assert image.size == (400, 300)
    assert corners(image) == [RED, GREEN, BLUE, WHITE]


def test_the_real_page_is_turned_by_its_own_orientation() -> None:
    turned = page(quarters(400, 300), t274=(3, [6]))
    picture = open_picture(tiff(PREVIEW, turned), max_pixels=MAX_PIXELS)
    assert picture.size == (300, 400)
    assert corners(picture.load()) == [BLUE, RED, WHITE, GREEN]


def test_pages_that_refer_to_each_other_end() -> None:
    data = bytearray(tiff(REAL))
    at = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<I", data, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], at)
    assert corners(load(bytes(data))) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_a_raw_picture_in_a_tiff_is_named(photometric: int) -> None:
    raw = page(Image.new("L", (4000, 3000)), photometric)
    with pytest.raises(InvalidFrame, match="a raw picture of a camera") as error:
        load(tiff(PREVIEW, subpages=[raw]))
    assert "raw converter" in error.value.todo


def test_of_a_multi_picture_jpeg_the_first_picture_is_taken() -> None:
    data = encoded(quarters(400, 300), "MPO", save_all=True, append_images=[Image.new("RGB", (100, 75))])
    assert all(near(a, b, 12) for a, b in zip(corners(load(data)), [RED, GREEN, BLUE, WHITE], strict=True))


def test_a_preview_that_begins_a_multi_picture_jpeg_is_skipped() -> None:
    data = encoded(Image.new("RGB", (100, 75)), "MPO", save_all=True, append_images=[quarters(400, 300)])
    marked = _with_first_type(data, 0x010001)  # "Large Thumbnail (VGA Equivalent)"
    image = load(marked)
    assert image.size == (400, 300)
    assert all(near(a, b, 12) for a, b in zip(corners(image), [RED, GREEN, BLUE, WHITE], strict=True))


def _with_first_type(data: bytes, kind: int) -> bytes:
    """A multi-picture JPEG whose first entry has another type."""
    base = data.index(b"MPF\0") + 4
    order = "<" if data[base : base + 2] == b"II" else ">"
    directory = base + struct.unpack_from(order + "I", data, base + 4)[0]
    for number in range(struct.unpack_from(order + "H", data, directory)[0]):
        tag, _, _, value = struct.unpack_from(order + "HHII", data, directory + 2 + 12 * number)
        if tag == 0xB002:
            entry = base + value
            return data[:entry] + struct.pack(order + "I", kind) + data[entry + 4 :]
    raise AssertionError("the file has no entries")
