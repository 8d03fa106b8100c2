"""A frame as the user gave it: read, checked and identified."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from kling_airflow.errors import DownloadFailed, InvalidArgument, StorageFailed
from kling_airflow.media.image_comment import with_comment
from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame, read_source
from tests.media.pictures import HUBBLE, ROCKET

LOG = logging.getLogger("delivery")
START, END = ROCKET.read_bytes(), HUBBLE.read_bytes()


def presign(source: str) -> str:
    return f"https://store/{source.rpartition('/')[2]}?signature=1"


def frame(source: str = "s3://frames/start.jpg", data: bytes = START, how: str = "auto") -> SourceFrame:
    return read_source("image", source, ImageDelivery(how), lambda *_: data, presign, LOG)


class TestReading:
    def test_a_frame_is_told_by_its_content(self) -> None:
        assert frame("s3://a/a.jpg").identity == frame("https://b/b.jpg?signature=2").identity
        assert frame(data=END).identity != frame().identity
        assert frame(data=with_comment(START, "retouched")).identity == frame().identity

    @pytest.mark.parametrize("readable", [True, False])
    def test_a_frame_that_is_passed_on_is_told_by_its_whole_address(self, *, readable: bool) -> None:
        """`?asset=a` and `?asset=b` are two pictures; another signature is the same one."""
        gone = DownloadFailed("403")

        def passed_on(query: str) -> str:
            source = f"https://img.example/render{query}"
            made = frame(source, how="url") if readable else self.read(source, gone, "url")
            return made.identity

        assert passed_on("?asset=a") != passed_on("?asset=b")
        assert passed_on("?asset=a&X-Amz-Signature=1") == passed_on("?asset=a&X-Amz-Signature=2")
        assert passed_on("?asset=a").startswith("address:")

    def test_its_bytes_are_not_shown(self) -> None:
        assert len(repr(frame())) < 400

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            (None, "`image` is None"),
            ("  ", "`image` is '  '"),
            (5, "`image` is 5"),
            ("start.jpg", "has no scheme"),
            ("data:image/png;base64,AAAA", 'image_delivery="base64"'),
        ],
    )
    def test_what_is_no_source(self, source: Any, words: str) -> None:
        with pytest.raises(InvalidArgument, match=words):
            frame(source)

    def test_what_is_no_frame(self) -> None:
        with pytest.raises(InvalidArgument, match=r"`image` \(s3://b/a.jpg\) is no frame") as caught:
            frame("s3://b/a.jpg?secret=1", b"no picture")
        assert "secret" not in str(caught.value)

    def read(self, source: str, error: Exception, how: str) -> SourceFrame:
        def fail(*_: str) -> bytes:
            raise error

        return read_source("image", source, ImageDelivery(how), fail, presign, LOG)

    @pytest.mark.parametrize("how", ["auto", "upload", "base64"])
    def test_a_store_that_fails_is_for_a_retry_and_costs_nothing(self, how: str) -> None:
        with pytest.raises(StorageFailed, match=r"away\. No money was spent"):
            self.read("s3://b/a.jpg", StorageFailed("The store is away."), how)

    def test_a_malformed_address_is_final(self) -> None:
        with pytest.raises(InvalidArgument, match="no such scheme"):
            self.read("xx://b/a.jpg", InvalidArgument("no such scheme"), "auto")

    def test_a_url_that_only_the_queue_can_read_is_passed_on(self, caplog: pytest.LogCaptureFixture) -> None:
        gone = DownloadFailed("403")
        first = self.read("https://site/a.jpg?signature=1", gone, "url")
        again = self.read("https://site/a.jpg?signature=2", gone, "url")
        assert first.identity == again.identity, "a new signature is no new frame"
        assert first.identity != self.read("https://site/b.jpg", gone, "url").identity
        assert "passed on unchecked" in caplog.text
        with pytest.raises(DownloadFailed):
            self.read("https://site/a.jpg", gone, "upload")
        with pytest.raises(DownloadFailed):
            self.read("s3://b/a.jpg", gone, "url")


@pytest.mark.parametrize("word", ["auto", " Upload ", "BASE64", ImageDelivery.URL])
def test_words_for_a_delivery(word: str) -> None:
    assert ImageDelivery.read(word) == word.strip().lower()


def test_no_other_word() -> None:
    with pytest.raises(InvalidArgument, match="`image_delivery` is 'post'; it must be one of auto, upload"):
        ImageDelivery.read("post")
