"""Frames brought to the queue, marked so that their request can be found again."""

from __future__ import annotations

import base64
import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from kling_airflow.errors import (
    DownloadFailed,
    InvalidArgument,
    NotFound,
    StorageFailed,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries
from kling_airflow.simulator import Simulator
from kling_airflow.submission.echo import carries
from kling_airflow.submission.frame_delivery import deliver
from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame, read_source
from tests.media.pictures import HUBBLE, ROCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("delivery")
ORDER_ID = "0123456789abcdef" * 2
START, END = ROCKET.read_bytes(), HUBBLE.read_bytes()


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(render="fast", submit_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def queue(running: Simulator) -> Iterator[GMIClient]:
    running.reset()
    with GMIClient(running.api_key, running.base_url, retries=Retries(attempts=1)) as client:
        yield client


def presign(source: str) -> str:
    return f"https://store/{source.rpartition('/')[2]}?signature=1"


def frame(source: str = "s3://frames/start.jpg", data: bytes = START, how: str = "auto") -> SourceFrame:
    return read_source("image", source, ImageDelivery(how), lambda *_: data, presign, LOG)


def pixels(data: bytes) -> bytes:
    return Image.open(io.BytesIO(data)).tobytes()


def send(queue: Any, frames: dict[str, SourceFrame], how: str, **earlier: Any) -> Any:
    return deliver(
        frames,
        ImageDelivery(how),
        queue,
        LOG,
        **({"order_id": ORDER_ID, "marker": None, "addresses": {}} | earlier),
    )


class TestUploading:
    @pytest.mark.parametrize("how", ["auto", "upload"])
    def test_the_marker_is_the_start_frame_s_address(
        self, queue: GMIClient, running: Simulator, how: str
    ) -> None:
        delivery = send(queue, {"image": frame(), "image_tail": frame(data=END)}, how)
        assert set(delivery.values) == {"image", "image_tail"}
        assert delivery.marker == delivery.values["image"] != delivery.values["image_tail"]
        assert delivery.addresses == delivery.values
        assert carries(delivery.values, delivery.marker)
        assert running.calls()["PUT upload"] == 2

    def test_each_upload_is_unique(self, queue: GMIClient) -> None:
        first, second = (send(queue, {"image": frame()}, "upload") for _ in range(2))
        assert first.marker != second.marker

    @pytest.mark.parametrize("how", ["auto", "upload"])
    def test_what_was_uploaded_before_is_used_again(
        self, queue: GMIClient, running: Simulator, how: str
    ) -> None:
        first = send(queue, {"image": frame()}, how)
        again = send(queue, {"image": frame()}, how, marker=first.marker, addresses=first.addresses)
        assert again == first
        assert running.calls()["PUT upload"] == 1

    def test_a_passing_trouble_is_not_taken_for_a_queue_without_uploads(
        self, queue: GMIClient, running: Simulator
    ) -> None:
        running.faults.add("bad-gateway", call="POST /upload-url", times=9)
        with pytest.raises(Unreachable):
            send(queue, {"image": frame()}, "auto")

    @pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (405, WrongService)])
    def test_upload_alone_insists(
        self, queue: GMIClient, running: Simulator, status: int, kind: type[Exception]
    ) -> None:
        running.faults.add("http-error", call="POST /upload-url", status=status, message="no")
        with pytest.raises(kind):
            send(queue, {"image": frame()}, "upload")


class TestEmbedding:
    def test_the_pixels_stay_and_the_marker_is_inside(self, queue: GMIClient, running: Simulator) -> None:
        delivery = send(queue, {"image": frame(), "image_tail": frame(data=END)}, "base64")
        assert delivery.addresses == {}
        for name, original in (("image", START), ("image_tail", END)):
            sent = base64.b64decode(delivery.values[name])
            assert pixels(sent) == pixels(original)
            assert carries({name: delivery.values[name]}, delivery.marker)
        assert "PUT upload" not in running.calls()

    def test_a_repeated_delivery_carries_the_same_marker(self, queue: GMIClient) -> None:
        first = send(queue, {"image": frame()}, "base64")
        assert send(queue, {"image": frame()}, "base64", marker=first.marker) == first

    def test_two_orders_of_the_same_frame_have_two_markers(self, queue: GMIClient) -> None:
        first, second = (send(queue, {"image": frame()}, "base64") for _ in range(2))
        assert first.marker != second.marker
        assert not carries(first.values, second.marker)

    def test_the_address_of_an_upload_is_no_nonce(self, queue: GMIClient) -> None:
        delivery = send(queue, {"image": frame()}, "base64", marker="https://queue/frame.jpg")
        assert delivery.marker.startswith("kling-airflow-")


class TestPassingOn:
    def test_a_url_is_passed_on_and_a_store_presigns(self, queue: GMIClient) -> None:
        frames = {"image": frame("HTTPS://site/a.jpg?key=1", how="url"), "image_tail": frame(how="url")}
        delivery = send(queue, frames, "url")
        assert delivery.values == {
            "image": "HTTPS://site/a.jpg?key=1",
            "image_tail": "https://store/start.jpg?signature=1",
        }
        assert delivery.marker is None
        assert delivery.addresses == {}

    @pytest.mark.parametrize(
        ("sources", "embedded"),
        [
            (["https://site/a.jpg"], False),
            (["https://site/a.jpg", "https://site/b.jpg"], False),
            (["https://site/a.jpg", "s3://frames/b.jpg"], True),
            (["http://site/a.jpg"], True),
            (["s3://frames/a.jpg"], True),
        ],
    )
    def test_a_queue_without_uploads(
        self, queue: GMIClient, running: Simulator, sources: list[str], embedded: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        running.faults.add("http-error", call="POST /upload-url", status=404, message="no", times=9)
        frames = dict(zip(("image", "image_tail"), map(frame, sources), strict=False))
        delivery = send(queue, frames, "auto")
        assert "What is lost" in caplog.text
        if embedded:
            assert carries(delivery.values, delivery.marker)
        else:
            assert list(delivery.values.values()) == sources
            assert delivery.marker is None


class TestReading:
    def test_a_frame_is_told_by_its_content(self) -> None:
        assert frame("s3://a/a.jpg").identity == frame("https://b/b.jpg?signature=2").identity
        assert frame(data=END).identity != frame().identity

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
