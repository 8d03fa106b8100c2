"""Contact sheets: the right pictures, in the right places, under the right times."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.film.contact_sheet import SheetTake, contact_sheet, time_code
from tests.media.movies import write_clip
from tests.media.pictures import near

GAP, TITLE = 8, 26


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("sheet") / "x.mp4", frames=49, size=(160, 90))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_a_row_for_each_take(clip: Path) -> None:
    takes = [SheetTake(path=clip, title=f"take {number}") for number in (1, 2)]
    sheet = opened(contact_sheet(takes, columns=3, width=160, format="png"))
    assert sheet.size == (GAP + 3 * (160 + GAP), 2 * (TITLE + 90 + GAP) + GAP)
    for row in (0, 1):
        top = GAP // 2 + TITLE + row * (TITLE + 90 + GAP)
        colors = [sheet.getpixel((GAP + column * 168 + 100, top + 30)) for column in range(3)]
        for color, wanted in zip(colors, [(240, 40, 10), (125, 40, 125), (10, 40, 240)], strict=True):
            assert near(color, wanted, 30), (row, colors)


def test_several_rows_for_one_take(clip: Path) -> None:
    sheet = opened(contact_sheet([SheetTake(path=clip, title="x")], columns=2, rows=3, width=80))
    assert sheet.size == (GAP + 2 * 88, GAP + TITLE + 3 * (45 + GAP))


def test_title_note_and_time_codes_are_written(clip: Path) -> None:
    plain, noted = (
        opened(contact_sheet([SheetTake(path=clip, title=title, note=note)], width=200, format="png"))
        for title, note in (("", ""), ("A very long title " * 20, "Silent."))
    )
    head = (0, 0, plain.width, TITLE)
    assert plain.crop(head).tobytes() != noted.crop(head).tobytes()
    assert (
        plain.crop((0, TITLE + 4, *plain.size)).tobytes() == noted.crop((0, TITLE + 4, *plain.size)).tobytes()
    )
    stamp = plain.crop((GAP + 3, GAP // 2 + TITLE + 90, GAP + 50, GAP // 2 + TITLE + 112))
    assert stamp.convert("L").getextrema()[1] > 200  # letters on a dark plate


def test_the_same_takes_give_the_same_sheet(clip: Path) -> None:
    first, second = (contact_sheet([SheetTake(path=clip, title="x")]) for _ in range(2))
    assert first == second
    assert first[:2] == b"\xff\xd8"


def test_a_take_of_one_picture(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mp4", frames=1, size=(64, 36))
    assert opened(contact_sheet([SheetTake(path=path, title="x")], columns=4)).width == GAP + 4 * (256 + GAP)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.00"), (2.504, "0:02.50"), (61.999, "1:02.00"), (600, "10:00.00")]
)
def test_time_codes(seconds: float, text: str) -> None:
    assert time_code(seconds) == text


@pytest.mark.parametrize(
    "options", [{"columns": 0}, {"rows": 0}, {"columns": 401}, {"format": "bmp"}, {"takes": []}]
)
def test_what_is_refused(clip: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        contact_sheet(**({"takes": [SheetTake(path=clip, title="x")]} | options))


def test_a_take_that_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"<html>")
    with pytest.raises(InvalidClip):
        contact_sheet([SheetTake(path=path, title="x")])
