"""The sibling models: what they take, what they cost, what they answer."""

from __future__ import annotations

import http.server
import json
import queue as queues
import threading
from typing import Any

import pytest
import requests

from kling_airflow.simulator import Simulator
from tests.simulator.client import FRAME, Queue, message
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Started
from tests.simulator.movies import movie

OMNI = "kling-v3-omni"
ELEMENT = "kling-create-element"
FACES = "kling-identify-face"
MOTION = "kling-3-motion-control"
SPEECH = "inworld-tts-1.5-max"
PLAIN: dict[str, Any] = {"prompt": "p", "aspect_ratio": "16:9"}
SHOTS: dict[str, Any] = {
    "multi_shot": True,
    "shot_type": "customize",
    "multi_prompt": [
        {"index": 1, "prompt": "a", "duration": "2"},
        {"index": 2, "prompt": "b", "duration": "3"},
    ],
    "duration": "5",
    "aspect_ratio": "16:9",
}
HERO = {
    "element_name": "hero",
    "element_description": "A pilot in a red suit.",
    "frontal_image": FRAME,
    "refer_images": [FRAME],
}
FIRST = {"image_url": FRAME, "type": "first_frame"}
END = {"image_url": FRAME, "type": "end_frame"}
OTHER = {"image_url": FRAME}


@pytest.fixture
def video(queue: Queue) -> str:
    """The address of a video of 4 s."""
    return queue.upload(movie(4), "mp4", "video/mp4")


def refused(queue: Queue, payload: dict[str, Any], model: str = OMNI) -> str:
    """The text of a refusal that costs nothing."""
    answer = queue.post(payload, model)
    assert answer.status_code == 400, answer.text
    return message(answer)


@row("`kling-v3-omni`: `image_list` of objects with `image_url` and `type`, `element_list`, shots", "doc")
@pytest.mark.parametrize(
    "payload",
    [
        PLAIN,
        PLAIN | {"image_list": [OTHER] * 7},
        {"prompt": "p", "image_list": [FIRST]},
        {"prompt": "p", "image_list": [END, OTHER, FIRST]},
        SHOTS,
        SHOTS | {"prompt": "p", "sound": "on", "mode": "std"},
    ],
)
def test_omni(queue: Queue, payload: dict[str, Any]) -> None:
    assert queue.finished(queue.submit(OMNI, **payload))["status"] == "success"


@row("... its end frame is the image of that type, wherever it stands in the list", "doc")
def test_omni_end_frame(sim: Simulator, queue: Queue) -> None:
    queue.submit(OMNI, prompt="p", image_list=[END, OTHER, FIRST])
    page = requests.get(f"{sim.base_url}/_simulator/overview", timeout=5).json()["requests"][0]["frames"]
    assert [path.rpartition("/")[2] for path in page] == ["start", "end"]


