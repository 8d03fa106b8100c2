"""The calls of a connection: base URL, key, ids, and what is sent where."""

from __future__ import annotations

import pytest

from kling_airflow.errors import InvalidArgument, Unauthorized
from kling_airflow.gmi.base_url import DEFAULT_BASE_URL, QUEUE_ROOT
from kling_airflow.gmi.call import SUBMIT_TIMEOUTS, CallKind
from kling_airflow.gmi.protocol import Protocol


@pytest.mark.parametrize(
    ("given", "base"),
    [
        (None, DEFAULT_BASE_URL),
        ("", DEFAULT_BASE_URL),
        ("https://queue.example/", "https://queue.example"),
        (f"https://queue.example{QUEUE_ROOT}", "https://queue.example"),
        (f" http://127.0.0.1:8080{QUEUE_ROOT}/ ", "http://127.0.0.1:8080"),
    ],
)
def test_the_base_url_is_normalized(given: str | None, base: str) -> None:
    protocol = Protocol("key", given)
    assert protocol.base_url == base
    assert protocol.check().url == f"{base}{QUEUE_ROOT}/requests"


@pytest.mark.parametrize(
    "given", ["console.gmicloud.ai", "ftp://queue.example", "https://", "https://h/?x=1", "https://u:p@h"]
)
def test_an_unusable_base_url_is_refused(given: str) -> None:
    with pytest.raises(InvalidArgument, match="base URL") as caught:
        Protocol("key", given)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "   ", None, "two words", "line\nbreak", "schlüssel"])
def test_an_unusable_key_is_refused_and_not_shown(key: str | None) -> None:
    with pytest.raises(Unauthorized) as caught:
        Protocol(key)  # type: ignore[arg-type]
    assert not key or not key.strip() or key not in str(caught.value)


def test_the_key_is_in_no_repr() -> None:
    protocol = Protocol("secret-key", None, "org-7")
    assert "secret-key" not in repr(protocol)
    assert "secret-key" not in repr(protocol.check())


@pytest.mark.parametrize("request_id", ["", "  ", None, 7])
def test_a_request_id_is_needed(request_id: object) -> None:
    with pytest.raises(InvalidArgument, match="request_id"):
        Protocol("key").get(request_id)  # type: ignore[arg-type]


def test_a_request_id_is_quoted_in_the_path() -> None:
    assert Protocol("key").get("../models?x").url.endswith("/requests/..%2Fmodels%3Fx")


def test_a_submission_has_180_seconds_and_its_own_kind() -> None:
    call = Protocol("key").submit("m", {"prompt": "p"})
    assert call.kind is CallKind.SUBMIT
    assert call.timeouts == SUBMIT_TIMEOUTS
    assert call.timeouts.total >= 180
    assert "prompt" not in repr(call)


def test_each_response_has_a_size_limit() -> None:
    """A record may echo two frames of 10 MB as Base64, and a page many of them."""
    protocol = Protocol("key")
    assert protocol.submit("m", {}).max_bytes == protocol.models().max_bytes == 4 * 1024 * 1024
    assert protocol.get("a").max_bytes == 32 * 1024 * 1024 > 27_000_000
    assert protocol.list_page("m").max_bytes == 64 * 1024 * 1024


def test_an_id_that_can_not_be_encoded_is_refused() -> None:
    for build in (Protocol("key").get, Protocol("key").model, Protocol("key").list_page):
        with pytest.raises(InvalidArgument, match="can't be encoded"):
            build("\ud800")


@pytest.mark.parametrize("file_type", ["gif", "", "PNG"])
def test_an_unknown_file_type_is_refused(file_type: str) -> None:
    with pytest.raises(InvalidArgument, match="file_type"):
        Protocol("key").upload_url(file_type)
