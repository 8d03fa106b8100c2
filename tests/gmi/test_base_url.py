"""Spellings of one base URL, and addresses that can't be used."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.gmi.base_url import DEFAULT_BASE_URL, QUEUE_ROOT, normal_base_url

SAME = [
    [None, "", "  ", DEFAULT_BASE_URL, f"{DEFAULT_BASE_URL}/", f"{DEFAULT_BASE_URL}:443{QUEUE_ROOT}/"],
    [
        "https://queue.example", "https://queue.example/", "HTTPS://Queue.EXAMPLE", "https://queue.example:443",
        "https://queue.example:", "https://queue.example.", "https://queue.example/./", "https://queue.example/a/..",
        "https://queue.example//", " https://queue.example\n", "https://queue.example/%2E/", "https://%71ueue.example",
        f"https://queue.example{QUEUE_ROOT}", f"https://queue.example{QUEUE_ROOT}/./", f"https://queue.example/x/..{QUEUE_ROOT}",
        f"https://queue.example{QUEUE_ROOT.replace('api', '%61pi', 1)}",
    ],
    ["http://localhost:8080", "http://LocalHost:8080", "HTTP://localhost.:08080/", "http://localhost:8080/."],
    ["http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", "http://[0000::0001]:8080"],
    ["https://xn--bcher-kva.example", "https://b\u00fccher.example", "https://B\u00dcCHER.example.", "https://bu\u0308cher.example"],
    ["https://h/gateway/a%2Fb", "https://h/gateway/a%2fb/", "https://h/./gateway//a%2Fb", "https://h/%67ateway/a%2Fb"],
    ["https://h/caf%C3%A9", "https://h/caf\u00e9", "https://h/caf%c3%a9/"],
]  # fmt: skip
UNUSABLE = {
    "console.gmicloud.ai": "has no scheme; write https://console.gmicloud.ai",
    "localhost:8080": "has no scheme; write https://localhost:8080",
    "//h": "has no scheme; write https://h",
    "h?sig=s3cr3t": "has no scheme",
    "ftp://queue.example": "scheme `ftp`",
    "file:///etc/passwd": "scheme `file`",
    "https://": "names no host",
    "https://.": "names no host",
    "https://:443": "names no host",
    "https://h:port": "malformed",
    "https://h:99999": "malformed",
    "https://[::1": "malformed",
    "https://[::g]": "malformed",
    "https://h/?x=s3cr3t": "query",
    "https://h?": "query",
    "https://h/#s3cr3t": "fragment",
    "https://u:s3cr3t@h": "user or password",
    "https://@h": "user or password",
    "https://h/a b": "characters",
    "https://h\\a": "characters",
    "https://h/%zz": "characters",
    "https://h%": "characters",
    "https://a..b": "host",
    f"https://{'a' * 64}": "host",
    "https://h*": "host",
    "https://h%00": "host",
}


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: str(spellings[-1])[:30])
def test_the_spellings_of_one_address_are_one(spellings: list[str | None]) -> None:
    assert len({normal_base_url(spelling) for spelling in spellings}) == 1


def test_different_addresses_stay_different() -> None:
    addresses = [
        "http://h",
        "https://h",
        "https://h:8443",
        "https://h/a",
        "https://h/A",
        "https://h/a%2Fb",
        "https://h/a/b",
        "https://i",
    ]
    assert len({normal_base_url(address) for address in addresses}) == len(addresses)


@pytest.mark.parametrize("given", UNUSABLE)
def test_an_unusable_address_is_refused_with_its_reason(given: str) -> None:
    with pytest.raises(InvalidArgument, match="base URL") as caught:
        normal_base_url(given)
    assert UNUSABLE[given] in caught.value.what
    assert "s3cr3t" not in str(caught.value)


@given(st.text(max_size=40).map("https://{}".format) | st.text(max_size=40))
def test_any_text_is_normal_after_one_step_or_refused(given: str) -> None:
    try:
        normal = normal_base_url(given)
    except InvalidArgument:
        return
    assert normal_base_url(normal) == normal
    parts = urlsplit(normal)
    assert parts.scheme in {"http", "https"}
    assert parts.hostname
    assert normal.isascii()
    assert not normal.endswith("/")