@row("... its rules: each is a 400, before money is held", "doc")
@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"aspect_ratio": "16:9"}, "prompt (Required"),
        (PLAIN | {"prompt": "x" * 2501}, "prompt (Value must be at most 2500"),
        ({"prompt": "p"}, "aspect_ratio (Required"),
        (PLAIN | {"aspect_ratio": "4:3"}, "aspect_ratio (Value must be one of the allowed options"),
        (PLAIN | {"mode": "4k"}, "mode (Value must be one of the allowed options: std, pro"),
        (PLAIN | {"duration": "16"}, "duration (Value must be one of the allowed options"),
        (PLAIN | {"image_list": [OTHER] * 8}, "At most 7 images and elements"),
        (PLAIN | {"image_list": [FRAME]}, "image_list (Value must be a list of objects"),
        (PLAIN | {"image_list": "text"}, "image_list (Value must be a list of objects"),
        (PLAIN | {"image_list": [FIRST, FIRST]}, "image_list (Each type"),
        (PLAIN | {"image_list": [{"image_url": FRAME, "type": "style"}]}, "image_list (Each type"),
        (PLAIN | {"image_list": [END]}, "image_list (An end_frame needs"),
        (PLAIN | {"image_list": [{"type": "first_frame"}]}, "image_list (Each image needs"),
        (PLAIN | {"element_list": [{}]}, "element_list (Each element needs"),
        (PLAIN | {"video_list": [{"video_url": "https://v"}], "sound": "on"}, "sound (Value must be off"),
        (
            PLAIN | {"video_list": [{"video_url": "https://v"}], "image_list": [OTHER] * 5},
            "At most 4 images and elements",
        ),
        (PLAIN | {"video_list": [{"video_url": "https://v"}] * 2}, "video_list (At most 1"),
        (PLAIN | {"video_list": [{"video_url": "https://v", "refer_type": "x"}]}, "refer_type must be"),
        (SHOTS | {"duration": "6"}, "multi_prompt (The durations must add up"),
        (SHOTS | {"multi_prompt": [{"prompt": "a", "duration": "1"}] * 7}, "multi_prompt (1 to 6 shots"),
        (
            SHOTS | {"multi_prompt": [{"prompt": "x" * 513, "duration": "5"}]},
            "multi_prompt (Each prompt must have 1 to 512",
        ),
        (SHOTS | {"multi_prompt": [{"prompt": "a", "duration": "0"}]}, "multi_prompt (Each duration"),
        (SHOTS | {"multi_prompt": None}, "multi_prompt (Required"),
        (PLAIN | {"prompt": "<<<element_1>>> waves"}, "element_list (The prompt names element_1"),
    ],
)
def test_omni_rules(sim: Simulator, queue: Queue, payload: dict[str, Any], text: str) -> None:
    assert text in refused(queue, payload)
    assert sim.ledger() == []


@row("... an edited video needs no `aspect_ratio`; a video is 3 to 10 s long", "doc")
def test_omni_video(started: Started) -> None:
    simulator, queue = started(unreachable_frames="refused")
    for seconds, status in ((2, 400), (4, 200), (11, 400)):
        url = queue.upload(movie(seconds), "mp4", "video/mp4")
        answer = queue.post({"prompt": "p", "video_list": [{"video_url": url, "refer_type": "base"}]}, OMNI)
        assert answer.status_code == status, answer.text
    assert [entry.amount_usd for entry in simulator.ledger()] == [1.68], "of the longest video (assumed)"


@row("... its price a second by `mode`, `sound` and `video_list`", "doc")
@pytest.mark.parametrize(
    ("payload", "usd"),
    [
        ({}, 0.56),
        ({"mode": "pro", "sound": "on"}, 0.70),
        ({"mode": "std"}, 0.42),
        ({"mode": "std", "sound": "on", "duration": "10"}, 1.12),
        ({"video": "feature"}, 0.84),
        ({"video": "feature", "mode": "std"}, 0.63),
    ],
)
def test_omni_price(sim: Simulator, queue: Queue, video: str, payload: dict[str, str], usd: float) -> None:
    role = payload.get("video")
    given: dict[str, Any] = {name: value for name, value in payload.items() if name != "video"}
    if role:
        given["video_list"] = [{"video_url": video, "refer_type": role}]
    queue.submit(OMNI, **PLAIN | given)
    assert sim.ledger()[0].amount_usd == usd
    described = queue.call("GET", f"/models/{OMNI}").json()
    assert described["price_info"]["price"] == 112_000, "of the default mode (assumed)"


