"""No signature, user or password of an address is left in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import DownloadFailed, InvalidArgument
from kling_airflow.redaction import in_short, redacted, shown_value, without_signatures

SECRET = "T0PS3CRET"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Failed to download media", "Failed to download media"),
        (
            f"no https://b.s3.aws/x.jpg?X-Amz-Signature={SECRET}&a=1 there",
            "no https://b.s3.aws/x.jpg?... there",
        ),
        (f"HTTPS://B/X?{SECRET}", "HTTPS://B/X?..."),
        (f"at https://h/x#{SECRET}.", "at https://h/x?..."),
        (f"https://me:{SECRET}@h/x", "https://h/x"),
        (f"https://h?sig={SECRET}", "https://h?..."),
        (
            f"https://h/x.jpg%3FX-Amz-Signature%3D{SECRET} there",
            "https://h/x.jpg%3FX-Amz-Signature%3D... there",
        ),
        (f"abfs://c@a.dfs/x?sig={SECRET}", "abfs://a.dfs/x?..."),
        (f'{{"url":"https://h/x?a={SECRET}"}}', '{"url":"https://h/x?..."}'),
        (f"two https://h/1?{SECRET} and https://h/2?{SECRET}", "two https://h/1?... and https://h/2?..."),
        (f"x.jpg?X-Amz-Signature={SECRET}", "x.jpg?X-Amz-Signature=..."),
        (f"hdnts=exp=1~hmac={SECRET}", "hdnts=..."),
        (f"client_secret={SECRET}&x=1", "client_secret=...&x=1"),
        (f"refresh_token={SECRET}", "refresh_token=..."),
        (f"{{'X-Amz-Signature': '{SECRET}', 'a': 1}}", "{'X-Amz-Signature': '...', 'a': 1}"),
        (f'{{"api_key": "{SECRET}"}}', '{"api_key": "..."}'),
        (f"sent Authorization: Bearer {SECRET} to it", "sent Authorization: Bearer ... to it"),
        (f"data:image/png;base64,{SECRET}{'A' * 300}", "data:..."),
        (f"the image {'QUJD' * 100} is too small", "the image ... is too small"),
        (
            "500: ratio 1:2 is not 16:9, see https://docs.example/page",
            "500: ratio 1:2 is not 16:9, see https://docs.example/page",
        ),
    ],
)
def test_what_is_left(text: str, expected: str) -> None:
    assert redacted(text) == expected


PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'<>\\")


@given(
    before=st.text(max_size=30),
    scheme=st.sampled_from(["http", "https", "s3", "gs", "abfs", "HTTPS"]),
    path=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'<>\\"), max_size=30
    ),
    after=st.text(max_size=30),
)
def test_no_query_is_left(before: str, scheme: str, path: str, after: str) -> None:
    text = redacted(f"{before} {scheme}://host/{path}?a=1&k={SECRET} {after}")
    assert SECRET not in text
    assert f"{scheme}://" in text


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no text")


ODD: list[object] = [
    f"https://h/x?sig={SECRET}",
    {"url": f"https://h/x?sig={SECRET}"},
    "x" * 9999,
    10**5000,
    Unprintable(),
]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_a_value_in_an_error_is_short_and_without_signature(number: int) -> None:
    shown = shown_value(ODD[number])
    assert len(shown) <= 103
    assert SECRET not in shown


@given(st.text(max_size=400))
def test_any_text_can_be_redacted(text: str) -> None:
    assert isinstance(redacted(text), str)
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=TOPSECRET",
        "x-amz-security-token=TOPSECRET",
        "X-Goog-Signature=TOPSECRET",
        "Signature=TOPSECRET",
        "AWSAccessKeyId=TOPSECRET",
        "sig=TOPSECRET",
        "token=TOPSECRET",
        "api_key=TOPSECRET",
        "key=TOPSECRET",
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_the_value_of_what_signs_is_left_out(query: str, encoded: bool) -> None:
    address = f"https://host/x?a=1&{query}&b=2"
    if encoded:
        address = address.replace("?", "%3F").replace("&", "%26").replace("=", "%3D")
    text = without_signatures(f'Could not connect to "{address}".')
    assert "TOPSECRET" not in text
    assert "host/x" in text
    assert text.endswith('2".')


@pytest.mark.parametrize(
    "text", ["`overwrite=True`", "take=2", "s3://bucket/a=b/x.mp4", "sound=True, duration=5", "5 = 5"]
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_signatures(text) == text


def test_every_error_is_shown_without_signatures() -> None:
    assert "TOPSECRET" not in str(InvalidArgument("`image` is 'h/x?X-Amz-Signature=TOPSECRET'"))
    assert "TOPSECRET" not in str(
        DownloadFailed("x").with_money(DownloadFailed("x").money, todo="sig=TOPSECRET")
    )
    assert "TOPSECRET" not in in_short(OSError("https://host/x?sig=TOPSECRET refused"))
