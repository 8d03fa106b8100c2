"""Clips of Kling v3 Omni: what is sent, what is refused for free, and that each is bought once."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

from kling_airflow import exceptions
from kling_airflow.gmi.client import GMIClient
from kling_airflow.operators.omni import KlingOmniOperator
from kling_airflow.submission.marks import order_ids
from tests.airflow_context import TaskStateStore, context
from tests.airflow_versions import TaskDeferred
from tests.simulator.movies import movie
from tests.tasks import ask, finish, posts, until_over

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator

SHOTS = [{"prompt": "The hero wakes.", "duration": 2}, {"prompt": "The hero runs.", "duration": "3"}]


def omni(**fields: Any) -> KlingOmniOperator:
    defaults: dict[str, Any] = {"task_id": "submit", "poll_interval": 0.01, "resubmit_delay": 0}
    if not {"shots", "prompt"} & fields.keys():
        defaults["prompt"] = "rise"
    return KlingOmniOperator(**(defaults | fields))


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Four pictures, each of its own color."""
    found = []
    for color in ("red", "green", "blue", "white"):
        Image.new("RGB", (400, 400), color).save(tmp_path / f"{color}.png")
        found.append((tmp_path / f"{color}.png").as_uri())
    return found


@pytest.fixture
def video(tmp_path: Path) -> str:
    path = tmp_path / "walk.mp4"
    path.write_bytes(movie(4))
    return path.as_uri()


def element(queue: Simulator, rocket: str) -> str:
    """The id of an element that the queue has made."""
    from kling_airflow.hooks.frame_source import read_frame

    data = base64.b64encode(read_frame(rocket, max_bytes=10**7)).decode()
    payload = {
        "element_name": "hero",
        "element_description": "A hero.",
        "frontal_image": data,
        "refer_images": [data],
    }
    with GMIClient(queue.api_key, queue.base_url) as client:
        request_id = client.submit("kling-create-element", payload).request_id
    return str(until_over(queue, request_id).outcome.values["element_id"])


def test_frames_and_references_have_their_types(queue: Simulator, pictures: list[str]) -> None:
    first, end, *others = pictures
    made = omni(image=first, image_tail=end, references=others, mode="std", duration=7, sound=True)
    payload = ask(queue, made.execute(context())).payload
    images = payload.pop("image_list")
    assert payload == {"prompt": "rise", "mode": "std", "duration": "7", "sound": "on"}
    assert [image.get("type", "") for image in images] == ["first_frame", "end_frame", "", ""]
    for image, color in zip(images, ("red", "green", "blue", "white"), strict=True):
        shown = Image.open(io.BytesIO(requests.get(image["image_url"], timeout=5).content)).convert("RGB")
        assert shown.getpixel((5, 5)) == Image.new("RGB", (1, 1), color).getpixel((0, 0))


def test_every_uploaded_picture_carries_the_order_s_id(queue: Simulator, pictures: list[str]) -> None:
    payload = ask(queue, omni(image=pictures[0], references=pictures[1:]).execute(context())).payload
    ids = [order_ids(requests.get(i["image_url"], timeout=5).content) for i in payload["image_list"]]
    assert len(ids) == 4
    assert set.union(*ids) == ids[0]
    assert len(ids[0]) == 1


def test_shots_are_numbered_and_last_as_long_as_the_clip(queue: Simulator) -> None:
    request_id = omni(shots=SHOTS, aspect_ratio="16:9").execute(context())
    assert ask(queue, request_id).payload == {
        "mode": "pro",
        "duration": "5",
        "sound": "off",
        "aspect_ratio": "16:9",
        "multi_shot": True,
        "shot_type": "customize",
        "multi_prompt": [
            {"index": 1, "prompt": "The hero wakes.", "duration": "2"},
            {"index": 2, "prompt": "The hero runs.", "duration": "3"},
        ],
    }


@pytest.mark.parametrize("given", ["id", "number", "result", "element", "text", "mapped"])
def test_elements_are_given_in_any_form(queue: Simulator, rocket: str, given: str) -> None:
    element_id = element(queue, rocket)
    result = {"request_id": "a", "outcome": {"element_id": element_id}}
    forms: dict[str, Any] = {
        "id": element_id,
        "number": [int(element_id)],
        "result": [result],
        "element": [{"element_id": element_id}],
        "text": str([result]),
        "mapped": [[result]],
    }
    made = omni(prompt="<<<element_1>>> waves", elements=forms[given], aspect_ratio="1:1")
    assert ask(queue, made.execute(context())).payload["element_list"] == [{"element_id": element_id}]


