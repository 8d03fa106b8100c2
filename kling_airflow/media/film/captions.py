"""Captions beside a film, as WebVTT and as SRT: made of the shots' prompts, or read from a file."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.join import Segment

_LINE = 42  # characters; what broadcasters use
_LINES = 2
_LEAST = 0.8  # seconds that a caption is shown
_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_TIMES = re.compile(rf"^\s*{_TIME}\s+-->\s+{_TIME}")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_TEXT_OF = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": ""}


@dataclass(frozen=True)
class Caption:
    """A text, and when it is shown.

    :param begin: seconds from the film's start.
    :param end: seconds from the film's start.
    :param text: one line or several, none of them empty.
    """

    begin: float
    end: float
    text: str


def captions_of(texts: Sequence[str | None], segments: Sequence[Segment]) -> list[Caption]:
    """Return captions that show each clip's text while the clip is shown.

    A long text becomes several captions of up to two lines, each as long as its share of the text.

    :param texts: one for each clip; None or "" for a clip without captions.
    :param segments: where the clips are.
    """
    found: list[Caption] = []
    for number, (text, segment) in enumerate(zip(texts, segments, strict=True)):
        end = segments[number + 1].start if number + 1 < len(segments) else segment.start + segment.seconds
        found += _spread(" ".join((text or "").split()), segment.start, end)
    return found


def _spread(text: str, begin: float, end: float) -> Iterable[Caption]:
    lines = textwrap.wrap(text, _LINE)
    pages = ["\n".join(lines[at : at + _LINES]) for at in range(0, len(lines), _LINES)]
    # A clip may be too short for all of its text: then the captions are that which can be read.
    pages = pages[: max(1, int((end - begin) / _LEAST))]
    whole = sum(map(len, pages))
    at = begin
    for page in pages:
        until = at + (end - begin) * len(page) / whole
        yield Caption(at, until, page)
        at = until


def to_vtt(captions: Iterable[Caption]) -> bytes:
    """Return captions as WebVTT (W3C, https://www.w3.org/TR/webvtt1/)."""
    cues = [
        f"{_clock(cue.begin, '.')} --> {_clock(cue.end, '.')}\n{_escaped(cue.text)}\n" for cue in captions
    ]
    return "\n".join(["WEBVTT\n", *cues]).encode()


def to_srt(captions: Iterable[Caption]) -> bytes:
    """Return captions as SubRip."""
    cues = [
        f"{number}\n{_clock(cue.begin, ',')} --> {_clock(cue.end, ',')}\n{cue.text.replace('-->', '->')}\n"
        for number, cue in enumerate(captions, 1)
    ]
    return "\n".join(cues).encode()


def read_captions(data: bytes, name: str) -> list[Caption]:
    """Read a file of captions, WebVTT or SRT.

    :param name: what errors call the file.
    :raises InvalidArgument: naming the line: no times, or a caption that ends before it begins.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{name} is not UTF-8: {error.reason} at byte {error.start:,}.") from error
    is_vtt = bool(lines) and lines[0].startswith("WEBVTT")
    found: list[Caption] = []
    at = 0
    while at < len(lines):
        times = _TIMES.match(lines[at])
        at += 1
        if times is None:
            if "-->" in lines[at - 1]:
                raise InvalidArgument(f"{name}, line {at}: {lines[at - 1].strip()[:60]!r} has no times.")
            continue
        begin, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        if end <= begin:
            raise InvalidArgument(f"{name}, line {at}: the caption ends before it begins.")
        text: list[str] = []
        while at < len(lines) and lines[at].strip():
            text.append(_plain(lines[at]) if is_vtt else lines[at].strip())
            at += 1
        if text:
            found.append(Caption(begin, end, "\n".join(text)))
    if not found:
        raise InvalidArgument(f"{name} holds no captions; it must be WebVTT or SRT.")
    return found


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _clock(seconds: float, comma: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{comma}{rest % 1000:03}"


def _escaped(text: str) -> str:
    return "".join(_ENTITIES.get(char, char) for char in text)


def _plain(line: str) -> str:
    """Return a line of WebVTT without its tags and entities."""
    line = re.sub(r"<[^>]*>", "", line.strip())
    return re.sub(r"&\w+;", lambda found: _TEXT_OF.get(found[0], found[0]), line)
