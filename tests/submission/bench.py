"""A real simulator on a clock moved by hand, and what a test needs to order something from it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest

from kling_airflow.errors import KlingError
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries
from kling_airflow.media.download import DownloadLimits, read_url
from kling_airflow.simulator import ManualClock, Simulator
from kling_airflow.submission.frame_delivery import deliver
from kling_airflow.submission.ledger import Ledger, MemoryLedger
from kling_airflow.submission.lost_memory import LostMemory
from kling_airflow.submission.order import DeliveredFrames, Order, SubmitLater
from kling_airflow.submission.record import fingerprint
from kling_airflow.submission.source_frame import ImageDelivery, read_source
from kling_airflow.submission.submit import Submitter

MODEL = "kling-v3-image-to-video"
LOG = logging.getLogger("recover")


class Unclaiming(MemoryLedger):
    """A ledger that can't claim, as a task's state store can't."""

    def claim(self, request_id: str, owner: str) -> None:  # type: ignore[override]
        """Can't tell."""


class Passed:
    """A frame whose address is passed on."""

    def __init__(self, url: str) -> None:
        self.identity, self.url = f"address:{url}", url

    def address(self) -> str:
        return self.url


def read_public_frame(url: str) -> bytes:
    """Return a picture at a public address."""
    return read_url(url, DownloadLimits(max_bytes=10_000_000, deadline=20))


class Bench:
    """A queue, a clock, and what a test needs to order."""

    def __init__(self, simulator: Simulator, clock: ManualClock) -> None:
        self.simulator, self.clock = simulator, clock
        self.client = GMIClient(simulator.api_key, simulator.base_url, retries=Retries(attempts=1))
        self.client.queue_clock.elapsed = clock.now
        rocket = (files("kling_airflow.demo") / "frames" / "rocket.jpg").read_bytes()
        self.image = self.client.upload(rocket, "jpeg")
        self.strangers_image = self.client.upload(rocket, "jpeg")
        self.ledger: Any = MemoryLedger()
        self.began_at = clock.now()

    def order(self, fingerprint: str = "f" * 64, *, marked: bool = True, prompt: str = "rise") -> Order:
        payload = {"prompt": prompt, "image": self.image, "duration": "3", "sound": "off"}

        def deliver(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
            if marked:
                return DeliveredFrames({"image": self.image}, self.image, {"image": self.image})
            return DeliveredFrames({"image": self.image})

        fields = {name: value for name, value in payload.items() if name != "image"}
        return Order(MODEL, fingerprint, 1, deliver, lambda _: payload, fields, {"image": Passed(self.image)})

    def picture_order(
        self, picture: bytes, *, prompt: str = "rise", how: str = "upload", source: str = "s3://frames/a.jpg"
    ) -> Order:
        """Return an order as the operator makes it: its frame is read, marked and delivered."""
        delivery = ImageDelivery(how)
        frame = read_source("image", source, delivery, lambda *_: picture, lambda uri: uri, LOG)
        fields = {"prompt": prompt, "duration": "3", "sound": "off"}
        identity = {"image": frame.identity}
        print_ = fingerprint(MODEL, fields, identity, base_url="http://q", organization_id=None)

        def bring(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
            frames = {"image": frame}
            return deliver(
                frames, delivery, self.client, LOG, order_id=order_id, marker=marker, addresses=addresses
            )

        return Order(MODEL, print_, 1, bring, lambda values: {**fields, **values}, fields, {"image": frame})

    def memory(self, **known: Any) -> LostMemory:
        """Return what a task knows after a clear that discarded its store."""
        return LostMemory(**({"since": self.began_at - 300, "read_frame": read_public_frame} | known))

    def submitter(self, **settings: Any) -> Submitter:
        now = self.clock.now
        settings = {"until": now() + 3600, "now": now, "sleep": self.clock.advance} | settings
        return Submitter(self.client, self.ledger, LOG, **settings)

    def stranger(self) -> None:
        self.client.submit(MODEL, {"prompt": "another", "image": self.strangers_image, "duration": "3"})

    def lose_the_answer(self, order: Order, *, created: bool) -> None:
        """Leave a record that is ``sending``, with the list unreadable until the grace is half over."""
        self.simulator.faults.add("reset-after" if created else "reset-before", call="POST /requests")
        self.simulator.faults.add("list-empty", for_seconds=300)
        with pytest.raises(SubmitLater):
            self.submitter(sleep=lambda seconds: None).submit(order)
        self.simulator.faults.clear()

    def bought(self) -> list[str]:
        return [entry.request_id for entry in self.simulator.ledger()]

    def run(self, order: Order, ledger: Ledger, **settings: Any) -> Any:
        """Submit as a task does that comes back from each pause; return the result, or the error."""
        self.ledger = ledger
        for _ in range(100):
            try:
                return self.submitter(**settings).submit(order)
            except SubmitLater as pause:
                self.clock.advance(pause.seconds)
            except KlingError as error:
                return error
        raise AssertionError("it comes back for ever")


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Simulator, ManualClock]]:
    clock = ManualClock(time.time())
    settings: dict[str, Any] = {"render": "fast", "submit_seconds": 0, "generation_seconds": 100}
    settings |= {"fetch_frames": False}  # passed-on addresses lead nowhere
    with Simulator(clock=clock, **settings) as simulator:
        yield simulator, clock


@pytest.fixture
def bench(running: tuple[Simulator, ManualClock]) -> Bench:
    running[0].reset()
    return Bench(*running)