@pytest.mark.parametrize(("role", "refer_type"), [("reference", "feature"), ("edit", "base")])
def test_a_video_is_uploaded(queue: Simulator, video: str, role: str, refer_type: str) -> None:
    made = omni(video=video, video_role=role, aspect_ratio="16:9", max_cost_usd="1.68")
    (sent,) = ask(queue, made.execute(context())).payload["video_list"]
    assert sent["refer_type"] == refer_type
    assert requests.get(sent["video_url"], timeout=5).content == movie(4)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_clip_is_the_video_of_the_next_one(
    queue: Simulator, monkeypatch: pytest.MonkeyPatch, as_text: bool
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", queue.base_url)
    first = finish(omni(aspect_ratio="1:1", wait_for_completion=True), context())
    made = omni(video="{{ later }}", video_role="edit")
    made.video = str(first) if as_text else first
    second = finish(made, context())
    assert ask(queue, second).payload["video_list"][0]["refer_type"] == "base"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"request_id": "a", "video_url": None}, "without `uri` and `video_url`"),
        ({"error": "it failed.", "money": "UNSPENT"}, "it failed"),
    ],
)
def test_what_is_no_clip_is_no_video(queue: Simulator, given: dict[str, Any], words: str) -> None:
    made = omni(video="{{ later }}", aspect_ratio="1:1")
    made.video = given
    with pytest.raises((exceptions.InvalidArgument, exceptions.GenerationFailed), match=words):
        made.execute(context())
    assert queue.ledger() == []


@pytest.mark.parametrize("mode", [{"deferrable": True}, {"deferrable": False}])
def test_it_waits_for_the_clip(queue: Simulator, rocket: str, mode: dict[str, Any]) -> None:
    clip = finish(omni(image=rocket, sound=True, wait_for_completion=True, **mode), context())
    (entry,) = queue.ledger()
    assert (
        (clip["request_id"], clip["cost_usd"])
        == (entry.request_id, entry.amount_usd)
        == (
            entry.request_id,
            0.7,
        )
    )
    assert (clip["duration"], clip["sound"], clip["model"]) == (5, True, "kling-v3-omni")


def test_an_edited_clip_has_no_length_that_was_asked_for(queue: Simulator, video: str) -> None:
    made = omni(video=video, video_role="edit", duration=5, wait_for_completion=True)
    clip = finish(made, context())
    assert (clip["duration"], clip["cost_usd"]) == (None, 1.68)


