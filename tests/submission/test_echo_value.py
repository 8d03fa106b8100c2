"""Values as a service may echo them: spelled otherwise, cut, hidden. None of them proves another order."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_airflow.submission.echo import asks_the_same
from kling_airflow.submission.echo_value import may_be

U_UMLAUT = "\N{LATIN SMALL LETTER U WITH DIAERESIS}"
PROMPT = f'Tom & Jerry: the "rocket" lifts off \N{EM DASH} {U_UMLAUT}ber the Sea\nand lands'
FRAME = "https://up.example/Ab/ours-6f1c.jpeg"
FIELDS = {"prompt": PROMPT, "duration": "5", "sound": "on", "cfg_scale": 0.7}

SPELLED = {
    "HTML": html.escape(PROMPT),
    "HTML twice": html.escape(html.escape(PROMPT)),
    "tags": PROMPT.replace("\n", "<br/>"),
    "JSON": json.dumps(PROMPT),
    "JSON without quotes": json.dumps(PROMPT)[1:-1],
    "percent escapes": quote(PROMPT),
    "form": quote_plus(PROMPT),
    "Base64": base64.b64encode(PROMPT.encode()).decode(),
    "read in a wrong code": PROMPT.encode().decode("latin-1"),
    "question marks": PROMPT.encode("ascii", "replace").decode(),
    "ASCII only": PROMPT.encode("ascii", "ignore").decode(),
    "replacement characters": PROMPT.replace("\N{EM DASH}", "\N{REPLACEMENT CHARACTER}"),
    "without line ends": PROMPT.replace("\n", ""),
    "other quotes": PROMPT.replace('"', "\N{LEFT DOUBLE QUOTATION MARK}"),
    "without accents": PROMPT.replace(U_UMLAUT, "u"),
    "upper case": PROMPT.upper(),
    "cut at the front": PROMPT[10:],
    "cut in the middle": PROMPT[:15] + PROMPT[-9:],
    "cut in the middle, marked": PROMPT[:15] + " [...] " + PROMPT[-9:],
    "two dots": PROMPT[:20] + "..",
    "cut, and counted": PROMPT[:20] + "... (38 more)",
    "cut, and said": PROMPT[:20] + "\N{HORIZONTAL ELLIPSIS}[truncated 38 chars]",
    "a word hidden": PROMPT.replace("rocket", "******"),
    "a word named": PROMPT.replace("rocket", "[REDACTED]"),
    "something before": "Prompt: " + PROMPT,
    "something behind": PROMPT + ", high quality",
    "a hash": hashlib.sha256(PROMPT.encode()).hexdigest(),
    "a named hash": "md5:" + hashlib.md5(PROMPT.encode(), usedforsecurity=False).hexdigest(),
    "a reference": "prompt-store://8c1f/77",
    "a switch": True,
    "a length": len(PROMPT),
    "zero": 0,
    "nothing": "",
    "not available": "N/A",
    "a dash": "-",
    "null": "null",
    "a list": [PROMPT],
    "an object": {"text": PROMPT},
}  # fmt: skip


@pytest.mark.parametrize("told", SPELLED.values(), ids=SPELLED.keys())
@pytest.mark.parametrize("image", [FRAME, None])
def test_a_prompt_that_is_spelled_otherwise_is_no_other_prompt(told: Any, image: str | None) -> None:
    echo = FIELDS | {"prompt": told} | ({"image": image} if image else {})
    assert asks_the_same(echo, FIELDS, {"image": FRAME}) is None


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("rise A", "rise B"),
        ("The rocket lifts off, shot 1", "The rocket lifts off, shot 2"),
        ("[S1] a rocket", "[S2] a rocket"),
        ("<Subject 1> walks", "<Subject 2> walks"),
        ("Wait... what?", "Look at me"),
        ("shot 10: the sea", "shot 1: the sea"),
        ("\u706b\u7bad\u5347\u7a7a", "\u98de\u8239\u964d\u843d"),
    ],
)
def test_another_prompt_is_another_prompt(told: str, asked: str) -> None:
    assert asks_the_same({"prompt": told, "duration": "5"}, {"prompt": asked, "duration": "5"}) is False


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cfg_scale", 0.699999988079071),
        ("cfg_scale", "0.70"),
        ("cfg_scale", 70),
        ("duration", 5000),
        ("duration", "5000000"),
        ("duration", "5s"),
        ("duration", 5.04),
        ("duration", -1),
        ("duration", True),
        ("sound", True),
        ("sound", 1),
    ],
)
def test_a_value_in_another_unit_or_type_is_no_other_value(name: str, told: object) -> None:
    assert asks_the_same(FIELDS | {name: told}, FIELDS) is not False


@pytest.mark.parametrize(("name", "told"), [("duration", 10), ("duration", "3"), ("cfg_scale", 0.2)])
def test_another_number_is_another_value(name: str, told: object) -> None:
    assert asks_the_same(FIELDS | {name: told}, FIELDS) is False


@pytest.mark.parametrize("told", ["16x9", "landscape", "WIDE_SCREEN"])
def test_a_word_of_the_service_decides_nothing_though_it_is_longer_than_the_prompt(told: str) -> None:
    asked = {"prompt": "go", "aspect_ratio": "16:9"}
    assert asks_the_same(asked | {"aspect_ratio": told}, asked) is None


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"a": 1, "steps": [1, 2], "filled_in": 0}, None),
        ({"a": "1", "steps": ["1", "2"]}, True),
        ('{"a": 1, "steps": [1, 2]}', True),
        ({"a": 2, "steps": [1, 2]}, None),  # no text of its own is in it that proves another order
    ],
)
def test_a_structure_is_compared_by_what_is_in_it(told: object, verdict: bool | None) -> None:
    assert asks_the_same({"settings": told}, {"settings": {"a": 1, "steps": [1, 2]}}) is verdict


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (FRAME.replace("https", "http"), None),
        (FRAME.lower(), None),
        (f"{FRAME}?v=2", None),
        (f"{FRAME}&amp;a=b", None),
        (FRAME.replace("example/", "example:8443/"), None),
        (FRAME.replace(".jpeg", ".webp"), None),
        (f"{FRAME}.webp", None),
        (FRAME.replace("6f1c", "6f1c_thumb"), None),
        (FRAME.replace("-", "%2D"), None),
        (FRAME.replace("/Ab/", "//Ab/"), None),
        (f"https://up.example/Ab/{'x' * 40}-{'x' * 40}.jpeg", None),
        (FRAME.replace("6f1c", "0a0a"), False),
        ([FRAME], None),
        ({"url": FRAME}, None),
    ],
)
def test_an_address_that_is_written_otherwise_is_no_other_picture(told: object, verdict: bool | None) -> None:
    assert asks_the_same(FIELDS | {"image": told}, FIELDS, {"image": FRAME}) is verdict


@pytest.mark.parametrize(
    ("told", "verdict"),
    [("?asset=b", False), ("?asset=a&w=9", None), ("", None), ("?w=9&asset=a", None), ("?asset=A", None)],
)
def test_a_query_tells_pictures_apart_only_by_what_it_contradicts(told: str, verdict: bool | None) -> None:
    page = "https://img.example/render"
    assert asks_the_same({"image": page + told}, {}, {"image": f"{page}?asset=a"}) is verdict


def test_a_generated_name_is_told_from_generated_names_only() -> None:
    folder, name = "https://up.example/in/", "6f1c8a70-0f0e-4d8e-9a55-000000000001.png"
    others = {folder + name.replace("0001", "0002"): False, f"{folder}8c1f.png": None}
    for told, verdict in others.items():
        assert asks_the_same({"image": told}, {}, {"image": folder + name}) is verdict


SIGNS = st.text('01 aAxXéß.…*#_█[]<>(){}&;%+\\"\n-漢😀', max_size=60)
"""What notes, gaps, tags, escapes and codes are written with: most wrong verdicts are about these."""
WORDS = st.lists(
    st.sampled_from(
        ["...", " ", "3 more", "[hidden]", "xxxx", "&amp;", "%20", "<br>", "null", "7", "a", "猫"]
    )
).map("".join)


@given(st.text(max_size=60) | SIGNS | WORDS, st.integers(0, 60), st.integers(0, 60))
@example("01", 0, 1)
@example("a...1", 0, 1)
@example("0000..000000000000000001A", 7, 24)
@settings(max_examples=500)
def test_no_cut_of_a_text_is_another_text(asked: str, begin: int, end: int) -> None:
    for told in (asked[:begin], asked[end:], asked[begin:end], asked[:begin] + asked[end:]):
        assert may_be(told, asked) or begin > end


@pytest.mark.parametrize("told", ["[...] 24 more", "... 12 chars", "…", "***", "[hidden]..."])
def test_what_only_says_that_something_is_left_out_is_no_other_text(told: str) -> None:
    assert may_be(told, "A fox runs through 3 fields.")


@pytest.mark.parametrize("told", ["5", "24 more", "12 bytes"])
def test_a_number_in_the_place_of_a_prompt_is_another_text(told: str) -> None:
    assert not may_be(told, "A fox runs through 3 fields.")
