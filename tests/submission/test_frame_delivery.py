"""Frames brought to the queue, marked so that their request can be found again."""

from __future__ import annotations

import base64
import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from kling_airflow.errors import (
    NotFound,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries
from kling_airflow.simulator import Simulator
from kling_airflow.submission.echo import carries
from kling_airflow.submission.frame_delivery import deliver
from kling_airflow.submission.marks import order_ids
from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame, read_source
from tests.media.pictures import HUBBLE, ROCKET
from tests.submission.bench import read_public_frame

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

    def test_each_frame_carries_the_order_s_id(self, queue: GMIClient) -> None:
        delivery = send(queue, {"image": frame(), "image_tail": frame(data=END)}, "upload")
        for source, address in zip((START, END), delivery.values.values(), strict=True):
            picture = read_public_frame(address)
            assert order_ids(picture) == {ORDER_ID}
            assert pixels(picture) == pixels(source)

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
