"""Damage is refused, never half a picture; a harmless flaw is accepted; no good file is called damaged."""

from __future__ import annotations

import io
import itertools
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat
from PIL.PngImagePlugin import PngInfo

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.decode import open_picture
from kling_airflow.media.frame import FrameOptions, prepare_frame
from kling_airflow.media.frame_check import check_frame
from kling_airflow.media.iso_boxes import coded_extents
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.files import chunk, page, png, tiff
from tests.media.pictures import HUBBLE, encoded, noise, opened, quarters

END = b"\xff\xd9"


def load(data: bytes, scale: float = 1.0) -> Image.Image:
    return open_picture(data, max_pixels=MAX_PIXELS).load(scale)


def photo(width: int = 500, height: int = 436) -> Image.Image:
    return opened(HUBBLE.read_bytes()).convert("RGB").resize((width, height))


def grain(width: int = 480, height: int = 320) -> Image.Image:
    """A picture that fills its file: whatever is lost is lost from its pixels."""
    small = Image.frombytes(
        "RGB", (width // 4, height // 4), random.Random(7).randbytes(width * height * 3 // 16)
    )
    return small.resize((width, height), Image.Resampling.BILINEAR)


def product() -> Image.Image:
    """A photograph on white, as shops have them: most of it is flat."""
    image = Image.new("RGB", (500, 400), "white")
    image.paste(photo(120, 100), (190, 150))
    return image


PICTURES = {"photo": photo, "grain": grain, "product": product}

# How a file loses data. Each function takes the whole file.
LOSSES: dict[str, Callable[[bytes], bytes]] = {
    "cut at half": lambda data: data[: len(data) // 2],
    "cut at 90 %": lambda data: data[: len(data) * 9 // 10],
    "second half zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "4 KiB lost": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 4096 :],
}
JPEG_LOSSES = LOSSES | {
    "cut at half, end marker added": lambda data: data[: len(data) // 2] + END,
    "cut at 99 %, end marker added": lambda data: data[: len(data) * 99 // 100] + END,
    "second half zeros, end marker added": lambda data: data[: len(data) // 2] + bytes(len(data) // 2) + END,
    "last tenth zeros": lambda data: data[: len(data) * 9 // 10] + bytes(len(data) // 10),
    "second half 0xFF": lambda data: data[: len(data) // 2] + b"\xff" * (len(data) // 2),
    "512 bytes lost": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 512 :],
    "4 KiB zeros": lambda data: data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 + 4096 :],
}
JPEG_KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 4},
    "restart markers, progressive": {"restart_marker_blocks": 4, "progressive": True},
}


@pytest.mark.parametrize("loss", JPEG_LOSSES)
@pytest.mark.parametrize("kind", JPEG_KINDS)
@pytest.mark.parametrize("picture", PICTURES)
def test_a_jpeg_that_lost_data_is_refused(picture: str, kind: str, loss: str) -> None:
    data = JPEG_LOSSES[loss](encoded(PICTURES[picture](), "JPEG", quality=92, **JPEG_KINDS[kind]))
    for scale in (1.0, 0.1):
        with pytest.raises(InvalidFrame, match="can't be decoded"):
            load(data, scale)
    with pytest.raises(InvalidFrame, match=r"not a readable \.jpg or \.png: .*can't be decoded"):
        check_frame(data)


@pytest.mark.parametrize("loss", JPEG_LOSSES)
@pytest.mark.parametrize("kind", JPEG_KINDS)
def test_no_frame_is_made_of_a_jpeg_that_lost_data(kind: str, loss: str) -> None:
    """The check may end after the pixels were used; it ends before there is a frame."""
    data = JPEG_LOSSES[loss](encoded(grain(1600, 1200), "JPEG", quality=92, **JPEG_KINDS[kind]))
    before = threading.active_count()
    with pytest.raises(InvalidFrame, match="can't be decoded"):
        prepare_frame(data, FrameOptions(short_side=432))
    assert threading.active_count() == before


OTHER_KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "PNG": ("PNG", {}),
    "GIF": ("GIF", {}),
    "WebP": ("WEBP", {"quality": 90}),
    "WebP, lossless": ("WEBP", {"lossless": True}),
    "AVIF": ("AVIF", {}),
    "JPEG 2000": ("JPEG2000", {}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF, deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, JPEG": ("TIFF", {"compression": "jpeg"}),
    "HEIC": ("HEIF", {}),
}


def file_of(kind: str, image: Image.Image) -> bytes:
    name, options = OTHER_KINDS[kind]
    if name == "HEIF":
        pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed").register_heif_opener()
    return encoded(image.quantize(64) if name == "GIF" else image, name, **options)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_formats_that_lost_data_are_refused(kind: str, loss: str) -> None:
    with pytest.raises(InvalidFrame, match="can't be"):
        load(LOSSES[loss](file_of(kind, grain())))


@pytest.mark.parametrize("loss", ["cut at half", "cut at 90 %", "4 KiB lost"])
@pytest.mark.parametrize("kind", ["BMP", "PPM", "TIFF"])
def test_uncompressed_formats_that_are_cut_are_refused(kind: str, loss: str) -> None:
    with pytest.raises(InvalidFrame, match="can't be"):
        load(LOSSES[loss](encoded(grain(), kind)))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_deflate"])
@pytest.mark.parametrize("picture", ["photo", "grain"])
def test_zeros_within_a_strip_are_found_by_its_checksum(picture: str, compression: str, share: float) -> None:
    data = encoded(PICTURES[picture](), "TIFF", compression=compression)
    at = int(len(data) * share)
    with pytest.raises(InvalidFrame, match="can't be"):
        load(data[:at] + bytes(4096) + data[at + 4096 :])


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_zeros_at_the_end_of_a_jpeg_strip_are_found(share: float) -> None:
    data = encoded(product(), "TIFF", compression="jpeg", quality=90)
    at = int(len(data) * share)
    with pytest.raises(InvalidFrame, match="can't be"):
        load(data[:at] + bytes(len(data) - at))


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "WebP"])
def test_padding_in_the_metadata_is_no_lost_data(kind: str) -> None:
    """Windows leaves 2,060 zeros in the EXIF block of each file that it has changed."""
    exif = Image.Exif()
    exif[0x010F], exif[0xEA1C] = "maker", bytes(2060)
    if kind == "HEIC":
        pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed").register_heif_opener()
    name = {"HEIC": "HEIF", "WebP": "WEBP"}.get(kind, kind)
    data = encoded(photo(), name, exif=exif.tobytes())
    assert bytes(2000) in data
    assert load(data).size == (500, 436)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_a_hundred_zeros_among_compressed_pixels_are_lost_data(kind: str, share: float) -> None:
    data = file_of(kind, grain())
    at = data.index(b"mdat") + int((len(data) - data.index(b"mdat")) * share)
    with pytest.raises(InvalidFrame, match="64 bytes or more of its compressed pixels are all 0x00"):
        load(data[:at] + bytes(100) + data[at + 100 :])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2), st.binary(max_size=60))