@row("`kling-create-element`: name, description, 1 to 3 `refer_images`; answers `outcome.element_id`", "doc")
def test_element(sim: Simulator, queue: Queue) -> None:
    record = queue.finished(queue.submit(ELEMENT, **HERO))
    assert set(record["outcome"]) == {"element_id"}
    assert sim.ledger()[0].amount_usd == 0
    element = {"element_id": record["outcome"]["element_id"]}
    clip = queue.submit(OMNI, **PLAIN | {"prompt": "<<<element_1>>> waves", "element_list": [element]})
    assert queue.finished(clip)["status"] == "success"
    for wrong, text in (
        ({"element_name": "x" * 21}, "element_name (Value must be at most 20"),
        ({"element_description": "x" * 101}, "element_description (Value must be at most 100"),
        ({"refer_images": [FRAME] * 4}, "refer_images (1 to 3 images"),
        ({"refer_images": []}, "refer_images (1 to 3 images"),
        ({"frontal_image": ""}, "frontal_image (Required"),
    ):
        assert text in refused(queue, HERO | wrong, ELEMENT)


@row(
    "An element that was not made here, or by another organization, is refused as the vendor's 400", "assumed"
)
def test_unknown_element(sim: Simulator, queue: Queue) -> None:
    answer = queue.post(PLAIN | {"element_list": [{"element_id": "7"}]}, OMNI)
    assert (answer.status_code, message(answer)) == (500, "Backend error (400). Please try again.")
    assert [entry.billed for entry in sim.ledger()] == [False]


@row("`kling-identify-face` answers at once: `outcome.data.{session_id, face_data}`", "doc")
def test_faces(sim: Simulator, queue: Queue, video: str) -> None:
    answer = queue.post({"video_url": video}, FACES)
    data = answer.json()["outcome"]["data"]
    face = data["face_data"][0]
    assert set(face) == {"face_id", "face_image", "start_time", "end_time"}
    assert requests.get(face["face_image"], timeout=5).headers["content-type"] == "image/png"
    assert sim.ledger()[0].amount_usd == 0.05
    chosen = [{"face_id": face["face_id"], "sound_file": "https://s/a.mp3"}]
    synced = queue.submit("kling-lip-sync", session_id=data["session_id"], face_choose=chosen)
    assert queue.finished(synced)["outcome"]["media_urls"]
    assert "Exactly one of" in refused(queue, {}, FACES)


@row("... a failure of a synchronous model: 400 `{error, request_id}`, and a failed record", "once")
def test_synchronous_failure(sim: Simulator, queue: Queue) -> None:
    gone = f"{sim.base_url}/gmi-user-uploads/gone.mp4"
    answer = queue.post({"video_url": gone}, FACES)
    assert (answer.status_code, set(answer.json())) == (400, {"error", "request_id"})
    record = queue.list(model_id=FACES)["requests"][0]
    assert (record["request_id"], record["status"]) == (answer.json()["request_id"], "failed")
    assert [entry.billed for entry in sim.ledger()] == [False]


@row("... or its failed record: an option (`sync_failures`)", "assumed")
def test_synchronous_failure_as_a_record(started: Started) -> None:
    simulator, queue = started(sync_failures="record")
    answer = queue.post({"video_url": f"{simulator.base_url}/gmi-user-uploads/gone.mp4"}, FACES)
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")


@row("`kling-custom-voice`: a name, and exactly one of `voice_url` and `video_id`; answers `voices`", "doc")
def test_voice(queue: Queue) -> None:
    model = "kling-custom-voice"
    record = queue.finished(queue.submit(model, voice_name="ada", voice_url="https://s/a.mp3"))
    assert record["outcome"]["voices"][0]["voice_id"]
    assert "Exactly one of" in refused(queue, {"voice_name": "ada"}, model)
    assert "voice_name (Value must be at most 20" in refused(
        queue, {"voice_name": "x" * 21, "video_id": "1"}, model
    )


@row("`kling-3-motion-control`: picture, video of 3 to 30 s, orientation, mode; answers `video_url`", "doc")
def test_motion_control(started: Started) -> None:
    simulator, queue = started(unreachable_frames="refused")
    video = queue.upload(movie(4), "mp4", "video/mp4")
    payload = {"image_url": FRAME, "video_url": video, "character_orientation": "image", "mode": "std"}
    assert "video_url" in queue.finished(queue.submit(MOTION, **payload))["outcome"]
    long = queue.upload(movie(12), "mp4", "video/mp4")
    assert queue.post(payload | {"video_url": long}, MOTION).status_code == 400
    queue.submit(MOTION, **payload | {"video_url": long, "character_orientation": "video", "mode": "pro"})
    assert [entry.amount_usd for entry in simulator.ledger()] == [1.26, 5.04], (
        "of the longest video (assumed)"
    )
    assert "mode (Required" in refused(queue, payload | {"mode": ""}, MOTION)


