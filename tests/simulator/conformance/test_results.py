"""Section "Results" of the wire contract."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
import requests
from PIL import Image
from requests.exceptions import ChunkedEncodingError

from kling_airflow.simulator import Simulator
from tests.simulator.client import Queue
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Slow


@pytest.fixture
def record(queue: Queue) -> dict[str, Any]:
    return queue.finished(queue.submit(sound="on"))


@row("The clip's URL is public: no key, direct 200", "seen")
def test_clip_is_public(queue: Queue, record: dict[str, Any]) -> None:
    url = record["outcome"]["media_urls"][0]["url"]
    answer = requests.get(url, allow_redirects=False, timeout=5)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert urlsplit(url).path.startswith("/gmi-video-assests-prod/")


@row("... without CORS", "seen")
def test_no_cors(queue: Queue, record: dict[str, Any]) -> None:
    answer = queue.clip(record, headers={"Origin": "https://example.com"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@row("Send it no key: it is refused", "seen")
def test_clip_refuses_a_key(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    assert queue.clip(record, headers={"Authorization": f"Bearer {sim.api_key}"}).status_code == 401


@row("A clip of 5 s lasts 5.04 s: 121 frames at 24 a second", "seen")
@pytest.mark.parametrize("seconds", [3, 5])
def test_clip_length(queue: Queue, seconds: int) -> None:
    answer = queue.clip(queue.finished(queue.submit(duration=str(seconds))))
    with av.open(io.BytesIO(answer.content), "r") as container:
        (video,) = container.streams.video
        assert len(container.streams) == 1
        assert container.duration is not None
        assert video.frames == seconds * 24 + 1
        assert video.average_rate == 24
        assert round(container.duration / 1e6, 2) == round((seconds * 24 + 1) / 24, 2)


@row("With sound the clip has an audio track", "doc")
def test_clip_with_sound(queue: Queue, record: dict[str, Any]) -> None:
    with av.open(io.BytesIO(queue.clip(record).content)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


@row("The thumbnail is an image", "doc, seen")
def test_thumbnail(record: dict[str, Any]) -> None:
    answer = requests.get(record["outcome"]["thumbnail_image_url"], timeout=5)
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"


@row("Parts of the clip can be asked for: Range, 206, 416, HEAD", "assumed")
def test_range(queue: Queue, record: dict[str, Any]) -> None:
    whole = queue.clip(record).content
    size = len(whole)
    for header, part in (
        ("bytes=0-9", whole[:10]),
        (f"bytes={size - 5}-", whole[-5:]),
        ("bytes=-7", whole[-7:]),
        (f"bytes=10-{size * 2}", whole[10:]),
        (f"bytes=-{size * 2}", whole),
    ):
        answer = queue.clip(record, headers={"Range": header})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"].endswith(f"/{size}")
    for header in (f"bytes={size}-", "bytes=-0"):
        refused = queue.clip(record, headers={"Range": header})
        assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{size}")
    for nonsense in ("bytes=9-1", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=0-1,4-5"):
        assert queue.clip(record, headers={"Range": nonsense}).status_code == 200
    head = requests.head(record["outcome"]["media_urls"][0]["url"], timeout=5)
    assert (head.status_code, int(head.headers["content-length"]), head.content) == (200, size, b"")


@row("Lifetime is undocumented: it can be gone after a time", "assumed")
def test_media_gone(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("media-gone", after=3600)
    request_id = queue.submit()
    clock.advance(200)
    record = queue.finished(request_id)
    assert queue.clip(record).status_code == 200
    clock.advance(3601)
    assert queue.clip(record).status_code == 404


@row("It can be moved: a redirect", "assumed")
def test_media_moved(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    sim.faults.add("media-moved")
    answer = queue.clip(record)
    assert [step.status_code for step in answer.history] == [302]
    assert answer.status_code == 200


@row("It can break off: Content-Length says more than comes", "assumed")
def test_media_cut_off(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    whole = queue.clip(record).content
    sim.faults.add("media-cut-off", share=0.5)
    with pytest.raises(ChunkedEncodingError, match="IncompleteRead"):
        queue.clip(record)
    assert queue.clip(record).content == whole


@row("It can be short: Content-Length says what comes, and it is not the clip", "assumed")
def test_media_short(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    whole = queue.clip(record).content
    sim.faults.add("media-short", share=0.5)
    short = queue.clip(record)
    assert int(short.headers["content-length"]) == len(short.content) == len(whole) // 2
    assert whole.startswith(short.content)


@row("It can be corrupt", "assumed")
def test_media_corrupt(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    whole = queue.clip(record).content
    sim.faults.add("media-corrupt")
    corrupt = queue.clip(record).content
    assert len(corrupt) == len(whole)
    with pytest.raises(av.error.FFmpegError):
        av.open(io.BytesIO(corrupt))


@row("It can be slow", "assumed")
def test_media_slow(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    whole = queue.clip(record).content
    sim.faults.add("media-slow", bytes_per_second=len(whole) * 4)
    answer = queue.clip(record, stream=True)
    begin = answer.elapsed.total_seconds()
    assert b"".join(answer.iter_content(1024)) == whole
    assert begin < 0.2


@row("Range may not be understood: 200 and the whole clip", "assumed")
def test_media_no_range(sim: Simulator, queue: Queue, record: dict[str, Any]) -> None:
    sim.faults.add("media-no-range")
    answer = queue.clip(record, headers={"Range": "bytes=10-"})
    assert (answer.status_code, answer.content) == (200, queue.clip(record).content)


@row("There is no clip before it is done, and none of a failed request", "seen")
def test_no_clip_before_it_is_done(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.fail_next("no")
    failed, running = queue.submit(), queue.submit()
    clock.advance(100)
    for request_id in (failed, running, "nobody"):
        url = f"{simulator.base_url}/gmi-video-assests-prod/{request_id}.mp4"
        assert requests.get(url, timeout=5).status_code == 404
    clock.advance(100)
    queue.finished(failed)
    assert (
        requests.get(f"{simulator.base_url}/gmi-video-assests-prod/{failed}.mp4", timeout=5).status_code
        == 404
    )
