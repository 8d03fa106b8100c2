"""Two spellings of the same thing are the same, and two different things never are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.submission import normal_form

PLAIN = "https://img.example/render?asset=rocket"


@pytest.mark.parametrize(
    "spelling",
    [
        "https://queue.example",
        "https://queue.example/",
        " HTTPS://Queue.EXAMPLE./ ",
        "https://queue.example:443",
        "https://queue.example/./",
        "https://queue.example/a/..",
    ],
)
def test_spellings_of_a_base_url(spelling: str) -> None:
    assert normal_form.base_url(spelling) == "https://queue.example"


@pytest.mark.parametrize(
    "other",
    [
        "http://queue.example",
        "https://queue.example:8443",
        "https://queue.example/proxy",
        "https://queue.example.org",
        "https://queue.example:odd",
    ],
)
def test_other_base_urls(other: str) -> None:
    assert normal_form.base_url(other) != "https://queue.example"


def test_a_base_url_keeps_its_case_below_the_host() -> None:
    assert normal_form.base_url("http://h:80/Proxy//A/") == "http://h/Proxy/A"
    assert normal_form.base_url("http://[::1]:8080/") == "http://[::1]:8080"


@pytest.mark.parametrize(
    "signature",
    [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20261127T000000Z&X-Amz-Signature=ab&X-Amz-Expires=60",
        "AWSAccessKeyId=A&Signature=b%3D&Expires=1790000000",
        "GoogleAccessId=a&Expires=1&Signature=b",
        "X-Goog-Signature=ab&X-Goog-Date=20261127T000000Z",
        "sv=2024-08-04&st=a&se=b&sr=b&sp=r&sig=c%3D",
        "Expires=1&Signature=a&Key-Pair-Id=K",
        "Policy=a&Signature=b&Key-Pair-Id=K",
        "OSSAccessKeyId=a&Expires=1&Signature=b",
        "hdnts=exp=1~hmac=ab",
    ],
)
def test_a_signature_makes_no_other_picture(signature: str) -> None:
    assert normal_form.address(f"{PLAIN}&{signature}") == PLAIN
    assert normal_form.address(f"https://img.example/render?{signature}&asset=rocket") == PLAIN


@pytest.mark.parametrize(
    "other",
    [
        "https://img.example/render?asset=hubble",
        "https://img.example/render",
        "https://img.example/render?asset=rocket&w=300",
        "https://img.example/Render?asset=rocket",
        "https://img.example/render?asset=rocket&st=1",
        "https://img.example/render?asset=rocket&expires=1",
        "http://img.example/render?asset=rocket",
    ],
)
def test_other_addresses_are_other_pictures(other: str) -> None:
    assert normal_form.address(other) != PLAIN


@given(st.text(max_size=60))
def test_a_normal_form_is_its_own(text: str) -> None:
    assert normal_form.text(normal_form.text(text)) == normal_form.text(text)


def test_texts_and_numbers_inside_a_payload() -> None:
    value = {"a": [" x\r\n", 1.0, {"b": "e\N{COMBINING ACUTE ACCENT}"}], "c": True, "d": 1.5}
    same = {"a": ["x", 1, {"b": "\N{LATIN SMALL LETTER E WITH ACUTE}"}], "c": True, "d": 1.5}
    assert normal_form.value(value) == same
