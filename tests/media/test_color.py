"""Colors arrive as people see them, wherever a file says what they are: mean delta E below 1."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from PIL import Image, ImageCms, ImageOps

from kling_airflow.media.color import to_srgb
from kling_airflow.media.color_profile import ADOBE_RGB, SRGB, Primaries, gamma_curve, rgb_profile, srgb_curve
from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.colors import (
    ADOBE_MATRIX,
    BT2020_MATRIX,
    P3_MATRIX,
    SRGB_MATRIX,
    SWATCHES,
    Color,
    Curve,
    Matrix,
    difference,
    expected,
    power,
    seen,
    srgb_light,
    swatches,
)
from tests.media.files import bmp, chunk, page, png, raw_png, tiff, with_codes, with_jp2_profile
from tests.media.pictures import encoded

P3 = rgb_profile(Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), srgb_curve, name="Display P3")
ADOBE = rgb_profile(ADOBE_RGB, gamma_curve(563 / 256), name="Adobe RGB")
ADOBE_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
P3_CHRM = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
FINE = {"quality": 100, "subsampling": "4:4:4"}


def rgb(data: bytes) -> Image.Image:
    return to_srgb(open_picture(data, max_pixels=MAX_PIXELS).load(), (0, 0, 0))


def camera_jpeg() -> bytes:
    """A camera's way to say Adobe RGB: no profile, two EXIF entries."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    return encoded(swatches(), "JPEG", exif=exif.tobytes(), **FINE)


