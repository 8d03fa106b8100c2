"""Packets taken over as they are: no picture, and no sound, is decoded or encoded.

A clip's sound is rarely as long as its pictures: encoders fill up the last packet. Copied end to end, twenty
clips would drift by half a second. So each clip gives so many packets that the next clip's sound begins
within a packet (21 ms) of its pictures, however many clips came before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from kling_airflow.media.clip_reader import opened
from kling_airflow.media.film.facts import ClipFacts

if TYPE_CHECKING:
    from av.packet import Packet as AnyPacket
    from av.stream import Stream

    Packet = AnyPacket[Any]


class CannotCopyError(Exception):
    """The packets of a clip do not fit behind those of the clip before."""


@dataclass
class _Line:
    """Where one track of the film stands, in ticks of its time base."""

    stream: Stream
    base: Fraction
    last_dts: int | None = None


class Copier:
    """Takes over the packets of clips whose pictures are alike.

    :param video: the film's video track.
    :param audio: the film's audio track; None if the sound is not copied.
    """

    def __init__(self, video: Stream, audio: Stream | None, clips: tuple[ClipFacts, ...]) -> None:
        self._video = _Line(video, Fraction(clips[0].picture[6]))
        self._audio = None if audio is None else _Line(audio, Fraction((clips[0].sound or ())[4]))
        self._begin = 0  # of the current clip's pictures, in ticks of the video track
        self._next: int | None = None  # where the next packet of sound goes, in ticks of the audio track
        self._step = 0  # ticks of one packet of sound

    def clip(self, facts: ClipFacts, *, is_last: bool, max_pixels: int) -> Iterator[Packet]:
        """Yield a clip's packets with the film's times.

        :raises CannotCopyError: they do not fit.
        """
        with opened(facts.path, max_pixels=max_pixels) as (container, video):
            tracks: list[Stream] = [video]
            if self._audio is not None:
                tracks.append(container.streams.audio[0])
            start = round(facts.start / self._video.base)
            end = start
            until = self._begin + round(facts.seconds / self._video.base)
            for packet in container.demux(*tracks):
                if packet.dts is None or packet.pts is None:
                    continue
                if packet.stream is video:
                    if packet.is_discard:
                        raise CannotCopyError("pictures are hidden by an edit list")
                    end = max(end, packet.pts + (packet.duration or 0))
                    yield self._placed(packet, self._begin - start)
                else:
                    yield from self._sound(packet, start, until, is_last=is_last)
        self._begin += end - start
        self._check_sound(is_last)

    @property
    def shown(self) -> float:
        """Seconds of pictures so far."""
        return float(self._begin * self._video.base)

    def _placed(self, packet: Packet, shift: int) -> Packet:
        line = self._video
        dts = (packet.dts or 0) + shift
        if line.last_dts is not None and dts <= line.last_dts:
            raise CannotCopyError("pictures overlap")
        line.last_dts = dts
        packet.dts, packet.pts = dts, (packet.pts or 0) + shift
        packet.stream = line.stream
        return packet

    def _sound(self, packet: Packet, start: int, until: int, *, is_last: bool) -> Iterator[Packet]:
        """Yield a packet of sound, or nothing if it lies outside of its clip's pictures.

        The sound of the last clip covers its last picture; that of another may end half a packet before.
        """
        line = self._audio
        if line is None or not packet.duration:
            return
        # The last packet of a clip says how much of it is meant; a decoder gives all of it.
        self._step = self._step or packet.duration
        half = self._step / 2
        zero = float((self._begin - start) * self._video.base / line.base)
        where = (packet.pts or 0) + zero
        if self._next is None:
            self._next = round(where)
        elif where < self._next - half - 1 or (self._begin and where < zero - half - 1):
            return
        if self._next > float(until * self._video.base / line.base) - (1 if is_last else half):
            return
        if abs(where - self._next) > self._step:
            raise CannotCopyError("the sound has a gap")
        packet.pts = packet.dts = self._next
        packet.duration = self._step
        self._next += self._step
        packet.stream = line.stream
        yield packet

    def _check_sound(self, is_last: bool) -> None:
        if self._audio is None or is_last or self._next is None:
            return
        missing = self._begin * self._video.base - self._next * self._audio.base
        if missing > self._step * self._audio.base:
            raise CannotCopyError("the sound ends before the pictures")