class TestOnce:
    def test_a_retry_returns_what_was_bought(self, queue: Simulator, pictures: list[str]) -> None:
        store = TaskStateStore()
        given = {"image": pictures[0], "references": pictures[1:3], "shots": SHOTS}
        assert omni(**given).execute(context(store)) == omni(**given).execute(context(store))
        assert posts(queue) == 1

    @pytest.mark.parametrize("change", ["type", "order", "picture", "shot", "mode", "element"])
    def test_what_is_asked_otherwise_is_another_order(
        self, queue: Simulator, pictures: list[str], rocket: str, change: str
    ) -> None:
        store = TaskStateStore()
        given: dict[str, Any] = {"image": pictures[0], "references": pictures[1:3], "shots": SHOTS}
        changed = (
            given
            | {
                "type": {"image_tail": pictures[1], "references": [pictures[2]]},
                "order": {"references": [pictures[2], pictures[1]]},
                "picture": {"references": [pictures[1], pictures[3]]},
                "shot": {"shots": [SHOTS[1], SHOTS[0]]},
                "mode": {"mode": "std"},
                "element": {"elements": [element(queue, rocket)]},
            }[change]
        )
        before = posts(queue)
        omni(**given).execute(context(store))
        omni(**changed).execute(context(store))
        assert posts(queue) == before + 2

    @pytest.mark.parametrize("delivery", ["upload", "base64"])
    def test_a_lost_response_is_found_by_a_picture_in_the_list(
        self, queue: Simulator, pictures: list[str], delivery: str
    ) -> None:
        queue.faults.add("reset-after", call="POST /requests")
        made = omni(image=pictures[0], references=pictures[1:], image_delivery=delivery)
        assert [entry.request_id for entry in queue.ledger()] == []
        request_id = made.execute(context())
        assert [entry.request_id for entry in queue.ledger()] == [request_id]

    @pytest.mark.parametrize("fault", ["echo-cut", "echo-rehosted", "echo-redacted"])
    def test_a_partial_echo_buys_nothing_twice(
        self, queue: Simulator, pictures: list[str], monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        queue.faults.add("reset-after", call="POST /requests")
        queue.faults.add(fault, **({"field": "image_list"} if fault == "echo-redacted" else {}))
        monkeypatch.setattr("kling_airflow.submission.recover.LOOKS", (0.0,))
        with pytest.raises(TaskDeferred):  # it goes on looking
            omni(image=pictures[0], references=pictures[1:]).execute(context())
        assert len(queue.ledger()) == 1

    @pytest.mark.parametrize("delivery", ["upload", "base64"])
    def test_a_clear_that_discards_the_store_finds_the_clip(
        self, queue: Simulator, pictures: list[str], delivery: str
    ) -> None:
        given = {"image": pictures[0], "references": pictures[1:], "image_delivery": delivery}
        first = omni(**given).execute(context())
        assert omni(**given).execute(context(try_number=2, max_tries=1)) == first
        assert posts(queue) == 1

    def test_after_such_a_clear_another_video_is_not_taken_for_this_one(
        self, queue: Simulator, tmp_path: Path
    ) -> None:
        for name, seconds in (("one", 4), ("other", 5)):
            (tmp_path / f"{name}.mp4").write_bytes(movie(seconds))
        one, other = ((tmp_path / f"{name}.mp4").as_uri() for name in ("one", "other"))
        first = omni(video=one, aspect_ratio="1:1").execute(context())
        again = context(try_number=2, max_tries=1)
        assert omni(video=one, aspect_ratio="1:1").execute(again) == first
        with pytest.raises(TaskDeferred):  # nothing proves yet that the other was not bought
            omni(video=other, aspect_ratio="1:1").execute(context(try_number=2, max_tries=1))
        assert posts(queue) == 1

    def test_nothing_is_sent_before_every_picture_is_there(
        self, queue: Simulator, pictures: list[str], tmp_path: Path
    ) -> None:
        missing = (tmp_path / "missing.png").as_uri()
        with pytest.raises(exceptions.InvalidArgument, match=r"references\.1"):
            omni(image=pictures[0], references=[pictures[1], missing]).execute(context())
        assert queue.ledger() == []


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"prompt": None, "aspect_ratio": "1:1"}, ["`prompt` is missing", "multi_shot"]),
    ({"prompt": "x" * 2501, "aspect_ratio": "1:1"}, ["prompt", "2501", "2500"]),
    ({"mode": "4k", "aspect_ratio": "1:1"}, ["`mode`", "'4k'", "std, pro"]),
    ({"duration": 16, "aspect_ratio": "1:1"}, ["`duration`", "16", "3 to 15"]),
    ({}, ["`aspect_ratio` is missing", "first frame"]),
    ({"aspect_ratio": "4:3"}, ["`aspect_ratio`", "'4:3'", "16:9, 9:16, 1:1"]),
    (
        {"video": "https://v.example/a.mp4", "sound": True, "aspect_ratio": "1:1"},
        ["`sound`", "'on'", "off beside a video"],
    ),
    (
        {"shots": [{"prompt": "a", "duration": 1}] * 7, "aspect_ratio": "1:1"},
        ["`multi_prompt`", "7 shots", "1 to 6"],
    ),
    (
        {"shots": [{"prompt": "x" * 513, "duration": 5}], "aspect_ratio": "1:1"},
        ["multi_prompt.0.prompt", "513", "512"],
    ),
    ({"shots": SHOTS, "duration": 6, "aspect_ratio": "1:1"}, ["`multi_prompt`", "5 s", "6", "equal"]),
    (
        {"shots": [{"prompt": "a", "duration": 0}], "aspect_ratio": "1:1"},
        ["shots.0.duration", "0", "1 or more"],
    ),
    ({"shots": ["run"], "aspect_ratio": "1:1"}, ["shots.0", "'run'", "`prompt` and `duration`"]),
    (
        {"references": ["https://p.example/a.png"] * 5, "elements": ["1", "2", "3"], "aspect_ratio": "1:1"},
        ["`image_list` and `element_list`", "5 and 3", "7"],
    ),
    (
        {
            "references": ["https://p.example/a.png"] * 3,
            "elements": ["1", "2"],
            "video": "https://v.example/a.mp4",
            "aspect_ratio": "1:1",
        },
        ["3 and 2", "4 beside a video"],
    ),
    (
        {"image_tail": "https://p.example/a.png", "aspect_ratio": "1:1"},
        ["end_frame", "none of the type first_frame"],
    ),
    (
        {"prompt": "<<<element_2>>> waves", "elements": ["1"], "aspect_ratio": "1:1"},
        ["element_2", "1 entries"],
    ),
    ({"elements": [{"x": 1}], "aspect_ratio": "1:1"}, ["elements.0", "element id"]),
    ({"video": "https://v.example/a.mp4", "video_role": "copy"}, ["`video_role`", "'copy'", "reference"]),
    ({"max_cost_usd": 0.5, "aspect_ratio": "1:1"}, ["max_cost_usd", "0.5", "$0.56"]),
    ({"sound": True, "max_cost_usd": 0.69, "aspect_ratio": "1:1"}, ["max_cost_usd", "0.69", "$0.70"]),
    (
        {"video": "https://v.example/a.mp4", "max_cost_usd": 0.6, "aspect_ratio": "1:1"},
        ["max_cost_usd", "0.6", "$0.84"],
    ),
    (
        {"video": "https://v.example/a.mp4", "video_role": "edit", "max_cost_usd": 1},
        ["max_cost_usd", "as long as its video", "$1.68"],
    ),
    ({"max_cost_usd": "cheap", "aspect_ratio": "1:1"}, ["max_cost_usd", "'cheap'"]),
]