def lab(bits: int, *, is_signed: bool) -> bytes:
    """A TIFF in CIELAB (signed colors) or ICC LAB."""
    image = ImageCms.profileToProfile(
        swatches(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert image is not None
    light, a, b = image.split()
    if is_signed:
        a, b = (band.point([level ^ 128 for level in range(256)]) for band in (a, b))
    samples = Image.merge("RGB", (light, a, b))
    tags, pixels = page(samples, 8 if is_signed else 9)
    if bits == 16:
        tags = {**tags, 258: (3, [16, 16, 16])}
        pixels = b"".join(bytes((0, level)) for level in pixels)
    return tiff((tags, pixels))


def tables(curve: Curve) -> list[float]:
    return [round(curve(level / 255) * 65535) for level in range(256)]


def narrow() -> Image.Image:
    """Swatches with black at 16 and white at 235, as video has them."""
    return swatches().point([round(16 + level * 219 / 255) for level in range(256)] * 3)


def heic(**options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed")
    pillow_heif.register_heif_opener()
    return encoded(swatches(), "HEIF", quality=100, chroma=444, **options)


@dataclass(frozen=True)
class Carrier:
    """A way to say which colors are meant: the file, and the space by its matrix and curve."""

    file: Callable[[], bytes]
    matrix: Matrix
    curve: Curve = srgb_light


CARRIERS = {
    "PNG, ICC profile": Carrier(lambda: encoded(swatches(), icc_profile=P3), P3_MATRIX),
    "PNG, ICC profile of 1.5 MB": Carrier(
        lambda: encoded(swatches(), icc_profile=P3 + bytes(1_500_000)), P3_MATRIX
    ),
    "PNG, cICP": Carrier(lambda: png(swatches(), chunk(b"cICP", bytes((12, 13, 0, 1)))), P3_MATRIX),
    "PNG, cICP, narrow range": Carrier(
        lambda: png(narrow(), chunk(b"cICP", bytes((12, 13, 0, 0)))), P3_MATRIX
    ),
    "PNG, cICP, BT.2020": Carrier(
        lambda: png(swatches(), chunk(b"cICP", bytes((9, 14, 0, 1)))), BT2020_MATRIX
    ),
    "PNG, cICP before iCCP": Carrier(
        lambda: png(
            swatches(), chunk(b"cICP", bytes((1, 13, 0, 1))), *_chunks_of(encoded(swatches(), icc_profile=P3))
        ),
        SRGB_MATRIX,
    ),
    "PNG, gAMA of 1.8": Carrier(
        lambda: png(swatches(), chunk(b"gAMA", struct.pack(">I", 55556))), SRGB_MATRIX, power(1.8)
    ),
    "PNG, linear gAMA": Carrier(
        lambda: png(swatches(), chunk(b"gAMA", struct.pack(">I", 100_000))), SRGB_MATRIX, power(1.0)
    ),
    "PNG, cHRM": Carrier(lambda: png(swatches(), chunk(b"cHRM", P3_CHRM)), P3_MATRIX),
    "PNG, cHRM and gAMA": Carrier(
        lambda: png(swatches(), chunk(b"gAMA", struct.pack(">I", 55556)), chunk(b"cHRM", ADOBE_CHRM)),
        ADOBE_MATRIX,
        power(1.8),
    ),
    "PNG, sRGB before gAMA": Carrier(
        lambda: png(swatches(), chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000))),
        SRGB_MATRIX,
    ),
    "JPEG, ICC profile": Carrier(lambda: encoded(swatches(), "JPEG", icc_profile=P3, **FINE), P3_MATRIX),
    "JPEG, ICC profile of 1.5 MB": Carrier(
        lambda: encoded(swatches(), "JPEG", icc_profile=P3 + bytes(1_500_000), **FINE), P3_MATRIX
    ),
    "JPEG, EXIF": Carrier(camera_jpeg, ADOBE_MATRIX, power(563 / 256)),
    "WebP, ICC profile": Carrier(
        lambda: encoded(swatches(), "WEBP", icc_profile=P3, lossless=True), P3_MATRIX
    ),
    "TIFF, ICC profile": Carrier(lambda: encoded(swatches(), "TIFF", icc_profile=P3), P3_MATRIX),
    "TIFF, primary colors": Carrier(
        lambda: tiff(
            page(swatches(), t318=(5, [0.3127, 0.329]), t319=(5, [0.64, 0.33, 0.21, 0.71, 0.15, 0.06]))
        ),
        ADOBE_MATRIX,
    ),
    "TIFF, transfer function": Carrier(
        lambda: tiff(page(swatches(), t301=(3, tables(power(1.8)) * 3))), SRGB_MATRIX, power(1.8)
    ),
    "TIFF, CIELAB": Carrier(lambda: lab(8, is_signed=True), SRGB_MATRIX),
    "TIFF, CIELAB of 16 bits": Carrier(lambda: lab(16, is_signed=True), SRGB_MATRIX),
    "TIFF, ICC LAB": Carrier(lambda: lab(8, is_signed=False), SRGB_MATRIX),
    "BMP, calibrated": Carrier(
        lambda: bmp(
            swatches(), color=bytes(4) + _ends(ADOBE_MATRIX) + struct.pack("<3I", *[round(2.2 * 65536)] * 3)
        ),
        ADOBE_MATRIX,
        power(2.2),
    ),
    "BMP, ICC profile": Carrier(lambda: _bmp_with_profile(P3), P3_MATRIX),
    "JPEG 2000, ICC profile": Carrier(
        lambda: with_jp2_profile(encoded(swatches(), "JPEG2000"), P3), P3_MATRIX
    ),
    "AVIF, ICC profile": Carrier(
        lambda: encoded(swatches(), "AVIF", icc_profile=P3, quality=100, subsampling="4:4:4"), P3_MATRIX
    ),
    "AVIF, nclx": Carrier(
        lambda: with_codes(encoded(swatches(), "AVIF", quality=100, subsampling="4:4:4"), 12, 13), P3_MATRIX
    ),
    "HEIC, ICC profile": Carrier(lambda: heic(icc_profile=P3), P3_MATRIX),
    "HEIC, nclx": Carrier(lambda: with_codes(heic(), 12, 13), P3_MATRIX),
}
"""The ways to say it; the page on pictures shows this table."""


def _chunks_of(data: bytes) -> list[bytes]:
    return [data[33 : 33 + 12 + int.from_bytes(data[33:37], "big")]]


def _ends(matrix: Matrix) -> bytes:
    """The end points of a BMP header: CIE XYZ of red, green and blue as fixed-point numbers."""
    columns = [[row[number] for row in matrix] for number in range(3)]
    return struct.pack("<9I", *[round(value * (1 << 30)) for column in columns for value in column])


def _bmp_with_profile(profile: bytes) -> bytes:
    place = 124 + 800 * 600 * 3
    return bmp(
        swatches(), color=b"DEBM" + bytes(48) + struct.pack("<III", 4, place, len(profile)), tail=profile
    )


@pytest.mark.parametrize("name", CARRIERS)
def test_every_carrier_is_honored(name: str) -> None:
    carrier = CARRIERS[name]
    found = seen(rgb(carrier.file()))
    assert difference(found, expected(carrier.matrix, carrier.curve)) < 1


@pytest.mark.parametrize("name", CARRIERS)
def test_the_test_sees_a_carrier_that_is_ignored(name: str) -> None:
    carrier = CARRIERS[name]
    if carrier.matrix is SRGB_MATRIX and carrier.curve is srgb_light:
        pytest.skip("ignoring it is right")
    assert difference(SWATCHES, expected(carrier.matrix, carrier.curve)) > 1.5


GRAYS: list[Color] = [(round(number * 255 / 47),) for number in range(48)]


@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_gray_picture_with_an_rgb_profile(mode: str, kind: str) -> None:
    if kind == "JPEG" and mode == "LA":
        pytest.skip("JPEG has no transparency")
    image = swatches(GRAYS, "L").convert(mode)
    found = seen(rgb(encoded(image, kind, icc_profile=ADOBE, **(FINE if kind == "JPEG" else {}))))
    assert difference(found, expected(ADOBE_MATRIX, power(563 / 256), [gray * 3 for gray in GRAYS])) < 1


def gray_profile(exponent: float) -> bytes:
    """A gray profile with a pure power as its curve, made of an RGB one."""
    data = bytearray(rgb_profile(SRGB, gamma_curve(exponent), name="gray"))
    data[16:20] = b"GRAY"
    at = bytes(data).index(b"rTRC")
    data[at : at + 4] = b"kTRC"
    return bytes(data)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_a_gray_profile(mode: str) -> None:
    image = swatches(GRAYS, "L").convert(mode)
    found = seen(rgb(encoded(image, "PNG", icc_profile=gray_profile(1.4))))
    assert difference(found, expected(SRGB_MATRIX, power(1.4), [gray * 3 for gray in GRAYS])) < 1


def test_a_gray_profile_on_colors_is_ignored_and_said(caplog: pytest.LogCaptureFixture) -> None:
    found = seen(rgb(encoded(swatches(), "PNG", icc_profile=gray_profile(1.4))))
    assert found == SWATCHES
    assert caplog.text.count("WARNING") == 1
    assert "it is for gray pixels, these are RGB" in caplog.text


def test_white_is_zero_in_eight_and_sixteen_bits() -> None:
    inverted = ImageOps.invert(swatches(GRAYS, "L"))
    eight = page(inverted, 0)
    sixteen = {**eight[0], 258: (3, [16])}, b"".join(bytes((level, level)) for level in eight[1])
    for file in (tiff(eight), tiff(sixteen)):
        assert difference(seen(rgb(file)), [gray * 3 for gray in GRAYS]) < 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_white_is_zero_in_sixteen_bits_of_either_byte_order(order: str) -> None:
    tags, levels = page(ImageOps.invert(swatches(GRAYS, "L")), 0)
    sixteen = b"".join(bytes((level, level)) for level in levels)
    file = tiff(({**tags, 258: (3, [16])}, sixteen), order=order)
    assert difference(seen(rgb(file)), [gray * 3 for gray in GRAYS]) < 1


@pytest.mark.parametrize("highest", [0xFF, 0x7F])
def test_gray_of_32_bits_uses_its_whole_range(highest: int) -> None:
    """Pillow takes the highest bit for a sign."""
    tags, levels = page(swatches(GRAYS, "L"), 1)
    grays = [level * highest // 255 for level in range(256)]
    pixels = b"".join(bytes((0, 0, 0, grays[level])) for level in levels)
    found = seen(rgb(tiff(({**tags, 258: (3, [32])}, pixels))))
    assert difference(found, [gray * 3 for gray in GRAYS]) < 1


def test_16_bit_colors() -> None:
    rows = [
        b"".join(
            struct.pack(">3H", *(value * 257 for value in SWATCHES[y // 100 * 8 + x // 100]))
            for x in range(800)
        )
        for y in range(600)
    ]
    assert difference(seen(rgb(raw_png((800, 600), 16, 2, rows))), SWATCHES) < 1


@pytest.mark.parametrize(
    ("codes", "words"),
    [((9, 16), "HDR (PQ)"), ((9, 18), "HDR (HLG)"), ((77, 13), "primaries 77"), ((1, 99), "transfer 99")],
)
def test_what_cannot_be_honored_is_said_once(
    codes: tuple[int, int], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    rgb(png(swatches(), chunk(b"cICP", bytes((*codes, 0, 1)))))
    assert len(caplog.records) == 1
    assert words in caplog.text


def test_hdr_white_and_gray_are_ordinary_ones() -> None:
    # 203 cd/m2 is white of ordinary content: 58 % in PQ, 75 % in HLG (ITU-R BT.2408).
    for transfer, share in ((16, 0.58), (18, 0.75)):
        white = (round(255 * share),) * 3
        found = rgb(png(swatches([white] * 48), chunk(b"cICP", bytes((9, transfer, 0, 1))))).getpixel(
            (50, 50)
        )
        assert isinstance(found, tuple)
        assert min(found) > 245


def test_impossible_chromaticities_are_ignored_and_said(caplog: pytest.LogCaptureFixture) -> None:
    found = seen(rgb(png(swatches(), chunk(b"cHRM", bytes(32)))))
    assert found == SWATCHES
    assert "impossible values" in caplog.text


def test_a_profile_with_a_missing_part_is_ignored_and_said(caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(swatches(), "JPEG", icc_profile=P3 + bytes(100_000), **FINE)
    first = data.index(b"ICC_PROFILE") - 4
    size = int.from_bytes(data[first + 2 : first + 4], "big") + 2
    found = seen(rgb(data[:first] + data[first + size :]))
    assert difference(found, SWATCHES) < 1
    assert "The color profile is incomplete" in caplog.text
