"""The tables of the page on pictures, made of the tables of inputs that the tests try.

``python -m tests.docs.pictures_page`` writes them into the page; a test fails if they differ from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.decode import open_picture
from kling_airflow.media.limits import MAX_PIXELS
from tests.media.test_color import CARRIERS as COLORS
from tests.media.test_damage import JPEG_LOSSES
from tests.media.test_formats import NAMED, READ
from tests.media.test_orientation import CARRIERS as ORIENTATIONS

PAGE = Path(__file__).parents[2] / "docs" / "pictures.md"

# What the page adds to a row: how a format is decoded, and the memory that was measured.
FORMATS: dict[str, tuple[str, str]] = {
    "JPEG": (
        "at a half, a quarter or an eighth of its size, if the frame needs no more",
        "24 megapixels: 45 MB, 200 megapixels: 85 MB",
    ),
    "JPEG, progressive": (
        "the same, but the whole picture is held as coefficients",
        "24 megapixels: 85 MB",
    ),
    "MPO": ("its main picture, as JPEG; previews are skipped", "as JPEG"),
    "PNG": ("in full", "24 megapixels: 160 MB"),
    "WebP": ("in full; the first picture of an animation", "24 megapixels: 369 MB"),
    "GIF": ("in full; the first picture of an animation", "24 megapixels: 135 MB"),
    "TIFF": ("in full; previews, reduced copies and masks are skipped", "24 megapixels: 106 MB"),
    "BigTIFF": ("as TIFF", "as TIFF"),
    "BMP": ("in full", "24 megapixels: 112 MB"),
    "AVIF": ("in full", "24 megapixels: 205 MB"),
    "JPEG 2000": ("in full", "24 megapixels: 442 MB"),
    "PPM": ("in full; PGM and PBM as well", "24 megapixels: 112 MB"),
    "HEIC": ("in full, by pillow-heif: `pip install 'kling_airflow[heif]'`", "24 megapixels: 191 MB"),
}
COLOR_NOTES = {
    "PNG, cICP": "counts before all others",
    "PNG, cICP, narrow range": "black at 16, white at 235",
    "JPEG, EXIF": "cameras that say Adobe RGB by EXIF alone",
}
ORIENTATION_NOTES = {
    "PNG, EXIF as text": "as ImageMagick writes it",
    "AVIF": "its own rotation and mirror",
    "HEIC": "its own rotation and mirror",
}


def tables() -> dict[str, str]:
    """Return the table of each section by the section's heading."""
    return {
        "Formats that are read": _table(
            ("format", "decoded", "memory that a frame of it needs"),
            ((name, *FORMATS[name]) for name in READ),
        ),
        "Colors": _table(("carrier", ""), _noted(COLORS, COLOR_NOTES)),
        "Orientation": _table(("carrier", ""), _noted(ORIENTATIONS, ORIENTATION_NOTES)),
        "Damage": _table(("lost", ""), ((name, "refused") for name in JPEG_LOSSES)),
        "What is not read": _table(
            ("file", "the error says what to do"), ((name, _advice(NAMED[name][0])) for name in NAMED)
        ),
    }


def with_tables(page: str) -> str:
    """Return the page with the table of each section made anew."""
    for heading, table in tables().items():

        def made_anew(_: re.Match[str], table: str = table) -> str:
            return table

        before, mark, rest = page.partition(f"## {heading}\n")
        section, following, after = rest.partition("\n## ")
        assert mark, f"the page has no section {heading!r}"
        section = re.sub(r"(?:^\|.*\n)+", made_anew, section, count=1, flags=re.MULTILINE)
        page = before + mark + section + following + after
    return page


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    made = [f"| {' | '.join(line)} |" for line in lines]
    made[1] = made[1].replace(" ", "")
    return "".join(f"{line.replace('|  |', '| |')}\n" for line in made)


def _noted(names: Iterable[str], notes: Mapping[str, str]) -> list[tuple[str, str]]:
    names = list(names)
    assert set(notes) <= set(names), "a note is about a row that the tests don't try"
    return [(name, notes.get(name, "")) for name in names]


def _advice(data: bytes) -> str:
    """What the product itself says of such a file."""
    try:
        open_picture(data, max_pixels=MAX_PIXELS)
    except InvalidFrame as error:
        return error.todo
    raise AssertionError("the file is read")


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
