"""Every call over real HTTP, over both transports: requests and aiohttp."""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import (
    AmbiguousSubmission,
    GMIError,
    NotAccepted,
    NotFound,
    Rejected,
    Unauthorized,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi.call import Timeouts
from kling_airflow.gmi.protocol import Protocol
from kling_airflow.gmi.request import Status
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.simulator import Simulator
from tests.gmi.clients import KEY, AsyncFace, SyncFace
from tests.gmi.scripted import answer, reset, scripted, trickle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Face = type[SyncFace]
RECORD = json.dumps({"request_id": "a", "status": "queued"})
PAYLOAD = {"prompt": "rise", "image": "https://stills.example/rocket.jpg"}


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["requests", "aiohttp"])
def face(request: pytest.FixtureRequest) -> Face:
    kind: Face = request.param
    return kind


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=600, render="fast") as simulator:
        yield simulator


@pytest.fixture
def rocket() -> bytes:
    from importlib.resources import files

    return (files("kling_airflow.demo") / "frames" / "rocket.jpg").read_bytes()


class TestAgainstTheSimulator:
    def test_from_frame_to_clip(self, face: Face, simulator: Simulator, rocket: bytes) -> None:
        queue = face(simulator.base_url, simulator.api_key)
        queue.call("check")
        image = queue.call("upload", rocket, "jpeg")
        payload = {"prompt": "rise", "image": image, "duration": "3", "sound": "off"}
        request = queue.call("submit", IMAGE_TO_VIDEO, payload)
        assert not request.status.terminal

        while not (request := queue.call("get", request.request_id)).status.terminal:
            pass
        assert request.status is Status.SUCCESS
        assert request.outcome.video_url
        assert request.payload["image"] == image
        assert request.clip().to_json()["cost_usd"] == pytest.approx(0.504)

    def test_the_list_has_each_request_once_newest_first(
        self, face: Face, simulator: Simulator, rocket: bytes
    ) -> None:
        queue = face(simulator.base_url, simulator.api_key)
        simulator.reset()
        payload = PAYLOAD | {"image": queue.call("upload", rocket, "jpeg")}
        made = [queue.call("submit", IMAGE_TO_VIDEO, payload).request_id for _ in range(5)]

        page = queue.call("list_page", IMAGE_TO_VIDEO, limit=2)
        assert [request.request_id for request in page.requests] == made[:2:-1]
        assert page.has_more is True
        everything = queue.call("list_requests", IMAGE_TO_VIDEO, limit=2)
        assert [request.request_id for request in everything] == made[::-1]

    def test_the_catalog(self, face: Face, simulator: Simulator) -> None:
        queue = face(simulator.base_url, simulator.api_key)
        assert IMAGE_TO_VIDEO in queue.call("models")
        assert queue.call("model", IMAGE_TO_VIDEO)["price_info"]["price"] == 168_000

    def test_cancel(self, face: Face, simulator: Simulator, rocket: bytes) -> None:
        queue = face(simulator.base_url, simulator.api_key)
        payload = PAYLOAD | {"image": queue.call("upload", rocket, "jpeg")}
        request = queue.call("submit", IMAGE_TO_VIDEO, payload)
        assert queue.call("cancel", request.request_id) is True
        assert queue.call("get", request.request_id).status is Status.CANCELLED
        assert queue.call("cancel", "no-such-request") is False

    def test_each_refusal_has_its_error(self, face: Face, simulator: Simulator) -> None:
        queue = face(simulator.base_url, simulator.api_key)
        with pytest.raises(Rejected, match="image"):
            queue.call("submit", IMAGE_TO_VIDEO, {"prompt": "rise"})
        with pytest.raises(NotFound, match="no-such-model"):
            queue.call("submit", "no-such-model", PAYLOAD)
        with pytest.raises(NotFound):
            queue.call("get", "00000000-0000-4000-8000-000000000000")
        with pytest.raises(Unauthorized):
            face(simulator.base_url, "another-key").call("check")


class TestTheClockOfTheQueue:
    DATE = "Mon, 23 Nov 2026 05:00:00 GMT"

    @pytest.mark.parametrize(
        ("call", "arguments"),
        [("get", ("a",)), ("submit", (IMAGE_TO_VIDEO, PAYLOAD)), ("list_page", (IMAGE_TO_VIDEO,))],
    )
    @pytest.mark.parametrize(("headers", "served_at"), [({"Date": DATE}, 1795410000.0), ({}, None)])
    def test_each_response_has_the_time_by_the_queues_clock(
        self, face: Face, call: str, arguments: Any, headers: dict[str, str], served_at: float | None
    ) -> None:
        body = json.dumps({"requests": [json.loads(RECORD)]}) if call == "list_page" else RECORD
        with scripted(answer(200, body, **headers)) as server:
            result = face(server.url).call(call, *arguments)
        assert result.served_at == served_at
        if call == "list_page":
            assert result.requests[0].served_at == served_at


