"""A contact sheet: takes at a glance, a row of pictures for each, with time codes, as one JPEG or PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.film.frames import stills
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

FORMATS = ("jpeg", "png")
MAX_PICTURES = 400
_GAP = 8
_TITLE = 26  # height of the line above a take's pictures
_BACKGROUND, _TEXT, _FAINT, _WARNING = "#111827", "#f9fafb", "#9ca3af", "#fbbf24"
_QUALITY = 85


@dataclass(frozen=True, kw_only=True)
class SheetTake:
    """A take on the sheet.

    :param path: of an MP4 file.
    :param title: what stands above its pictures.
    :param note: what stands after the title, such as a problem; "" for nothing.
    """

    path: Path
    title: str
    note: str = ""


def contact_sheet(
    takes: Sequence[SheetTake],
    *,
    columns: int = 5,
    rows: int = 1,
    width: int = 256,
    format: str = "jpeg",  # noqa: A002
    max_pixels: int = MAX_CLIP_PIXELS,
) -> bytes:
    """Return a grid of pictures, evenly spread over each take: the first and the last are always there.

    :param columns: pictures in a row.
    :param rows: rows for each take.
    :param width: of one picture, pixels.
    :param format: "jpeg" or "png".
    :param max_pixels: of one picture of a take; larger ones are refused.
    :raises InvalidArgument: no take, more than 400 pictures, or another format.
    :raises InvalidClip: a take is no clip.
    """
    if format not in FORMATS:
        raise InvalidArgument(f"`format` is {format!r}; it must be `jpeg` or `png`.")
    if not takes or columns < 1 or rows < 1 or len(takes) * columns * rows > MAX_PICTURES:
        raise InvalidArgument(
            f"A sheet of {len(takes)} takes with {columns} x {rows} pictures each can't be made; it has 1 to"
            f" {MAX_PICTURES} pictures."
        )
    strips = [_strip(take, columns, rows, width, max_pixels) for take in takes]
    return _encoded(_stacked(strips), format)


def time_code(seconds: float) -> str:
    """Return a moment as people read it: "0:02.50"."""
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000}:{hundredths % 6000 // 100:02}.{hundredths % 100:02}"


def _strip(take: SheetTake, columns: int, rows: int, width: int, max_pixels: int) -> Image.Image:
    """Return a take's part of the sheet."""
    from PIL import Image, ImageDraw

    info = check_clip(take.path, on_mismatch="warn", max_pixels=max_pixels)
    height = max(1, round(info.height * width / info.width))
    count = columns * rows
    # The last picture begins before the end: half a picture is taken off.
    last = max(0.0, info.duration_seconds - 0.5 / max(info.fps, 1.0))
    moments = [last * number / max(1, count - 1) for number in range(count)]
    size = (_GAP + columns * (width + _GAP), _TITLE + rows * (height + _GAP))
    strip = Image.new("RGB", size, _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    facts = f"{info.duration_seconds:.2f} s  {info.width}x{info.height}  {info.fps:g} fps"
    _title(draw, size[0], take, facts)
    for number, still in enumerate(stills(take.path, moments, max_pixels=max_pixels)):
        row, column = divmod(number, columns)
        at = (_GAP + column * (width + _GAP), _TITLE + row * (height + _GAP))
        strip.paste(still.image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2), at)
        _stamp(draw, at, height, time_code(still.seconds))
    return strip


def _title(draw: ImageDraw.ImageDraw, width: int, take: SheetTake, facts: str) -> None:
    font, left = _font(15), float(_GAP)
    for text, color in ((take.title, _TEXT), (facts, _FAINT), (take.note, _WARNING)):
        shown = text
        while shown and left + _write(draw, (0, 0), shown, font) > width - _GAP:
            shown = shown[:-2].rstrip() + "…" if len(shown) > 2 else ""
        left += _write(draw, (left, 5), shown, font, color) + 2 * _GAP


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, font: Any, color: str | None = None
) -> float:
    """Write a line, and return its length in pixels; without a color only measure it.

    Word by word: in Pillow's font the blanks of small text are so narrow that words run together.
    """
    left, blank = at[0], max(draw.textlength(" ", font=font), 0.32 * font.size)
    for number, word in enumerate(text.split(" ")):
        left += blank if number else 0
        if color is not None:
            draw.text((left, at[1]), word, fill=color, font=font)
        left += draw.textlength(word, font=font)
    return left - at[0]


def _stamp(draw: ImageDraw.ImageDraw, at: tuple[int, int], height: int, text: str) -> None:
    font = _font(12)
    left, top, right, bottom = draw.textbbox((at[0] + 6, at[1] + height - 19), text, font=font)
    draw.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=_BACKGROUND)
    draw.text((at[0] + 6, at[1] + height - 19), text, fill=_TEXT, font=font)


def _font(size: int) -> Any:
    """Return the font that Pillow brings with it: the sheet is the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _stacked(strips: Sequence[Image.Image]) -> Image.Image:
    from PIL import Image

    size = (max(strip.width for strip in strips), sum(strip.height for strip in strips) + _GAP)
    sheet = Image.new("RGB", size, _BACKGROUND)
    top = _GAP // 2
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet


def _encoded(image: Image.Image, format: str) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": _QUALITY, "optimize": True} if format == "jpeg" else {}
    image.save(buffer, format.upper(), **options)
    return buffer.getvalue()
