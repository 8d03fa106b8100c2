"""What the index of an MP4 file says of its tracks, read without FFmpeg: whether two files are alike.

FFmpeg decodes pictures whenever it opens a file (20 ms for 1280 x 720). Twenty clips of one encoder have the
same tracks, so that it is enough to open one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_INDEX = 16 << 20
_MOST_BOXES = 10_000
_BIT_RATES = re.compile(rb"(btrt).{12}", re.DOTALL)
# The decoder's configuration (tag 4) in a descriptor of sound: buffer, largest and mean bit rate.
_SOUND_RATES = re.compile(rb"(esds.{4,24}?\x04(?:\x80{3})?.{3}).{11}(?=\x05)", re.DOTALL)


@dataclass(frozen=True)
class TrackIndex:
    """The tracks of a file, as its index has them.

    :param alike: equal for two files whose tracks differ in nothing but their length.
    :param seconds: of the video track.
    """

    alike: tuple[Any, ...]
    seconds: float


def read_index(path: Path) -> TrackIndex | None:
    """Return what a file's index says; None if it says too little, or is not of the plain kind."""
    try:
        with path.open("rb") as file:
            index = _moov(file, path.stat().st_size)
        return None if index is None else _read(index)
    except (OSError, IndexError, ValueError, KeyError, ZeroDivisionError):
        return None


def _moov(file: Any, size: int) -> bytes | None:
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return None
        length, inner = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, inner = int.from_bytes(head[8:16], "big"), 16
        if head[4:8] == b"moov" and inner < length <= min(_MOST_INDEX, size - at):
            file.seek(at + inner)
            return bytes(file.read(length - inner))
        if length < inner:
            return None
        at += length
    return None


def _read(moov: bytes) -> TrackIndex | None:
    boxes = _boxes(moov)
    if any(kind == b"mvex" for kind, _ in boxes):
        return None  # fragmented: the index names only a part of it
    alike: list[Any] = [_movie_scale(boxes)]
    seconds = 0.0
    for kind, content in boxes:
        if kind != b"trak":
            continue
        track = dict(_boxes(content))
        media = dict(_boxes(track[b"mdia"]))
        table = dict(_boxes(dict(_boxes(media[b"minf"]))[b"stbl"]))
        scale, length = _media_times(media[b"mdhd"])
        handler = media[b"hdlr"][8:12]
        alike.append((handler, _shape(track[b"tkhd"]), _edit(track), scale, _without_rates(table[b"stsd"])))
        if handler == b"vide":
            rates = table[b"stts"]
            if int.from_bytes(rates[4:8], "big") != 1:
                return None  # a varying rate: only FFmpeg can say what it is
            alike.append(rates[12:16])
            seconds = length / scale
    return TrackIndex(tuple(alike), seconds) if seconds else None


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    return list(_each_box(data))


def _each_box(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        if length < 8:
            raise ValueError("a box of no length")
        yield data[at + 4 : at + 8], data[at + 8 : at + length]
        at += length


def _without_rates(description: bytes) -> bytes:
    """Return a track's description without its bit rates, which differ from clip to clip of one encoder."""
    plain = _BIT_RATES.sub(lambda found: found[1] + bytes(12), description)
    return _SOUND_RATES.sub(lambda found: found[1] + bytes(11), plain)


def _movie_scale(boxes: list[tuple[bytes, bytes]]) -> bytes:
    header = dict(boxes)[b"mvhd"]
    return header[20:24] if header[0] == 1 else header[12:16]


def _media_times(header: bytes) -> tuple[int, int]:
    """Return a track's ticks a second, and its length in ticks."""
    if header[0] == 1:
        return int.from_bytes(header[20:24], "big"), int.from_bytes(header[24:32], "big")
    return int.from_bytes(header[12:16], "big"), int.from_bytes(header[16:20], "big")


def _shape(header: bytes) -> bytes:
    """Return a track's matrix, width and height."""
    at = 52 if header[0] == 1 else 40
    return header[at : at + 44]


def _edit(track: dict[bytes, bytes]) -> tuple[Any, ...]:
    """Return where a track's one edit begins; a list of several is of no plain kind."""
    if b"edts" not in track:
        return ()
    entries = dict(_boxes(track[b"edts"]))[b"elst"]
    if int.from_bytes(entries[4:8], "big") != 1:
        raise ValueError("several edits")
    return tuple(entries[16:24]) if entries[0] == 1 else tuple(entries[12:16])