@pytest.mark.parametrize(("fields", "words"), WRONG, ids=[" ".join(words[:2]) for _, words in WRONG])
def test_a_wrong_payload_is_refused_when_the_dag_is_parsed(fields: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        omni(**fields)
    for word in [*words, "No money was spent"]:
        assert word in str(caught.value)


@pytest.mark.parametrize(("fields", "words"), WRONG, ids=[" ".join(words[:2]) for _, words in WRONG])
def test_what_a_template_gives_is_refused_before_anything_is_sent(
    queue: Simulator,
    video: str,
    fields: dict[str, Any],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
    made = omni(prompt="rise", aspect_ratio="{{ later }}")
    for name, value in ({"aspect_ratio": None} | fields).items():
        setattr(made, name, video if name == "video" else value)
    if "shots" in fields:
        made.prompt = None
    with pytest.raises(exceptions.InvalidArgument) as caught:
        made.execute(context())
    for word in words:
        assert word in str(caught.value)
    assert queue.ledger() == []


@pytest.mark.parametrize(("seconds", "limit"), [(2, "2.00 s"), (11, "11.00 s")])
def test_a_video_of_a_wrong_length_is_refused(
    queue: Simulator, tmp_path: Path, seconds: int, limit: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(movie(seconds))
    with pytest.raises(exceptions.InvalidArgument, match=rf"`video` .*{limit}.*3 to 10 s"):
        omni(video=path.as_uri(), aspect_ratio="1:1").execute(context())
    assert queue.ledger() == []


def test_a_file_that_is_no_video_is_refused(queue: Simulator, rocket: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="`video`"):
        omni(video=rocket, aspect_ratio="1:1").execute(context())
    with pytest.raises(
        exceptions.InvalidArgument, match="`video` is a video, and `image_delivery` is `base64`"
    ):
        omni(video=rocket, aspect_ratio="1:1", image_delivery="base64").execute(context())
    assert queue.ledger() == []


def test_with_an_upstream_frame_the_shots_are_checked_when_the_dag_is_parsed() -> None:
    with pytest.raises(exceptions.InvalidArgument, match="513"):
        omni(image="{{ later }}", shots=[{"prompt": "x" * 513, "duration": 5}])
    with pytest.raises(exceptions.InvalidArgument, match="2501"):
        omni(image="{{ later }}", prompt="x" * 2501)


@pytest.mark.usefixtures("queue")
def test_a_template_without_a_value_is_no_prompt() -> None:
    made = omni(prompt="{{ x }}", aspect_ratio="1:1")
    made.prompt = "None"
    with pytest.raises(exceptions.InvalidArgument, match="found no value"):
        made.execute(context())


def test_its_template_fields_are_there() -> None:
    made = omni(aspect_ratio="1:1")
    assert {"shots", "elements", "references", "video", "take", "gmi_conn_id"} <= set(made.template_fields)
    for name in made.template_fields:
        assert hasattr(made, name)
