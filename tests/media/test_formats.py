"""What is read, what is not and how it is named, and what decoding needs in memory."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys

import pytest
from PIL import Image

from kling_airflow.errors import InvalidFrame
from kling_airflow.media import FrameOptions, prepare_frame
from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.files import page, tiff
from tests.media.pictures import BLUE, GREEN, RED, WHITE, corners, encoded, near, quarters
from tests.media.test_file_type import box

READ: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 95}),
    "JPEG, progressive": ("JPEG", {"quality": 95, "progressive": True}),
    "MPO": ("MPO", {"quality": 95}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
    "TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "BigTIFF": ("TIFF", {"big_tiff": True}),
    "BMP": ("BMP", {}),
    "AVIF": ("AVIF", {"quality": 95}),
    "JPEG 2000": ("JPEG2000", {}),
    "PPM": ("PPM", {}),
    "HEIC": ("HEIF", {"quality": 95}),
}
"""The formats that are read; the page on pictures shows this table."""

FLOATS = page(Image.new("RGB", (400, 300)), t258=(3, [32] * 3), t339=(3, [3] * 3))

NAMED: dict[str, tuple[bytes, str, str]] = {
    "HTML page": (b"<!DOCTYPE html><html><title>Sign in</title>", "an HTML page that begins with", "browser"),
    "XML error of a store": (
        b"<Error><Code>ExpiredToken</Code></Error>",
        "an XML document.*ExpiredToken",
        "store",
    ),
    "JSON": (b'{"error": "expired"}', "a JSON document.*expired", "service"),
    "Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    "DVC pointer": (b"outs:\n- md5: a3\n  path: a.jpg\n", "a DVC pointer", "dvc pull"),
    "git-annex pointer": (b"/annex/objects/SHA256E-s12--ab.jpg\n", "a git-annex pointer", "git annex get"),
    "shortcut or link": (b"L\0\0\0\x01\x14\x02\0" + bytes(70), "a Windows shortcut", "refers to"),
    "icon": (b"\0\0\1\0\1\0" + bytes(60), r"an icon \(ICO\)", "PNG"),
    "cursor": (b"\0\0\2\0\1\0" + bytes(60), r"a cursor \(CUR\)", "PNG"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing", "PNG"),
    "PDF": (b"%PDF-1.7\n", "a PDF document", "PNG"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document", "PNG"),
    "PSD": (b"8BPS\0\1" + bytes(99), r"a Photoshop \(PSD\) picture", "PNG"),
    "JPEG XL": (b"\xff\x0a" + os.urandom(99), "a JPEG XL picture", "PNG"),
    "camera's raw file": (b"II*\0\x10\0\0\0CR\x02\0", "a raw picture of a camera", "raw converter"),
    "gzip": (gzip.compress(encoded(quarters(400, 300))), "gzip data", "Unpack"),
    "ZIP": (b"PK\x03\x04\x14\0", "a ZIP archive", "Unpack"),
    "MP4": (box(b"isom", b"avc1"), "an MP4 video", "save one of the video's frames"),
    "no bytes": (b"", "an empty file", "Store the file again"),
    "zeros only": (bytes(5000), "a file of zero bytes only", "Store the file again"),
    "float TIFF in color": (
        tiff(FLOATS),
        "a TIFF picture of 32-bit floating-point samples",
        "8 bits a channel",
    ),
}
"""What is named, with the words and the advice; the page on pictures shows this table."""


@pytest.mark.parametrize("name", READ)
def test_each_format_becomes_a_frame(name: str) -> None:
    kind, options = READ[name]
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="the extra `heif` is not installed").register_heif_opener()
    data = encoded(quarters(1280, 720), kind, **options)
    frame = prepare_frame(data, FrameOptions(format="png"))
    with Image.open(io.BytesIO(frame.data)) as image:
        assert image.size == (1280, 720)
        assert all(near(a, b, 12) for a, b in zip(corners(image), [RED, GREEN, BLUE, WHITE], strict=True))


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_read_is_named_with_what_to_do(name: str) -> None:
    data, words, todo = NAMED[name]
    with pytest.raises(InvalidFrame, match=words) as error:
        open_picture(data, max_pixels=MAX_PIXELS)
    assert todo in error.value.todo
    assert len(str(error.value)) < 700


def test_heic_without_the_extra_says_how_to_read_it() -> None:
    """Run in a process in which pillow-heif can't be imported."""
    code = (
        "import sys\n"
        "sys.modules['pillow_heif'] = None\n"
        "from kling_airflow.media import prepare_frame\n"
        "try:\n"
        "    prepare_frame(sys.stdin.buffer.read())\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    data = box(b"heic", b"mif1", b"heic") + bytes(100)
    result = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=True, timeout=60
    )
    said = result.stdout.decode()
    assert "InvalidFrame The source is a HEIC picture, which needs pillow-heif." in said
    assert "Install the extra `kling_airflow[heif]`" in said


PEAK = (
    "import sys\n"
    "from PIL import Image\n"
    "from kling_airflow.media.frame import prepare_frame\n"
    "Image.init()\n"
    "data = sys.stdin.buffer.read()\n"
    "def peak():\n"
    "    lines = open('/proc/self/status').read().splitlines()\n"
    "    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 1024\n"
    "before = peak()\n"
    "info = prepare_frame(data).info\n"
    "print(info.width, info.height, peak() - before)\n"
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_jpeg_of_200_megapixels_becomes_a_frame_in_150_mb() -> None:
    data = encoded(quarters(16320, 12240), "JPEG", quality=85)
    result = subprocess.run(
        [sys.executable, "-c", PEAK], input=data, capture_output=True, check=True, timeout=240
    )
    width, height, megabytes = result.stdout.split()
    assert (int(width), int(height)) == (1280, 720)
    assert float(megabytes) < 150


def test_a_large_progressive_jpeg_is_judged_by_the_memory_of_its_passes() -> None:
    data = encoded(quarters(1600, 1200), "JPEG", progressive=True)
    needed = 1600 * 1200  # coefficients of 4:2:0 take two bytes each, as many as the pixels of RGB
    with pytest.raises(
        InvalidFrame, match=rf"1600 x 1200 px, .*the limit is {needed - 1:,} \(`max_pixels`\)"
    ):
        prepare_frame(data, FrameOptions(max_pixels=needed - 1))
    assert prepare_frame(data, FrameOptions(max_pixels=needed)).info.width == 1280


def test_a_large_baseline_jpeg_is_judged_by_the_size_it_is_decoded_at() -> None:
    data = encoded(quarters(6000, 4000), "JPEG")
    with pytest.raises(InvalidFrame, match="6000 x 4000 px, 24,000,000 pixels, of which decoding needs"):
        prepare_frame(data, FrameOptions(max_pixels=5_999_999))
    assert prepare_frame(data, FrameOptions(max_pixels=6_000_000)).info.width == 1280


def test_a_jpeg_whose_header_promises_too_much_is_refused() -> None:
    data = bytearray(encoded(quarters(400, 300), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65500, 65500)
    with pytest.raises(InvalidFrame, match=r"can't be decoded|`max_pixels`"):
        prepare_frame(bytes(data))
