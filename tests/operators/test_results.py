"""Models without clips through the generic operator and the sensor: nothing of what they answer is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from kling_airflow import airflow_compat, exceptions
from kling_airflow.gmi.client import GMIClient
from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import context
from tests.simulator.client import FRAME
from tests.simulator.movies import movie
from tests.tasks import ask, finish, posts

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator

SPEECH = "inworld-tts-1.5-max"
ELEMENT = "kling-create-element"
FACES = "kling-identify-face"
VOICE = "kling-custom-voice"
HERO = {
    "element_name": "hero",
    "element_description": "A pilot.",
    "frontal_image": FRAME,
    "refer_images": [FRAME],
}


def request(model: str, payload: Any, **fields: Any) -> GMICloudRequestOperator:
    defaults: dict[str, Any] = {"task_id": "submit", "poll_interval": 0.01, "resubmit_delay": 0}
    return GMICloudRequestOperator(model=model, payload=payload, **(defaults | fields))


def video(queue: Simulator) -> str:
    with GMIClient(queue.api_key, queue.base_url) as client:
        return client.upload(movie(4), "mp4")


def raw(queue: Simulator, request_id: str) -> dict[str, Any]:
    """The outcome as the queue shows it."""
    url = f"{queue.base_url}/api/v1/ie/requestqueue/apikey/requests/{request_id}"
    headers = {"Authorization": f"Bearer {queue.api_key}"}
    return dict(requests.get(url, headers=headers, timeout=5).json()["outcome"])


@pytest.mark.parametrize("form", ["deferrable", "on the worker", "sensor", "sensor on the worker"])
@pytest.mark.parametrize("model", [SPEECH, ELEMENT, FACES, VOICE])
def test_nothing_is_lost(queue: Simulator, model: str, form: str) -> None:
    payloads: dict[str, dict[str, Any]] = {
        SPEECH: {"text": "Lift-off."},
        ELEMENT: HERO,
        FACES: {"video_url": video(queue)},
        VOICE: {"voice_name": "ada", "voice_url": "https://s.example/a.mp3"},
    }
    if form.startswith("sensor"):
        request_id = request(model, payloads[model]).execute(context())
        sensor = GMICloudRequestSensor(
            task_id="wait",
            request_id=request_id,
            poll_interval=0.01,
            deferrable=form == "sensor",
        )
        result = finish(sensor, context()) if form == "sensor" else sensor.execute(context())
    else:
        made = request(model, payloads[model], wait_for_completion=True, deferrable=form == "deferrable")
        result = finish(made, context())
    assert result["outcome"] == raw(queue, result["request_id"])
    assert result["outcome"]
    assert (result["video_url"], result["status"], result["left_out"]) == (None, "success", None)
    json.dumps(result)
    assert [entry.billed for entry in queue.ledger()] == [True]


@pytest.fixture
def airflow_3_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.0, as far as results go: it fails a task that hands on an XCom of None."""
    monkeypatch.setattr(airflow_compat, "_task_sdk", lambda: (1, 0, 6))


@pytest.mark.usefixtures("airflow_3_0")
@pytest.mark.parametrize("parts", [True, False])
def test_no_part_of_a_result_is_none_where_airflow_refuses_it(
    queue: Simulator, tmp_path: Path, rocket: str, parts: bool
) -> None:
    """Whichever task it is: what is bought must not be lost because a field of it is empty."""
    fields: dict[str, Any] = {"multiple_outputs": parts}
    clip = finish(request(SPEECH, {"text": "Up."}, wait_for_completion=True, **fields), context())
    waited = finish(GMICloudRequestSensor(task_id="wait", request_id=clip["request_id"], **fields), context())
    shots = [{"name": "a", "prompt": "Rise.", "frame": rocket, "duration": 3}]
    board = {"storyboard": shots, "destination": tmp_path.as_uri(), "poll_interval": 0.01}
    report = finish(KlingStoryboardOperator(task_id="film", **board, **fields), context())
    landed = ClipToObjectStorageOperator(
        task_id="land",
        clip=ask(queue, report["shots"][0]["request_id"]).clip().to_json(),
        destination=(tmp_path / "again.mp4").as_uri(),
        poster=False,
        **fields,
    ).execute(context())
    uris = [landed["uri"], report["shots"][0]["uri"]]
    film = JoinClipsOperator(
        task_id="join", clips=uris, destination=(tmp_path / "film.mp4").as_uri(), **fields
    )
    results = [clip, waited, report, landed, film.execute(context())]
    assert all(any(value is None for value in result.values()) is not parts for result in results)


