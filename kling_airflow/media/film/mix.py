"""A film's sound: music under it, quieter while the clips are loud, and the whole brought to one loudness."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.film.graph import Pipe, pulled, row
from kling_airflow.media.film.samples import (
    CHUNK,
    RATE,
    SAME,
    SOURCE,
    WIDTH,
    decoded,
    exact,
    to_bytes,
    to_frame,
)

if TYPE_CHECKING:
    from av.filter import Graph
    from av.filter.context import FilterContext

_CEILING = 0.89  # of full scale, -1 dB: what streaming services ask for
_LOUDEST_GAIN = 30.0  # dB: a film of near silence is not made into noise
_SILENT = -60.0  # LUFS
_DUCK = "threshold=0.02:ratio=6:attack=20:release=400:makeup=1"


@dataclass(frozen=True, kw_only=True)
class Music:
    """A track under the film's sound; repeated if it is shorter.

    :param path: of any file with sound that FFmpeg reads.
    :param volume: dB, relative to the file's own loudness.
    :param ducking: whether the track gets quieter while the clips' own sound is loud.
    :param fade_out: seconds at the film's end in which the track fades out.
    """

    path: Path
    volume: float = -12.0
    ducking: bool = True
    fade_out: float = 2.0


def refuse_silent(path: Path) -> None:
    """Refuse a file that is no music, before a film is made.

    :raises InvalidClip: the file can't be read, or there is no sound in it.
    """
    Repeated(path).take(1)


class Mixer:
    """Takes the clips' own sound piece by piece, and gives the film's sound, of the same length.

    :param samples: how long the film will be: where the music fades out.
    :param music: None for none.
    :param gain: dB that everything is raised by; peaks stay below -1 dB.
    """

    def __init__(self, samples: int, music: Music | None, gain: float = 0.0) -> None:
        self._position = self._made = 0
        self._music = None if music is None else Repeated(music.path)
        self._pipe: Pipe | None = None
        self._track: FilterContext | None = None
        if music or gain:
            self._pipe, self._track = _graph(samples, music, gain)

    def push(self, sound: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what is ready after more of the clips' sound.

        :raises InvalidClip: the music can't be read.
        """
        for data in sound:
            for at in range(0, len(data), CHUNK * WIDTH):
                yield from self._one(data[at : at + CHUNK * WIDTH])

    def rest(self) -> Iterator[bytes]:
        """Yield what is left when there is no more sound."""
        if self._pipe is None:
            return
        for begin in (self._pipe.begin, self._track):
            if begin is not None:
                begin.push(None)
        left = self._position - self._made
        yield from exact((to_bytes(frame) for frame in pulled(self._pipe.end)), left)

    def _one(self, data: bytes) -> Iterator[bytes]:
        samples = len(data) // WIDTH
        if self._pipe is None:
            yield data
            return
        self._pipe.begin.push(to_frame(data, self._position))
        if self._track is not None and self._music is not None:
            # In steps of equal length, so that the graph holds neither of them back.
            self._track.push(to_frame(self._music.take(samples), self._position))
        self._position += samples
        for frame in pulled(self._pipe.end):
            self._made += frame.samples
            yield to_bytes(frame)


def _graph(samples: int, music: Music | None, gain: float) -> tuple[Pipe, FilterContext | None]:
    from av.filter import Graph

    graph = Graph()
    begin = graph.add("abuffer", SOURCE)
    last, track = (begin, None) if music is None else _under(graph, begin, music, samples)
    if gain:
        limit = f"limit={_CEILING}:level=0:latency=1"
        last = row(graph, last, [("volume", f"{gain:.2f}dB"), ("alimiter", limit)])
    return Pipe.closed(graph, begin, row(graph, last, [SAME]), "abuffersink"), track


def _under(
    graph: Graph, begin: FilterContext, music: Music, samples: int
) -> tuple[FilterContext, FilterContext]:
    """Put the music under the clips' sound; return the mix, and where the music goes in."""
    track = graph.add("abuffer", SOURCE)
    fade = min(samples, round(music.fade_out * RATE))
    steps = [("volume", f"{music.volume:.2f}dB")]
    if fade:
        steps.append(("afade", f"t=out:start_sample={samples - fade}:nb_samples={fade}"))
    under, own = row(graph, track, steps), begin
    mix = graph.add("amix", "inputs=2:duration=first:normalize=0:dropout_transition=0")
    if music.ducking:
        split = row(graph, begin, [("asplit", "2")])
        duck = graph.add("sidechaincompress", _DUCK)
        under.link_to(duck, 0, 0)
        split.link_to(duck, 1, 1)
        own, under = split, duck
    own.link_to(mix, 0, 0)
    under.link_to(mix, 0, 1)
    return mix, track


class Repeated:
    """A file's sound over and over, taken in pieces of any length."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer = bytearray()
        self._parts: Iterator[tuple[float, bytes]] = iter(())

    def take(self, samples: int) -> bytes:
        """Return the next samples.

        :raises InvalidClip: the file can't be read, or there is no sound in it.
        """
        import av

        wanted, is_new = samples * WIDTH, False
        try:
            while len(self._buffer) < wanted:
                part = next(self._parts, None)
                if part is not None:
                    self._buffer += part[1]
                    is_new = is_new and not part[1]
                elif is_new:
                    raise InvalidClip(f"The music ({self._path.name}) has no sound in it.")
                else:
                    self._parts, is_new = decoded(self._path, format=""), True
        except IndexError:
            raise InvalidClip(f"The music ({self._path.name}) has no audio track.") from None
        except av.FFmpegError as error:
            why = f"{type(error).__name__}: {error.strerror}"
            raise InvalidClip(f"The music ({self._path.name}) can't be read: {why}.") from error
        taken = bytes(self._buffer[:wanted])
        del self._buffer[:wanted]
        return taken


class Meter:
    """Measures how loud a sound is as a whole (EBU R 128).

    :raises InvalidArgument: PyAV is too old to hand on what FFmpeg measures.
    """

    def __init__(self) -> None:
        import av
        from av.filter import Graph

        if not hasattr(av.AudioFrame, "metadata"):
            raise InvalidArgument(
                f"`loudness` needs a newer PyAV than {av.__version__}, which can't read measured values.",
                todo="Update the package `av`, or leave `loudness` out.",
            )
        graph = Graph()
        begin = graph.add("abuffer", SOURCE)
        end = row(graph, begin, [("ebur128", "metadata=1")])
        self._pipe = Pipe.closed(graph, begin, end, "abuffersink")
        self._position = 0
        self.found = -math.inf
        """LUFS so far; minus infinity for silence."""

    def push(self, sound: Iterable[bytes]) -> None:
        """Listen to more."""
        for data in sound:
            if data:
                self._pipe.begin.push(to_frame(data, self._position))
                self._position += len(data) // WIDTH
            for frame in pulled(self._pipe.end):
                said = float(frame.metadata.get("lavfi.r128.I", -math.inf))
                self.found = said if said > _SILENT else -math.inf


def gain_to(target: float, found: float) -> float:
    """Return the dB that bring one loudness to another; 0 for silence."""
    return 0.0 if math.isinf(found) else min(_LOUDEST_GAIN, target - found)
