"""Cross-fades: the end of one clip turning into the begin of the next, in pictures and in sound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from kling_airflow.media.film.graph import Pipe, pulled, row
from kling_airflow.media.film.picture_filters import Look
from kling_airflow.media.film.samples import RATE, SOURCE, WIDTH, to_bytes, to_frames

if TYPE_CHECKING:
    from av.filter.context import FilterContext
    from av.video.frame import VideoFrame

TRANSITIONS = (
    "fade",
    "fadeblack",
    "fadewhite",
    "dissolve",
    "wipeleft",
    "wiperight",
    "slideleft",
    "slideright",
    "smoothleft",
    "smoothright",
    "circleopen",
    "circleclose",
)
"""The transitions of FFmpeg's ``xfade`` that a film may use."""


class PictureFades:
    """Joins the pictures of clips, in constant memory: only the pictures of one transition are held.

    :param look: of the film.
    :param transition: one of ``TRANSITIONS``.
    :param length: pictures that a transition takes; 0 for cuts.
    """

    def __init__(self, look: Look, transition: str, length: int) -> None:
        self.look, self.transition, self.length = look, transition, length
        self._tail: deque[VideoFrame] = deque()

    def clip(self, pictures: Iterator[VideoFrame], counted: Callable[[int], None]) -> Iterator[VideoFrame]:
        """Yield the pictures that are final once a clip is read; its last ones are held for the next.

        :param counted: is told how many pictures the clip has.
        """
        count = 0
        if self._tail:
            head = list(islice(pictures, self.length))
            count = len(head)
            yield from self._mixed(list(self._tail), head)
            self._tail.clear()
        for picture in pictures:
            count += 1
            self._tail.append(picture)
            if len(self._tail) > self.length:
                yield self._tail.popleft()
        counted(count)

    def rest(self) -> Iterator[VideoFrame]:
        """Yield what is held when the last clip has been read."""
        while self._tail:
            yield self._tail.popleft()

    def _mixed(self, before: list[VideoFrame], after: list[VideoFrame]) -> Iterator[VideoFrame]:
        from av.filter import Graph

        graph, look = Graph(), self.look
        base = Fraction(1) / look.rate
        source = (
            f"video_size={look.width}x{look.height}:pix_fmt=yuv420p:time_base={base}:pixel_aspect=1/1"
            f":frame_rate={look.rate}"
        )
        seconds = float(self.length * base)
        first, second = graph.add("buffer", source), graph.add("buffer", source)
        fade = graph.add("xfade", f"transition={self.transition}:duration={seconds:.6f}:offset=0")
        first.link_to(fade, 0, 0)
        second.link_to(fade, 0, 1)
        pipe = Pipe.closed(graph, first, fade)
        yield from islice(_two(pipe, second, before, after, base), self.length)


def _two(
    pipe: Pipe, second: FilterContext, before: list[VideoFrame], after: list[VideoFrame], base: Fraction
) -> Iterator[VideoFrame]:
    """Send two rows of pictures through a graph with two inputs, side by side."""
    for position, (old, new) in enumerate(zip(before, after, strict=True)):
        for begin, picture in ((pipe.begin, old), (second, new)):
            picture.pts = position
            picture.time_base = base
            begin.push(picture)
        yield from pulled(pipe.end)
    for begin in (pipe.begin, second):
        begin.push(None)
    yield from pulled(pipe.end)


class SoundFades:
    """Joins the sound of clips; only the samples of one transition are held."""

    def __init__(self) -> None:
        self._tail = b""

    def clip(self, parts: Iterable[bytes], held: int) -> Iterator[bytes]:
        """Yield the samples that are final once a clip is read.

        :param parts: the clip's sound, exactly as long as its pictures.
        :param held: samples of its end that the next clip's begin is mixed with; 0 for none.
        """
        buffer = bytearray()
        need = len(self._tail)
        mixed = not need
        for data in parts:
            buffer += data
            if not mixed and len(buffer) >= need:
                yield crossfaded(self._tail, bytes(buffer[:need]))
                del buffer[:need]
                mixed = True
            ready = len(buffer) - held * WIDTH
            if mixed and ready > 0:
                yield bytes(buffer[:ready])
                del buffer[:ready]
        self._tail = bytes(buffer)
        if not held:
            yield self._tail
            self._tail = b""


def crossfaded(before: bytes, after: bytes) -> bytes:
    """Return the mix of two equally long sounds, the first fading out while the second fades in."""
    from av.filter import Graph

    samples = len(before) // WIDTH
    graph = Graph()
    first, second = graph.add("abuffer", SOURCE), graph.add("abuffer", SOURCE)
    fade = graph.add("acrossfade", f"nb_samples={samples}:curve1=tri:curve2=tri")
    first.link_to(fade, 0, 0)
    second.link_to(fade, 0, 1)
    pipe = Pipe.closed(graph, first, row(graph, fade, [("aformat", "sample_fmts=flt")]), "abuffersink")
    made = bytearray()
    for begin, data in ((pipe.begin, before), (second, after)):
        for frame in to_frames([data]):
            begin.push(frame)
            made += b"".join(to_bytes(each) for each in pulled(pipe.end))
        begin.push(None)
    made += b"".join(to_bytes(each) for each in pulled(pipe.end))
    return bytes(made[: len(before)].ljust(len(before), b"\0"))


def samples_at(position: int, rate: Fraction) -> int:
    """Return how many samples have passed when so many pictures have been shown."""
    return round(position * RATE / rate)
