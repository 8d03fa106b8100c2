"""Sound as bytes of exact length: what a film's sound is made of, so that it can't drift from the pictures.

All of it is stereo at 48,000 samples a second, each sample two 32-bit floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.media.clip_reader import any_metadata

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

RATE = 48_000
WIDTH = 8
"""Bytes of one sample of both channels."""

CHUNK = 4_096
"""Samples that are handled at once."""

SOURCE = f"sample_rate={RATE}:sample_fmt=flt:channel_layout=stereo:time_base=1/{RATE}"
"""The arguments of an ``abuffer`` that takes such samples."""

SAME = ("aformat", f"sample_fmts=flt:sample_rates={RATE}:channel_layouts=stereo")
"""The filter that brings any sound to this form."""

_GAP = RATE // 50  # samples: a smaller gap in a track's times is rounding, not silence


def clip_samples(path: Path, samples: int, *, start: float = 0.0) -> Iterator[bytes]:
    """Yield the sound of a clip's first audio track, padded with silence or cut to an exact length.

    :param path: of a file that is known to be a clip.
    :param samples: how many, of both channels.
    :param start: seconds, in the file's own time, at which the pictures begin.
    """
    yield from exact(_placed(decoded(path), start), samples)


def decoded(path: Path, format: str = "mp4") -> Iterator[tuple[float, bytes]]:  # noqa: A002
    """Yield the parts of a file's first audio track: when each begins, seconds, and its samples."""
    import av

    with av.open(
        str(path), format=format or None, options={"protocol_whitelist": "file"}, **any_metadata()
    ) as container:
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE)
        for frame in _frames(container):
            for part in resampler.resample(frame):
                yield _begin(part), to_bytes(part)


def _frames(container: InputContainer) -> Iterator[AudioFrame | None]:
    """Yield the frames of the first audio track without those that can't be decoded, and None at the end."""
    import av

    packets = container.demux(container.streams.audio[0])
    while True:
        try:
            packet = next(packets)
            found = packet.decode()
        except (StopIteration, av.EOFError):
            break
        except av.FFmpegError:
            continue
        yield from found
    yield None


def _begin(part: AudioFrame) -> float:
    return float(part.pts * part.time_base) if part.pts is not None and part.time_base else 0.0


def _placed(parts: Iterable[tuple[float, bytes]], start: float) -> Iterator[bytes]:
    """Put each part where its time says: silence into a gap, nothing that begins before the pictures."""
    done = 0
    for begins, data in parts:
        where = round((begins - start) * RATE)
        late = where - done
        if late > _GAP or (not done and late > 0):
            yield from silence(late)
            done += late
        elif late < -_GAP or (not done and late < 0):
            data = data[-late * WIDTH :]
        yield data
        done += len(data) // WIDTH


def exact(parts: Iterable[bytes], samples: int) -> Iterator[bytes]:
    """Cut or pad sound to an exact number of samples."""
    left = samples
    for data in parts:
        if left <= 0:
            return
        taken = data[: left * WIDTH]
        left -= len(taken) // WIDTH
        yield taken
    yield from silence(left)


def silence(samples: int) -> Iterator[bytes]:
    """Yield so many samples of nothing."""
    while samples > 0:
        count = min(samples, CHUNK)
        yield bytes(count * WIDTH)
        samples -= count


def to_bytes(frame: AudioFrame) -> bytes:
    """Return the samples of a frame in this form."""
    return bytes(frame.planes[0])[: frame.samples * WIDTH]


def to_frame(data: bytes, position: int) -> AudioFrame:
    """Return samples as a frame.

    :param position: of the first sample, in samples from the film's start.
    """
    import av

    frame = av.AudioFrame(format="flt", layout="stereo", samples=len(data) // WIDTH)
    frame.sample_rate, frame.pts, frame.time_base = RATE, position, Fraction(1, RATE)
    plane: Any = frame.planes[0]
    # The plane may be longer than its samples; `update` wants all of it.
    plane.update(data.ljust(plane.buffer_size, b"\0"))
    return frame


def to_frames(parts: Iterable[bytes]) -> Iterator[AudioFrame]:
    """Yield samples as frames, one after the other, none of them empty."""
    position = 0
    for data in parts:
        for at in range(0, len(data), CHUNK * WIDTH):
            piece = data[at : at + CHUNK * WIDTH]
            yield to_frame(piece, position)
            position += len(piece) // WIDTH