@row("`kling-3.0-turbo-t2v`: prompt, resolution, aspect ratio; $0.112 a second, $0.14 at 1080p", "doc")
def test_turbo_text_to_video(sim: Simulator, queue: Queue) -> None:
    model = "kling-3.0-turbo-t2v"
    queue.submit(model, prompt="p")
    queue.submit(model, prompt="p", resolution="1080p", aspect_ratio="1:1")
    assert [entry.amount_usd for entry in sim.ledger()] == [0.56, 0.7]


@row(
    "`kling-v2-6` and `kling-v2-5-turbo`: 5 or 10 s, mode pro, `cfg_scale` 0 to 1; the frame is optional",
    "doc",
)
@pytest.mark.parametrize("model", ["kling-v2-6", "kling-v2-5-turbo"])
def test_kling_v2(queue: Queue, model: str) -> None:
    assert queue.submit(model, prompt="p")
    assert queue.submit(model, prompt="p", image=FRAME, duration="10", mode="pro", cfg_scale=0.5)
    assert "duration (Value must be one of" in refused(queue, {"prompt": "p", "duration": "7"}, model)
    assert "cfg_scale (Value must be between" in refused(queue, {"prompt": "p", "cfg_scale": 2}, model)


@row("Speech models answer `outcome.audio_url`", "seen")
def test_speech(queue: Queue) -> None:
    outcome = queue.post({"text": "hello"}, SPEECH).json()["outcome"]
    assert set(outcome) == {"audio_url"}
    assert requests.get(outcome["audio_url"], timeout=5).headers["content-type"] == "audio/wav"


@row("... or `media_urls`, or both: an option (`speech_outcome`)", "assumed")
@pytest.mark.parametrize(
    ("shape", "keys"), [("media_urls", {"media_urls"}), ("both", {"media_urls", "audio_url"})]
)
def test_speech_elsewhere(started: Started, shape: str, keys: set[str]) -> None:
    _, queue = started(speech_outcome=shape)
    assert set(queue.post({"text": "hello"}, SPEECH).json()["outcome"]) == keys


@row("A `webhook` of a submission is recorded", "doc")
@pytest.mark.parametrize("inside", [False, True])
def test_webhook_is_recorded(sim: Simulator, queue: Queue, inside: bool) -> None:
    hook = {"webhook": {"url": "http://127.0.0.1:9/hook"}}
    body = {"model": OMNI, "payload": PLAIN | hook} if inside else {"model": OMNI, "payload": PLAIN, **hook}
    assert queue.call("POST", "/requests", json=body).status_code == 200
    assert sim.ledger()[0].webhook == "http://127.0.0.1:9/hook"


@row("... and called with the record of a request that has ended: an option (`webhooks`)", "assumed")
def test_webhook_is_called(started: Started) -> None:
    _, queue = started(webhooks="call")
    with listening() as (url, received):
        body = {"model": OMNI, "payload": PLAIN, "webhook": {"url": url}}
        request_id = queue.call("POST", "/requests", json=body).json()["request_id"]
        assert queue.finished(request_id)["status"] == "success"
        record = received.get(timeout=10)
    assert (record["request_id"], record["status"]) == (request_id, "success")
    assert record["outcome"]["media_urls"]


class listening:  # noqa: N801 -- a context manager
    """A web server that keeps what is sent to it."""

    def __enter__(self) -> tuple[str, queues.Queue[dict[str, Any]]]:
        received: queues.Queue[dict[str, Any]] = queues.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/hook", received

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()
