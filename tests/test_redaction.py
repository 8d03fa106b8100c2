"""No signature, user or password of an address is left in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.redaction import redacted

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


@given(st.text(max_size=400))
def test_any_text_can_be_redacted(text: str) -> None:
    assert isinstance(redacted(text), str)
    assert redacted(redacted(text)) == redacted(text)