def test_a_malformed_table_of_items_ends(version: int, body: bytes) -> None:
    """Its counts are of 32 bits: a loop over them would not end."""
    table = bytes((version, 0, 0, 0)) + body
    items = struct.pack(">4xHI4s4xH2x4s", 1, 22, b"infe", 1, b"av01").replace(b"infe\0", b"infe\2", 1)
    inner = b"".join(
        struct.pack(">I4s", len(part) + 8, kind) + part for kind, part in ((b"iloc", table), (b"iinf", items))
    )
    data = struct.pack(">I4s4x", len(inner) + 12, b"meta") + inner
    began = time.monotonic()
    assert len(coded_extents(data)) <= len(body)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("size", [(800, 600), (2000, 1500), (6000, 4000)])
@pytest.mark.parametrize("half", [False, True])
def test_a_flat_webp_is_whole(size: tuple[int, int], half: bool) -> None:
    """Flat gray is what a coder writes zeros for."""
    image = Image.new("RGB", size, (128, 128, 128))
    if half:
        image.paste(grain(size[0] // 2 // 4 * 4, size[1] // 4 * 4), (0, 0))
    assert load(encoded(image, "WEBP", quality=0, method=0)).size == size


def test_a_fax_with_bad_codes_is_refused() -> None:
    data = bytearray(encoded(photo().convert("1"), "TIFF", compression="group4"))
    start = len(data) // 2
    data[start : start + 200] = random.Random(1).randbytes(200)
    with pytest.raises(InvalidFrame, match="FFmpeg stops"):
        load(bytes(data))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(1, 255), st.sampled_from(["baseline", "progressive"]))
def test_a_changed_byte_of_a_jpeg_raises_no_other_error(place: int, change: int, kind: str) -> None:
    """Asserts the right size, and no error but ours: a change may fit the code."""
    data = bytearray(encoded(grain(), "JPEG", quality=90, **JPEG_KINDS[kind]))
    first = data.index(b"\xff\xda") + 14
    data[first + place % (len(data) - first - 2)] ^= change
    try:
        size = load(bytes(data)).size
    except InvalidFrame:
        return
    assert size == (480, 320)


def test_of_changed_bytes_that_spoil_the_picture_most_are_refused() -> None:
    data, chance = encoded(grain(800, 600), "JPEG", quality=90), random.Random(5)
    small = opened(data).resize((60, 40))
    first, spoiled, refused = data.index(b"\xff\xda") + 14, 0, 0
    for _ in range(150):
        changed = bytearray(data)
        changed[chance.randrange(first, len(data) - 2)] ^= chance.randrange(1, 256)
        try:
            found = opened(bytes(changed)).convert("RGB").resize((60, 40))
        except OSError:
            continue  # Pillow itself refuses it
        if sum(ImageStat.Stat(ImageChops.difference(found, small)).mean) / 3 < 8:
            continue
        spoiled += 1
        try:
            load(bytes(changed))
        except InvalidFrame:
            refused += 1
    assert spoiled > 20
    assert refused / spoiled > 0.75


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_changed_byte_of_a_png_is_never_seen(place: int, change: int) -> None:
    whole = photo(60, 50)
    data = bytearray(encoded(whole))
    data[8 + place % (len(data) - 8)] ^= change
    try:
        image = load(bytes(data))
    except InvalidFrame:
        return
    assert image.convert("RGB").tobytes() == whole.tobytes()


# Good files of every encoder at hand, and flaws that leave every pixel there.


def good_jpegs() -> Iterator[tuple[str, bytes]]:
    images = {
        **{name: make() for name, make in PICTURES.items()},
        "odd": grain(37 * 4, 53 * 4).crop((0, 0, 37, 53)),
    }
    images |= {"flat": Image.new("RGB", (300, 200), "white"), "black": Image.new("RGB", (300, 200))}
    images |= {"tiny": Image.new("RGB", (1, 1), "red"), "wide": grain(900, 12)}
    for name, image in images.items():
        for mode, progressive, optimize, quality in itertools.product(
            ("RGB", "L", "CMYK"), (False, True), (False, True), (10, 75, 100)
        ):
            settings_ = {"progressive": progressive, "optimize": optimize, "quality": quality}
            yield f"{name} {mode} {settings_}", encoded(image.convert(mode), "JPEG", **settings_)
        for sampling, restart in itertools.product(("4:4:4", "4:2:2", "4:2:0"), (0, 1, 7)):
            settings_ = {"subsampling": sampling, "restart_marker_blocks": restart}
            yield f"{name} {settings_}", encoded(image, "JPEG", **settings_)
        for pixels in ("yuvj420p", "yuvj422p", "yuvj444p"):
            yield f"{name} FFmpeg {pixels}", ffmpeg_jpeg(image, pixels)


def ffmpeg_jpeg(image: Image.Image, pixels: str) -> bytes:
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height = image.size
    codec.pix_fmt, codec.time_base = pixels, Fraction(1, 25)
    frame = av.VideoFrame.from_image(image).reformat(format=pixels)
    return bytes([*codec.encode(frame), *codec.encode(None)][0])


FLAWS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "zeros after it": lambda data: data + bytes(3000),
    "another file after it": lambda data: data + data,
    "fill bytes": lambda data: data[:2] + b"\xff\xff" + data[2:],
    "padding before the end marker": lambda data: data[:-2] + bytes(200) + END,
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_no_good_jpeg_is_called_damaged(flaw: str, caplog: pytest.LogCaptureFixture) -> None:
    """Asserts that none of about 400 files is refused, nor warned of."""
    for _name, data in good_jpegs():
        if flaw.startswith("padding") and b"\xff\xc2" in data:
            continue  # zeros within the last pass of a progressive file can be lost data
        if flaw.startswith("padding") and data[-3:-2] in (b"\0", b"\xff"):
            continue  # zeros that end a flat picture's own data can't be told from padding
        load(FLAWS[flaw](data), 0.1)
    assert caplog.text == ""


def test_a_jpeg_without_its_end_marker_is_accepted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    for name, data in good_jpegs():
        caplog.clear()
        load(data[:-2], 0.1)
        assert caplog.text.count("The end marker of the JPEG file is missing") == 1, name


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_no_good_file_of_another_format_is_called_damaged(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    images = [make() for make in PICTURES.values()]
    images += [Image.new("RGB", (300, 200), color) for color in ("white", "black", (17, 200, 90))]
    images += [noise(200, 100), quarters(400, 300), grain(900, 12)]
    for image in images:
        assert load(file_of(kind, image)).size == image.size
    assert caplog.text == ""


def test_interlaced_palettes_and_animations_are_good() -> None:
    frames = [photo(100, 80).quantize(16), grain(100, 80).quantize(16)]
    for data in (
        encoded(frames[0], "GIF", interlace=True),
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        encoded(photo(100, 80), "WEBP", save_all=True, append_images=[grain(100, 80)]),
        encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        encoded(photo(100, 80), "PNG", compress_level=0),
    ):
        assert load(data).size == (100, 80)


def test_a_png_with_a_damaged_comment_is_accepted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    broken = bytearray(chunk(b"tEXt", b"Comment\0hello"))
    broken[-1] ^= 1
    assert load(png(photo(), bytes(broken))).tobytes() == photo().tobytes()
    assert "The tEXt chunk of the PNG file is damaged; it is left out." in caplog.text


@pytest.mark.parametrize("lost", [1, 8, 12])
def test_a_png_without_its_end_is_accepted_and_said(lost: int, caplog: pytest.LogCaptureFixture) -> None:
    assert load(encoded(photo())[:-lost]).tobytes() == photo().tobytes()
    assert "The end marker of the PNG file is missing." in caplog.text


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_a_png_with_a_megabyte_of_text(kind: str) -> None:
    info = PngInfo()
    if kind == "iTXt":
        info.add_itxt("workflow", "x" * 1_200_000, zip=True)
    else:
        info.add_text("workflow", "x" * 1_200_000, zip=kind == "zTXt")
    buffer = io.BytesIO()
    photo().save(buffer, "PNG", pnginfo=info)
    assert load(buffer.getvalue()).tobytes() == photo().tobytes()
    assert check_frame(buffer.getvalue()).width == 500


def test_a_png_whose_pixels_end_early_is_refused() -> None:
    """All checksums are right: the encoder itself stopped."""
    data = encoded(photo())
    head, pixels = data[:33], data[41 : 41 + int.from_bytes(data[33:37], "big")]
    with pytest.raises(InvalidFrame, match="can't be decoded"):
        load(head + chunk(b"IDAT", pixels[: len(pixels) // 2]) + chunk(b"IEND", b""))


def test_a_strip_that_is_not_in_the_file_is_refused() -> None:
    tags, pixels = page(photo())
    with pytest.raises(InvalidFrame, match="can't be"):
        load(tiff((tags, pixels[: len(pixels) // 2])))
