"""Decodes a JPEG strictly: a file that lost a part of its pixels is refused, not filled with gray.

libjpeg, which Pillow uses, fills missing data with gray and skips surplus data without a word. Two checks
find both:

- Of a picture that is coded in one pass, Pillow gets the data in portions. A whole picture needs the last
  bytes of its data, and nothing after them. This costs nothing.
- FFmpeg decodes the file as well, in a thread, with ``err_detect=explode``: it stops at the first code that
  no encoder writes. For pictures in several passes, it is the only check.
"""

from __future__ import annotations

import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.jpeg_structure import JpegStructure, damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

END_MARKER = b"\xff\xd9"
_TAIL = 8  # bytes at the end of the data that a whole picture always needs
_FILLER = bytes(16)  # read ahead by the decoder after the last byte, but never needed
_RUN = 64  # bytes: a run of zeros of this length at the end may be padding or lost data
_LARGEST_TWICE = 32_000_000  # bytes: FFmpeg copies the file twice, so larger ones are checked by Pillow only
_FFMPEG_PIXELS = 250_000_000  # FFmpeg refuses larger pictures


class JpegStream(io.RawIOBase):
    """A JPEG file in portions that end where the checks need to know whether the decoder reads on.

    :param data: the whole file.
    :param structure: what ``read_structure`` found in it.
    """

    def __init__(self, data: bytes, structure: JpegStructure) -> None:
        super().__init__()
        self._structure = structure
        self._furthest = 0
        self._at = 0
        end = structure.end
        head = memoryview(data)[:end]
        if not structure.is_single_scan:
            self._pieces = [head, memoryview(END_MARKER)]
            return
        begin = structure.scans[0].begin
        run = _trailing_run(data, begin, end)
        # The decoder reads a few bytes ahead: hence some bytes of the run belong to what is before it.
        cuts = [end - run - _TAIL, end - run + len(_FILLER), end - _TAIL] if run else [end - _TAIL]
        cuts = [max(begin, cut) for cut in cuts]
        edges = [0, *cuts, end]
        self._pieces = [head[a:b] for a, b in itertools.pairwise(edges)]
        self._pieces += [memoryview(_FILLER), memoryview(END_MARKER)]

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes of one portion only; none at the end."""
        offset = self._at
        for number, piece in enumerate(self._pieces):
            if offset < len(piece):
                self._furthest = max(self._furthest, number)
                stop = len(piece) if size is None or size < 0 else offset + size
                part = bytes(piece[offset:stop])
                self._at += len(part)
                return part
            offset -= len(piece)
        self._furthest = len(self._pieces)
        return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(map(len, self._pieces))}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def check(self) -> None:
        """Refuse the picture if the decoder read too little or too much of its data.

        :raises InvalidFrame: if data are missing or left over.
        """
        if not self._structure.is_single_scan:
            return
        last = len(self._pieces) - 3  # the piece before the filler
        if self._furthest > last + 1:
            raise damaged("a part of its pixels is missing")
        if self._furthest not in (1, last, last + 1):
            raise damaged("data are left over after its last row, so that a part shows wrong pixels")


def _trailing_run(data: bytes, begin: int, end: int) -> int:
    """Return the length of the run of equal bytes, 0x00 or 0xFF, that ends the data; 0 if it is short."""
    tail = data[begin:end]
    length = max(len(tail) - len(tail.rstrip(byte)) for byte in (b"\0", b"\xff"))
    return length if length >= _RUN else 0


@contextmanager
def checked_by_ffmpeg(data: bytes, structure: JpegStructure) -> Iterator[None]:
    """Decode the file with FFmpeg while the body decodes it with Pillow.

    :raises InvalidFrame: if FFmpeg finds damage.
    """
    if not structure.is_usual or structure.width * structure.height > _FFMPEG_PIXELS:
        yield
        return
    if not structure.is_single_scan:
        # Each decoder needs memory for the whole picture: one after the other.
        _check_passes(data, structure)
        yield
        return
    if len(data) > _LARGEST_TWICE:
        yield
        return
    with ThreadPoolExecutor(1, "jpeg-check") as pool:
        outcome = pool.submit(_check_with_ffmpeg, data, structure)
        yield
        outcome.result()


def _check_passes(data: bytes, structure: JpegStructure) -> None:
    """Check a picture of several passes, and that zeros at its end are not what replaced lost data."""
    _check_with_ffmpeg(data, structure)
    last = structure.scans[-1]
    run = _trailing_run(data, last.begin, last.end)
    if (
        run
        and _decodes(data[: last.end - run // 2] + END_MARKER)
        and not _decodes(data[: last.end - run] + END_MARKER)
    ):
        raise damaged("a part of its data was replaced by zeros")


def _check_with_ffmpeg(data: bytes, structure: JpegStructure) -> None:
    _decode(data if structure.has_end else data[: structure.end] + END_MARKER)


def _decodes(data: bytes) -> bool:
    try:
        _decode(data)
    except InvalidFrame:
        return False
    return True


def _decode(data: bytes) -> None:
    """Decode a JPEG at an eighth of its size; raise for the first error that FFmpeg finds."""
    import av

    codec = av.CodecContext.create("mjpeg", "r")
    codec.options = {"err_detect": "explode", "lowres": "3"}
    try:
        frames = [*codec.decode(av.Packet(data)), *codec.decode(None)]
    except av.error.PatchWelcomeError:
        return  # a kind of JPEG that FFmpeg doesn't read
    except av.error.FFmpegError as error:
        raise damaged("FFmpeg stops at an error in its data") from error
    if not frames:
        raise damaged("FFmpeg finds no picture in it")