class TestRepeating:
    @pytest.mark.parametrize("bad", [answer(429), answer(502, "<html>"), answer(500, "{}"), reset])
    def test_a_failed_read_is_repeated(self, face: Face, bad: Any) -> None:
        with scripted(bad, bad, answer(200, RECORD)) as server:
            assert face(server.url).call("get", "a").request_id == "a"
        assert len(server.requests) == 3

    def test_the_number_of_repeats_is_bounded(self, face: Face) -> None:
        with scripted(answer(502, "<html>")) as server, pytest.raises(Unreachable, match="502"):
            face(server.url).call("get", "a")
        assert len(server.requests) == 3

    def test_a_permanent_refusal_is_not_repeated(self, face: Face) -> None:
        with scripted(answer(401)) as server, pytest.raises(Unauthorized):
            face(server.url).call("get", "a")
        assert len(server.requests) == 1

    def test_retry_after_sets_the_pause(self, face: Face) -> None:
        import time

        with scripted(answer(429, Retry_After="1"), answer(200, RECORD)) as server:
            began = time.monotonic()
            face(server.url).call("get", "a")
        assert time.monotonic() - began >= 1

    def test_a_long_retry_after_is_raised_to_the_caller(self, face: Face) -> None:
        with scripted(answer(429, Retry_After="600")) as server, pytest.raises(Unreachable) as caught:
            face(server.url).call("get", "a")
        assert len(server.requests) == 1
        assert caught.value.retry_after == 600

    @pytest.mark.parametrize(
        ("step", "kind"),
        [
            (answer(429, Retry_After="0"), NotAccepted),
            (answer(503, '{"error": "Upstream capacity temporarily exhausted"}'), NotAccepted),
            (answer(502, "<html>"), AmbiguousSubmission),
            (answer(500, '{"error": "context deadline exceeded"}'), AmbiguousSubmission),
            (answer(200, "{}"), AmbiguousSubmission),
            (answer(307, Location="/elsewhere"), WrongService),
            (reset, AmbiguousSubmission),
        ],
    )
    def test_a_submission_is_sent_once(self, face: Face, step: Any, kind: type[GMIError]) -> None:
        with scripted(step, answer(200, RECORD)) as server, pytest.raises(kind):
            face(server.url).call("submit", IMAGE_TO_VIDEO, PAYLOAD)
        assert len(server.requests) == 1

    def test_a_failed_upload_starts_again_with_another_address(self, face: Face) -> None:
        with scripted() as store:
            pair = json.dumps({"upload_url": f"{store.url}/put?signature=s", "public_url": "https://p/f.png"})
        steps = (answer(403, "<Error/>", Content_Type="application/xml"), answer(200, ""))
        with scripted(*steps) as store:
            pair = json.dumps({"upload_url": f"{store.url}/put?signature=s", "public_url": "https://p/f.png"})
            with scripted(answer(200, pair)) as queue:
                assert face(queue.url).call("upload", b"png", "png") == "https://p/f.png"
        assert len(queue.requests) == 2


class TestTheConnection:
    def test_a_refused_connection_means_never_sent(self, face: Face) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(NotAccepted, match="did not reach"):
            face(url).call("submit", IMAGE_TO_VIDEO, PAYLOAD)

    def test_an_unknown_host_means_never_sent(self, face: Face) -> None:
        with pytest.raises(NotAccepted):
            face("http://no-such-host.invalid").call("submit", IMAGE_TO_VIDEO, PAYLOAD)

    def test_the_whole_response_has_a_deadline(self, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "kling_airflow.gmi.protocol.SUBMIT_TIMEOUTS", Timeouts(connect=1, read=1, total=0.5)
        )
        with scripted(trickle) as server, pytest.raises(AmbiguousSubmission):
            face(server.url).call("submit", IMAGE_TO_VIDEO, PAYLOAD)

    def test_a_too_large_response_is_not_read_further(
        self, face: Face, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = Protocol.get
        monkeypatch.setattr(Protocol, "get", lambda *given: replace(whole(*given), max_bytes=1000))
        with (
            scripted(answer(200, b" " * 5000)) as server,
            pytest.raises(Unreachable, match="larger than 1000"),
        ):
            face(server.url).call("get", "a")

    def test_a_redirect_is_never_followed_with_the_key(self, face: Face) -> None:
        with scripted(answer(200, RECORD)) as other:
            step = answer(302, Location=f"{other.url}/api")
            with scripted(step) as server, pytest.raises(Unreachable):
                face(server.url).call("get", "a")
        assert other.requests == []

    def test_the_key_goes_with_every_call_but_the_put(self, face: Face) -> None:
        with scripted(answer(200, "")) as store:
            pair = json.dumps({"upload_url": f"{store.url}/put", "public_url": "https://p/f.png"})
            with scripted(answer(200, pair)) as queue:
                face(queue.url, organization_id="org-7").call("upload", b"png", "png")
        assert f"Authorization: Bearer {KEY}".encode() in queue.requests[0]
        assert b"X-Organization-ID: org-7" in queue.requests[0]
        assert KEY.encode() not in store.requests[0]
        assert b"org-7" not in store.requests[0]
        assert b"Content-Type: image/png" in store.requests[0]

    def test_a_netrc_entry_does_not_replace_the_key(
        self, face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login other password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        with scripted(answer(200, RECORD)) as server:
            face(server.url).call("get", "a")
        assert f"Authorization: Bearer {KEY}".encode() in server.requests[0]

    @pytest.mark.parametrize("step", [answer(401, f'{{"error": "bad key {KEY}"}}'), reset, answer(500, KEY)])
    def test_the_key_is_never_shown(self, face: Face, step: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with scripted(step) as server, pytest.raises(GMIError) as caught:
            face(server.url).call("get", "a")
        assert KEY not in str(caught.value)
        assert KEY not in repr(caught.value)
        assert KEY not in caplog.text