def test_what_is_no_clip_can_not_be_landed(queue: Simulator, tmp_path: Path) -> None:
    speech = request(SPEECH, {"text": "Lift-off."}, wait_for_completion=True).execute(context())
    land = ClipToObjectStorageOperator(
        task_id="land", clip=speech, destination=(tmp_path / "clip.mp4").as_uri()
    )
    with pytest.raises(exceptions.DownloadFailed, match=r"no clip of request .*generated and paid for"):
        land.execute(context())


@pytest.mark.parametrize("check_payload", [None, True])
def test_a_good_omni_payload_passes_table_and_catalog(queue: Simulator, check_payload: bool | None) -> None:
    payload = {
        "prompt": "rise",
        "mode": "std",
        "duration": "5",
        "aspect_ratio": "16:9",
        "image_list": [{"image_url": FRAME}],
        "multi_shot": False,
    }
    request("kling-v3-omni", payload, check_payload=check_payload, max_cost_usd=0.42).execute(context())
    assert queue.ledger()[0].amount_usd == 0.42


def test_a_chain_of_face_and_lip_sync(queue: Simulator) -> None:
    faces = finish(request(FACES, {"video_url": video(queue)}, wait_for_completion=True), context())
    data = faces["outcome"]["data"]
    chosen = {"face_id": data["face_data"][0]["face_id"], "sound_file": "https://s.example/a.mp3"}
    synced = request(
        "kling-lip-sync",
        {"session_id": data["session_id"], "face_choose": [chosen]},
        wait_for_completion=True,
    )
    assert finish(synced, context())["video_url"]


def test_a_synchronous_failure_costs_nothing(queue: Simulator) -> None:
    gone = f"{queue.base_url}/gmi-user-uploads/gone.mp4"
    with pytest.raises(exceptions.Rejected, match="Failed to download media"):
        request(FACES, {"video_url": gone}).execute(context())
    assert [entry.billed for entry in queue.ledger()] == [False]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"aspect_ratio": "1:1"}, ["`prompt` is missing"]),
        ({"prompt": "rise"}, ["`aspect_ratio` is missing"]),
        ({"prompt": "rise", "aspect_ratio": "1:1", "mode": "4k"}, ["`mode` is '4k'", "std, pro"]),
        ({"prompt": "rise", "aspect_ratio": "1:1", "duration": "16"}, ["`duration` is '16'", "3 to 15"]),
        ({"prompt": "x" * 2501, "aspect_ratio": "1:1"}, ["2501 characters", "2500"]),
        (
            {"prompt": "rise", "aspect_ratio": "1:1", "image_list": [{"image_url": FRAME}] * 8},
            ["8 and 0 entries", "7"],
        ),
        (
            {"multi_shot": True, "multi_prompt": [{"prompt": "a", "duration": "9"}], "aspect_ratio": "1:1"},
            ["9 s", "`duration` is 5"],
        ),
        (
            {
                "prompt": "rise",
                "video_list": [{"video_url": "https://v", "refer_type": "base"}],
                "sound": "on",
            },
            ["`sound` is 'on'", "off"],
        ),
    ],
)
def test_a_wrong_omni_payload_is_refused_before_it_is_sent(
    queue: Simulator, payload: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        request("kling-v3-omni", payload).execute(context())
    for word in [*words, "No money was spent"]:
        assert word in str(caught.value)
    assert posts(queue) == 0
    if "`aspect_ratio` is missing" not in words:
        return
    with pytest.raises(exceptions.Rejected, match="aspect_ratio"):  # unchecked, the queue itself refuses it
        request("kling-v3-omni", payload, check_payload=False).execute(context())


@pytest.mark.parametrize(
    ("model", "payload", "limit", "usd"),
    [
        ("kling-v3-omni", {"prompt": "p", "aspect_ratio": "1:1", "duration": "5"}, 0.5, "$0.56"),
        ("kling-v3-omni", {"prompt": "p", "aspect_ratio": "1:1", "sound": "on"}, 0.69, "$0.70"),
        (
            "kling-v3-omni",
            {"prompt": "p", "aspect_ratio": "1:1", "video_list": [{"video_url": "https://v"}]},
            0.8,
            "$0.84",
        ),
        ("kling-3.0-turbo-i2v", {"first_frame": FRAME, "resolution": "1080p"}, 0.6, "$0.70"),
        ("kling-3.0-turbo-t2v", {"prompt": "p", "resolution": "1080p"}, 0.6, "$0.70"),
    ],
)
def test_the_limit_holds_for_what_is_asked(
    queue: Simulator, model: str, payload: dict[str, Any], limit: float, usd: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=rf"costs \{usd}"):
        request(model, payload, max_cost_usd=limit).execute(context())
    assert posts(queue) == 0
