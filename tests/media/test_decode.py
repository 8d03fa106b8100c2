"""Every kind of picture comes out upright, RGB, with its colors right."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image, ImageCms

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.color import to_srgb
from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.files import tiff
from tests.media.pictures import (
    BLUE,
    GREEN,
    HUBBLE,
    RED,
    WHITE,
    corners,
    encoded,
    near,
    noise,
    opened,
    quarters,
    swapped_profile,
)


def rgb(data: bytes, background: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    return to_srgb(open_picture(data, max_pixels=MAX_PIXELS).load(), background)


TURNS = {
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (WHITE, BLUE, GREEN, RED),
    4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE),
    6: (BLUE, RED, WHITE, GREEN),
    7: (WHITE, GREEN, BLUE, RED),
    8: (GREEN, WHITE, RED, BLUE),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(
        encoded(quarters(400, 300), kind, exif=exif.tobytes(), quality=95), max_pixels=MAX_PIXELS
    )
    size = picture.size
    image = picture.load()
    assert image.size == size == ((300, 400) if orientation >= 5 else (400, 300))
    assert all(
        near(at, wanted, 25)
        for at, wanted in zip(corners(image.convert("RGB")), TURNS[orientation], strict=True)
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_does_not_refuse_the_picture() -> None:
    data = encoded(quarters(400, 300), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01")
    assert rgb(data).size == (400, 300)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("RGB", "BMP"), ("RGB", "WEBP"), ("P", "GIF")],
)
def test_common_modes_become_rgb(mode: str, kind: str) -> None:
    made = rgb(encoded(quarters(400, 300).convert(mode), kind))
    assert (made.mode, made.size) == ("RGB", (400, 300))
    assert near(corners(made)[3], WHITE, 20)


def test_cmyk_becomes_rgb() -> None:
    made = rgb(encoded(quarters(400, 300).convert("CMYK"), "JPEG", quality=95))
    assert made.mode == "RGB"
    assert all(near(at, want, 30) for at, want in zip(corners(made), (RED, GREEN, BLUE, WHITE), strict=True))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_show_the_background(mode: str) -> None:
    image = quarters(400, 300).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 200, 150))
    if mode == "P":
        image = image.quantize(16)
    made = rgb(encoded(image.convert(mode), "PNG"), background=(10, 120, 240))
    assert near(corners(made)[0], (10, 120, 240), 8)
    assert near(corners(made)[3], WHITE, 12)


def test_half_transparency_is_blended() -> None:
    made = rgb(encoded(Image.new("RGBA", (400, 300), (255, 255, 255, 128)), "PNG"), background=(0, 0, 0))
    assert near(made.getpixel((5, 5)), (128, 128, 128), 2)


def test_a_transparent_color_key_is_honored() -> None:
    made = rgb(encoded(quarters(400, 300), "PNG", transparency=RED), background=(1, 2, 3))
    assert made.getpixel((5, 5)) == (1, 2, 3)


def ramp(mode: str, high: float, low: float = 0.0) -> Image.Image:
    # 256 columns from low to high.
    image = Image.new("F", (256, 300))
    for x in range(256):
        image.paste(low + (high - low) * x / 255, (x, 0, x + 1, 300))
    return image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "high", "kind"),
    [
        ("I;16", 65535, "PNG"),
        ("I;16", 65535, "TIFF"),
        ("I", 65535, "TIFF"),
        ("I", 2_000_000_000, "TIFF"),
        ("F", 1.0, "TIFF"),
        ("F", 5000.0, "TIFF"),
    ],
)
def test_deep_grays_are_scaled_not_clipped(mode: str, high: float, kind: str) -> None:
    made = rgb(encoded(ramp(mode, high), kind))
    values = [made.getpixel((x, 9))[0] for x in (0, 64, 128, 191, 255)]
    assert values == pytest.approx([0, 64, 128, 191, 255], abs=1)


def signed_tiff(bits: int, low: int, high: int, *, order: str = "<", photometric: int = 1) -> bytes:
    """A ramp of signed samples, from the left to the right."""
    levels = [round(low + (high - low) * x / 255) for x in range(256)]
    row = struct.pack(f"{order}256{ {8: 'b', 16: 'h', 32: 'i'}[bits] }", *levels)
    tags = {
        256: (4, [256]),
        257: (4, [300]),
        258: (3, [bits]),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [1]),
        278: (4, [300]),
        339: (3, [2]),
    }
    return tiff((tags, row * 300), order=order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("bits", "low", "high"),
    [
        (8, 0, 127),
        (8, -128, 127),
        (8, -20, 100),
        (16, 0, 32767),
        (16, -32768, 32767),
        (16, -1000, 3000),
        (32, -(2**31), 2**31 - 1),
    ],
)
def test_signed_levels_have_the_whole_range(bits: int, low: int, high: int, order: str) -> None:
    made = rgb(signed_tiff(bits, low, high, order=order))
    assert [made.getpixel((x, 9))[0] for x in (0, 64, 128, 191, 255)] == pytest.approx(
        [0, 64, 128, 191, 255], abs=2
    )


def test_a_dark_signed_picture_stays_dark() -> None:
    assert rgb(signed_tiff(16, 0, 3277)).getpixel((255, 9)) == pytest.approx((25, 25, 25), abs=1)
    assert rgb(signed_tiff(8, 0, 13)).getpixel((255, 9)) == pytest.approx((26, 26, 26), abs=1)


@pytest.mark.parametrize(("low", "high"), [(0, 32767), (-32768, 32767)])
def test_signed_levels_of_which_the_least_is_white(low: int, high: int) -> None:
    made = rgb(signed_tiff(16, low, high, photometric=0))
    assert [made.getpixel((x, 9))[0] for x in (0, 128, 255)] == pytest.approx([255, 127, 0], abs=1)


def gray_tiff(bits: int, row: bytes, *, photometric: int, sample_format: int) -> bytes:
    """A ramp of 256 columns, of rows that are packed already."""
    tags = {256: (4, [256]), 257: (4, [300]), 258: (3, [bits]), 259: (3, [1]), 262: (3, [photometric])}
    tags |= {277: (3, [1]), 278: (4, [300]), 339: (3, [sample_format])}
    return tiff((tags, row * 300))


@pytest.mark.parametrize("photometric", [0, 1])
def test_levels_of_12_bits_have_the_whole_range(photometric: int) -> None:
    pairs = [(x * 4095 // 255, (x + 1) * 4095 // 255) for x in range(0, 256, 2)]
    row = b"".join((a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    made = rgb(gray_tiff(12, row, photometric=photometric, sample_format=1))
    ramp_ = [0, 64, 128, 191, 255] if photometric else [255, 191, 127, 64, 0]
    assert [made.getpixel((x, 9))[0] for x in (0, 64, 128, 191, 255)] == pytest.approx(ramp_, abs=2)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-3.0, 5.0)])
def test_floats_of_which_the_least_is_white(low: float, high: float) -> None:
    row = struct.pack("<256f", *(low + (high - low) * x / 255 for x in range(256)))
    made = rgb(gray_tiff(32, row, photometric=0, sample_format=3))
    assert [made.getpixel((x, 9))[0] for x in (0, 128, 255)] == pytest.approx([255, 127, 0], abs=1)


def test_dark_floats_of_which_the_least_is_white_are_light() -> None:
    row = struct.pack("<256f", *(0.2 * x / 255 for x in range(256)))
    made = rgb(gray_tiff(32, row, photometric=0, sample_format=3))
    assert made.getpixel((255, 9))[0] == pytest.approx(204, abs=1)


def test_signed_gray_with_alpha_is_refused_by_name() -> None:
    tags = {256: (4, [300]), 257: (4, [300]), 258: (3, [16, 16]), 259: (3, [1]), 262: (3, [1])}
    tags |= {277: (3, [2]), 278: (4, [300]), 338: (3, [2]), 339: (3, [2, 2])}
    with pytest.raises(InvalidFrame, match=r"16-bit signed integer samples \(gray, 2 channels\)"):
        rgb(tiff((tags, bytes(300 * 300 * 4))))


def test_a_dark_16_bit_picture_stays_dark() -> None:
    made = rgb(encoded(ramp("I;16", 6553), "PNG"))
    assert made.getpixel((255, 9)) == pytest.approx((25, 25, 25), abs=1)


def test_negative_floats_are_stretched() -> None:
    made = rgb(encoded(ramp("F", 100.0, -100.0), "TIFF"))
    assert [made.getpixel((x, 9))[0] for x in (0, 128, 255)] == pytest.approx([0, 128, 255], abs=1)


def test_a_flat_float_picture_is_black_not_a_crash() -> None:
    assert rgb(encoded(Image.new("F", (300, 300), 7000.0), "TIFF")).getpixel((0, 0)) == (0, 0, 0)


def test_pixels_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(InvalidFrame, match="not numbers"):
        rgb(encoded(Image.new("F", (300, 300), float("inf")), "TIFF"))


def test_of_an_animation_the_first_image_is_taken() -> None:
    later = [Image.new("RGB", (400, 300), BLUE) for _ in range(3)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(
            Image.new("RGB", (400, 300), RED), kind, save_all=True, append_images=later, duration=100
        )
        assert near(rgb(data).getpixel((200, 150)), RED, 12), kind


def test_a_color_profile_is_applied() -> None:
    data = encoded(Image.new("RGB", (400, 300), (200, 0, 0)), "PNG", icc_profile=swapped_profile())
    red, green, blue = rgb(data).getpixel((5, 5))
    assert green > 150 > 60 > max(red, blue)


def test_a_profile_is_applied_below_transparency() -> None:
    data = encoded(Image.new("RGBA", (400, 300), (200, 0, 0, 255)), "PNG", icc_profile=swapped_profile())
    red, green, _ = rgb(data).getpixel((5, 5))
    assert green > 150 > 60 > red


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert rgb(encoded(quarters(400, 300), "PNG", icc_profile=profile)).getpixel((5, 5)) == RED


def test_a_profile_survives_turning_and_conversion() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (400, 300), (200, 0, 0)).quantize(4)
    data = encoded(image, "PNG", icc_profile=swapped_profile(), exif=exif.tobytes())
    red, green, _ = rgb(data).getpixel((5, 5))
    assert green > 150 > 60 > red


@pytest.mark.parametrize("profile", [b"no profile at all", b"\x00" * 600])
def test_a_broken_profile_is_ignored_and_said(profile: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert rgb(encoded(quarters(400, 300), "PNG", icc_profile=profile)).getpixel((5, 5)) == RED
    assert "color profile can't be used" in caplog.text


def test_a_profile_of_another_color_space_is_ignored_and_said(caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(Image.new("CMYK", (400, 300), (156, 156, 156, 0)), "TIFF", icc_profile=swapped_profile())
    assert rgb(data).getpixel((5, 5)) == (99, 99, 99)
    assert "color profile can't be used" in caplog.text
    assert "it is for RGB pixels, these are CMYK" in caplog.text


def test_lab_becomes_rgb() -> None:
    lab = ImageCms.profileToProfile(
        quarters(400, 300),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    made = rgb(encoded(lab, "TIFF"))
    assert all(near(at, want, 8) for at, want in zip(corners(made), (RED, GREEN, BLUE, WHITE), strict=True))


def test_a_large_jpeg_is_decoded_smaller_where_less_is_needed() -> None:
    data = encoded(noise(2400, 1600), "JPEG")
    assert open_picture(data, max_pixels=MAX_PIXELS).load(scale=0.125).size == (600, 400)
    assert open_picture(data, max_pixels=MAX_PIXELS).load(scale=0.4).size == (2400, 1600)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    # 400 megapixels of one color: a file of half a megabyte.
    image = Image.new("1", (20_000, 20_000))
    data = encoded(image, "PNG")
    with pytest.raises(InvalidFrame, match=r"20000 x 20000|400000000"):
        open_picture(data, max_pixels=MAX_PIXELS)


def test_the_pixel_limit_is_the_callers() -> None:
    with pytest.raises(InvalidFrame, match=r"400 x 300 px, 120,000 pixels; the limit is 119,999"):
        open_picture(encoded(quarters(400, 300)), max_pixels=119_999)
    assert open_picture(encoded(quarters(400, 300)), max_pixels=120_000).size == (400, 300)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>Not found</html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 400 400\n",
        b"\xff\xd8\xff",
    ],
    ids=["empty", "html", "postscript", "three bytes of JPEG"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidFrame, match="not a picture that can be read"):
        open_picture(data, max_pixels=MAX_PIXELS)


def test_a_file_cut_short_is_refused() -> None:
    with pytest.raises(InvalidFrame, match="can't be decoded"):
        rgb(HUBBLE.read_bytes()[:200_000])


def test_the_photograph_keeps_its_look() -> None:
    made, plain = rgb(HUBBLE.read_bytes()), Image.open(io.BytesIO(HUBBLE.read_bytes())).convert("RGB")
    assert made.size == plain.size == (1000, 872)
    a, b = made.resize((8, 8)), plain.resize((8, 8))
    assert all(near(a.getpixel((x, y)), b.getpixel((x, y)), 12) for x in range(8) for y in range(8))
    assert opened(HUBBLE.read_bytes()).size == made.size
