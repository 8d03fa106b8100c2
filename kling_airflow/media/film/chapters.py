"""Chapters written into a finished MP4 file, for PyAV below 16, whose containers take none.

They are a ``chpl`` box in the user data of the film's index, as FFmpeg writes and reads it (``movenc.c``,
``mov.c`` of FFmpeg 7), and with it mpv, VLC and most players. Newer PyAV adds a text track for QuickTime.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

MOST: Final = 255
"""Chapters that the box can hold."""
_TICKS: Final = 10_000_000  # a second
_LONGEST_TITLE: Final = 255  # bytes
_BLOCK: Final = 1 << 20
_PATH_TO_OFFSETS: Final = (b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS: Final = {b"stco": 4, b"co64": 8}
"""Boxes with the places of the packets in the file, and the bytes of each place."""


@dataclass(frozen=True)
class _Box:
    """A box of a file: where it begins and ends, and how many bytes its head has."""

    kind: bytes
    begin: int
    end: int
    head: int


def write_chapters(path: Path, chapters: Sequence[tuple[float, str]]) -> None:
    """Write chapters into a film; its pictures and sound stay as they are.

    :param path: of an MP4 file with one index; replaced when all is written.
    :param chapters: the begin of each in seconds, and its title; those beyond ``MOST`` are left out.
    :raises ValueError: the file has no index.
    """
    target = path.with_suffix(".chapters.mp4")
    try:
        with path.open("rb") as source, target.open("wb") as sink:
            boxes = list(_boxes(source, path.stat().st_size))
            index = next((box for box in boxes if box.kind == b"moov"), None)
            if index is None:
                raise ValueError("the file has no index")
            moov = _read(source, index)
            grown = _with_box(moov, _chpl(chapters[:MOST]))
            media = [box.begin for box in boxes if box.kind == b"mdat"]
            if any(begin > index.begin for begin in media):
                grown = _moved(grown, len(grown) - len(moov))
            _copy(source, sink, 0, index.begin)
            sink.write((len(grown) + 8).to_bytes(4, "big") + b"moov" + grown)
            _copy(source, sink, index.end, path.stat().st_size)
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)


def _chpl(chapters: Sequence[tuple[float, str]]) -> bytes:
    content = bytes([1, 0, 0, 0]) + bytes(4) + bytes([len(chapters)])
    for begin, title in chapters:
        text = title.encode()[:_LONGEST_TITLE].decode(errors="ignore").encode()
        content += round(begin * _TICKS).to_bytes(8, "big") + bytes([len(text)]) + text
    return _boxed(b"chpl", content)


def _with_box(moov: bytes, box: bytes) -> bytes:
    """Return the index with a box in its user data."""
    made, is_in = b"", False
    for kind, content in _children(moov):
        if kind == b"udta" and not is_in:
            content, is_in = content + box, True
        made += _boxed(kind, content)
    return made if is_in else made + _boxed(b"udta", box)


def _moved(content: bytes, by: int, level: int = 0) -> bytes:
    """Return the index for packets that lie so many bytes later in the file."""
    made = b""
    for kind, inner in _children(content):
        if level < len(_PATH_TO_OFFSETS) and kind == _PATH_TO_OFFSETS[level]:
            inner = _moved(inner, by, level + 1)
        elif level == len(_PATH_TO_OFFSETS) and kind in _OFFSETS:
            inner = _shifted(inner, by, _OFFSETS[kind])
        made += _boxed(kind, inner)
    return made


def _shifted(table: bytes, by: int, width: int) -> bytes:
    places = (int.from_bytes(table[at : at + width], "big") for at in range(8, len(table), width))
    return table[:8] + b"".join((place + by).to_bytes(width, "big") for place in places)


def _children(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big") or len(content) - at
        if length < 8:
            raise ValueError("the index is damaged")
        yield content[at + 4 : at + 8], content[at + 8 : at + length]
        at += length


def _boxed(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def _boxes(file: BinaryIO, size: int) -> Iterator[_Box]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        start = file.read(16)
        length, head = int.from_bytes(start[:4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(start[8:16], "big"), 16
        length = length or size - at
        if length < head:
            raise ValueError("the file is damaged")
        yield _Box(start[4:8], at, at + length, head)
        at += length


def _read(file: BinaryIO, box: _Box) -> bytes:
    file.seek(box.begin + box.head)
    return file.read(box.end - box.begin - box.head)


def _copy(source: BinaryIO, sink: BinaryIO, begin: int, end: int) -> None:
    source.seek(begin, os.SEEK_SET)
    left = end - begin
    while left > 0 and (block := source.read(min(_BLOCK, left))):
        sink.write(block)
        left -= len(block)
