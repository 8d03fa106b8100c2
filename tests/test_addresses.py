"""Addresses as people write them: read, compared, shown without secrets."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.addresses import (
    address_or_none,
    canonical,
    check_location,
    check_source,
    file_address,
    file_path,
    read_address,
    shown,
    split_connection,
)
from kling_airflow.airflow_compat import Asset, ObjectStoragePath
from kling_airflow.errors import InvalidArgument

NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=30
)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("s3://bucket/x.mp4", "s3://bucket/x.mp4"),
        ("  s3://bucket/x.mp4\n", "s3://bucket/x.mp4"),
        (Path("/data/my clip.mp4"), "file:///data/my%20clip.mp4"),
        (ObjectStoragePath("file:///data/x.mp4"), "file:///data/x.mp4"),
        (Asset("s3://bucket/x.mp4"), "s3://bucket/x.mp4"),
        ({"uri": "s3://frames/start.png", "width": 1280}, "s3://frames/start.png"),
    ],
    ids=["text", "blanks around it", "pathlib", "ObjectStoragePath", "asset", "a prepared frame"],
)
def test_what_people_pass_is_read(value: object, address: str) -> None:
    assert read_address("source", value) == address


@pytest.mark.parametrize("value", [None, "", "  ", "None", "null", {"uri": None}, {}])
def test_nothing_is_not_given(value: object) -> None:
    assert address_or_none("source", value) is None
    with pytest.raises(InvalidArgument, match=r"`source` is .*; it must be an address"):
        read_address("source", value)


@pytest.mark.parametrize("value", [5, True, ["s3://bucket/x"], object()])
def test_what_is_no_address_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match="`source` is .*; it must be an address"):
        read_address("source", value)


@given(NAMES)
def test_a_local_file_of_any_name_goes_there_and_back(name: str) -> None:
    path = f"/folder/{name}"
    assert file_path(file_address(path)) == path
    assert file_path(PurePosixPath(path).as_uri()) == str(PurePosixPath(path))  # it takes `.` out
    assert canonical(file_address(path)) == canonical(PurePosixPath(path).as_uri())


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///data/x.mp4", "/data/x.mp4"),
        ("FILE:///data/x.mp4", "/data/x.mp4"),
        ("local:///data/x.mp4", "/data/x.mp4"),
        ("file://localhost/data/x.mp4", "/data/x.mp4"),
        ("file:///data/50% off.mp4", "/data/50% off.mp4"),
        ("file:///data/caf%C3%A9.mp4", "/data/caf\u00e9.mp4"),
    ],
)
def test_the_path_of_a_local_address(address: str, path: str) -> None:
    assert file_path(address) == path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/x.mp4", "s3a://bucket/x.mp4"),
        ("s3://bucket/x.mp4", "s3://conn@bucket/x.mp4"),
        ("gs://bucket/x.mp4", "gcs://bucket/x.mp4"),
        ("file:///data/a/../x.mp4", "file:///data/x.mp4"),
        ("/data/a b%.png", "file:///data/a%20b%25.png"),
        ("s3://bucket/x.png?versionId=8f2c", "s3://bucket/x.png"),
        ("https://Host/a/../x.png", "https://host/x.png"),
    ],
)
def test_two_spellings_of_one_object_are_the_same(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/x.mp4", "s3://bucket/X.mp4"),
        ("s3://bucket/a/../x.mp4", "s3://bucket/x.mp4"),
        ("https://host/x?asset=a", "https://host/x?asset=b"),
        ("abfs://a@account/x", "abfs://b@account/x"),
    ],
)
def test_two_objects_are_not_the_same(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "x.jpg")
    assert canonical((tmp_path / "link.jpg").as_uri()) == canonical((tmp_path / "x.jpg").as_uri())


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://u:p@host/a.png?X-Amz-Signature=s#f", "https://host/a.png"),
        ("s3://key:secret@bucket/x.mp4", "s3://bucket/x.mp4"),
        ("s3://bucket/x.mp4?X-Amz-Signature=s", "s3://bucket/x.mp4?..."),
        ("abfs://container@account/x.mp4?sv=1&sig=s", "abfs://container@account/x.mp4?..."),
        ("host/x.mp4?sig=s", "host/x.mp4?..."),
        ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,... (26 characters)"),
    ],
)
def test_addresses_are_shown_without_secrets(address: str, text: str) -> None:
    assert shown(address) == text


def test_a_long_address_is_cut() -> None:
    text = shown("s3://bucket/" + "x" * 5000)
    assert len(text) < 250
    assert text.endswith("(5,012 characters)")


@pytest.mark.parametrize(
    ("address", "conn_id", "plain"),
    [
        ("s3://conn@bucket/x", "conn", "s3://bucket/x"),
        ("s3://bucket/a@b", None, "s3://bucket/a@b"),
        ("abfs://container@account/x", None, "abfs://container@account/x"),
        ("https://user@host/x", None, "https://user@host/x"),
        ("file://conn@/data/x", "conn", "file:///data/x"),
    ],
)
def test_the_connection_in_an_address(address: str, conn_id: str | None, plain: str) -> None:
    assert split_connection(address) == (conn_id, plain)


@given(
    st.one_of(st.text(max_size=60), st.none(), st.integers(), st.dictionaries(st.text(max_size=3), st.text()))
)
def test_whatever_comes_is_an_address_or_refused_in_short(value: Any) -> None:
    refusal = ""
    try:
        assert "://" in check_location(value, "source")
    except InvalidArgument as error:
        refusal = str(error)
    assert not refusal or refusal.startswith("`source` is ")
    assert len(refusal) < 1000


# What people put in place of an address, and what the error names.
NO_SOURCES: dict[str, tuple[str, str]] = {
    "one slash": ("http:/example.com/a.jpg", "write `http://`"),
    "one slash, a store": ("s3:/bucket/a.jpg", "write `s3://`"),
    "no colon": ("https//example.com/a.jpg", "write `https://`"),
    "no scheme": ("www.example.com/a.jpg", "without a scheme"),
    "a drive": ("C:\\pictures\\a.jpg", "without a scheme; write s3://"),
    "quotes": ('"https://example.com/a.jpg"', "'\"https' is no scheme"),
    "brackets": ("<https://example.com/a.jpg>", "'<https' is no scheme"),
    "a list as text": ("['s3://bucket/a.jpg']", "is no scheme"),
    "a dict as text": ("{'url': 's3://bucket/a.jpg'}", "is no scheme"),
    "Markdown": ("[a](https://example.com/a.jpg)", "is no scheme"),
    "a browser's own": ("blob:https://example.com/1", "'blob:https' is no scheme"),
    "words before it": ("see https://example.com/a.jpg", "'see https' is no scheme"),
    "two": ("https://example.com/a.jpg, https://example.com/b.jpg", "more than one address"),
    "two, of a store": ("s3://bucket/a.jpg\ns3://bucket/b.jpg", "more than one address"),
    "no host": ("https://", "the host is missing"),
    "no host, a path": ("https:///a.jpg", "the host is missing"),
    "a port that is none": ("https://example.com:99999/a.jpg", "its host or port is malformed"),
    "a host that is none": ("https://[example/a.jpg", "its host or port is malformed"),
    "a password": ("https://user:word@example.com/a.jpg", "with a user name or password"),
    "no key": ("s3://bucket", "the file name is missing"),
}


@pytest.mark.parametrize("name", NO_SOURCES)
def test_what_is_no_source_is_refused_with_the_reason(name: str) -> None:
    address, words = NO_SOURCES[name]
    with pytest.raises(InvalidArgument) as caught:
        check_source(address, "source")
    assert words in str(caught.value)
    assert "user:word" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com",
        "HTTPS://example.com/a b.jpg",
        "https://example.com/?of=https://example.org/a.jpg",
        "http://[::1]:8080/a.jpg",
        "s3://conn@bucket/folder of mine/a.jpg",
        "s3a://bucket/a.jpg",
        "file:///a/b.jpg",
        "custom+scheme.2://bucket/a.jpg",
    ],
)
def test_what_is_a_source_is_returned(address: str) -> None:
    assert check_source(f" {address}\n", "source") == address


@pytest.mark.parametrize("name", ["quotes", "a list as text", "two, of a store", "one slash, a store"])
def test_a_destination_is_held_to_the_same(name: str) -> None:
    address, words = NO_SOURCES[name]
    with pytest.raises(InvalidArgument, match=re.escape(words)):
        check_location(address, "destination")
