"""Captions: of prompts or of a file, as WebVTT and SRT, one and the same."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.captions import Caption, captions_of, read_captions, to_srt, to_vtt
from kling_airflow.media.film.join import Segment

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300)


def test_a_prompt_is_shown_while_its_clip_is() -> None:
    segments = [Segment(0, 5.5), Segment(5, 5.5), Segment(10, 5)]
    assert captions_of(["One.", None, "Three."], segments) == [
        Caption(0, 5, "One."),
        Caption(10, 15, "Three."),
    ]


@given(st.lists(TEXT, min_size=1, max_size=5), st.floats(0.5, 15))
def test_long_prompts_become_readable_captions(texts: list[str], seconds: float) -> None:
    segments = [Segment(at * seconds, seconds) for at in range(len(texts))]
    found = captions_of(texts, segments)
    for caption in found:
        assert caption.begin < caption.end <= len(texts) * seconds + 1e-6
        assert 1 <= len(caption.text.splitlines()) <= 2
        assert all(0 < len(line) <= 42 for line in caption.text.splitlines())
    assert all(a.end <= b.begin + 1e-9 for a, b in itertools.pairwise(found))


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_what_is_written_is_read_again(texts: list[str]) -> None:
    captions = captions_of(texts, [Segment(at * 4.0, 4) for at in range(len(texts))])
    captions = [each for each in captions if "<" not in each.text and "-->" not in each.text]
    if not captions:
        return
    for written in (to_vtt(captions), to_srt(captions)):
        found = read_captions(written, "x")
        assert [each.text.split() for each in found] == [each.text.split() for each in captions]
        assert [each.begin for each in found] == pytest.approx([each.begin for each in captions], abs=0.001)


def test_tags_can_not_be_smuggled_in() -> None:
    text = to_vtt([Caption(0, 1, "<b>&--> 00:00")]).decode()
    assert "&lt;b&gt;&amp;--&gt; 00:00" in text
    assert text.count("-->") == 1


def test_the_forms() -> None:
    cue = [Caption(3661.5, 3662.25, "A\nB")]
    assert to_vtt(cue) == b"WEBVTT\n\n01:01:01.500 --> 01:01:02.250\nA\nB\n"
    assert to_srt(cue) == b"1\n01:01:01,500 --> 01:01:02,250\nA\nB\n"


def test_a_webvtt_file_with_everything_in_it() -> None:
    data = (
        "\ufeffWEBVTT - a title\r\n\r\nNOTE a remark\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\n"
        "first\r\n00:01.000 --> 00:02.000 align:left\r\n<v Ann>Hello &amp; <i>good</i> bye\r\nthere\r\n"
    )
    assert read_captions(data.encode(), "x") == [Caption(1, 2, "Hello & good bye\nthere")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"^x holds no captions; it must be WebVTT or SRT"),
        (b"WEBVTT\n", "holds no captions"),
        (b"<html></html>", "holds no captions"),
        (b"1\n00:00:02,000 --> 00:00:01,000\nA\n", "line 2: the caption ends before it begins"),
        (b"1\nsoon --> later\nA\n", "line 2: 'soon --> later' has no times"),
        (b"\xff\xfe\0", "is not UTF-8"),
    ],
)
def test_what_is_no_file_of_captions(data: bytes, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_captions(data, "x")


@given(st.floats(0, 359_000))
def test_times_are_exact_to_the_millisecond(seconds: float) -> None:
    (found,) = read_captions(to_vtt([Caption(seconds, seconds + 1, "x")]), "x")
    assert found.begin == pytest.approx(seconds, abs=0.00051)
    assert re.match(rb"WEBVTT\n\n\d\d:[0-5]\d:[0-5]\d\.\d{3} ", to_vtt([Caption(seconds, seconds + 1, "x")]))
