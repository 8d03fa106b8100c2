"""The sound of a clip: how long its audio track is, and how loud."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer

SILENCE = 33
"""Largest sample, of 32,767, of a track that counts as silent: -60 dB of the loudest possible."""


@dataclass(frozen=True)
class Sound:
    """What decoding an audio track showed.

    :param seconds: of sound that was decoded.
    :param peak: the largest sample, 0 to 32,768.
    """

    seconds: float
    peak: int

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear."""
        return self.peak <= SILENCE


def read_sound(container: InputContainer) -> Sound:
    """Decode the first audio track from the start, without the parts that can't be decoded."""
    import av

    stream = container.streams.audio[0]
    # Packed stereo: a mix to one channel would cancel two that are each other's opposite.
    resampler = av.AudioResampler(format="s16", layout="stereo")
    container.seek(0)
    samples = peak = 0
    rate = stream.rate or 1
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except av.EOFError:
            break
        except av.FFmpegError:
            continue
        for frame in decoded:
            samples += frame.samples
            for part in resampler.resample(frame):
                values = array("h", bytes(part.planes[0])[: part.samples * 4])
                if values:
                    peak = max(peak, max(values), -min(values))
    return Sound(seconds=samples / rate, peak=peak)
