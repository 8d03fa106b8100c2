"""A whole payload held against its model's entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument, Money
from kling_airflow.models import MODELS, OMNI, payload_problems, refuse_payload
from tests.gmi.test_catalog import json_values

URL = "https://p.example/a.png"
PLAIN = {"prompt": "rise", "aspect_ratio": "16:9"}
SHOT = {"index": 1, "prompt": "a", "duration": "5"}
GOOD: dict[str, list[dict[str, Any]]] = {
    OMNI: [
        PLAIN,
        {"prompt": "rise", "image_list": [{"image_url": URL, "type": "first_frame"}]},
        {"multi_shot": True, "multi_prompt": [SHOT], "shot_type": "customize", "aspect_ratio": "1:1"},
        {"prompt": "rise", "video_list": [{"video_url": URL, "refer_type": "base"}]},
        PLAIN | {"a_new_field": 1, "duration": 7, "watermark_info": {"enabled": False}},
        PLAIN
        | {
            "prompt": "<<<image_1>>> and <<<element_1>>>",
            "image_list": [{"image_url": URL}],
            "element_list": [{"element_id": "7"}],
        },
    ],
    "kling-v3-image-to-video": [{"prompt": "rise", "image": URL, "duration": "5", "sound": "on"}],
    "kling-v3-text-to-video": [{"prompt": "rise", "aspect_ratio": "9:16"}],
    "kling-3.0-turbo-i2v": [{"first_frame": URL}],
    "kling-3.0-turbo-t2v": [{"prompt": "rise", "resolution": "1080p"}],
    "kling-create-element": [
        {"element_name": "a", "element_description": "b", "frontal_image": URL, "refer_images": [URL]},
        {
            "element_name": "a",
            "element_description": "b",
            "reference_type": "video_refer",
            "refer_video": URL,
        },
    ],
    "kling-3-motion-control": [
        {"image_url": URL, "video_url": URL, "character_orientation": "video", "mode": "std"}
    ],
    "kling-identify-face": [{"video_url": URL}],
    "kling-lip-sync": [{"session_id": "1", "face_choose": [{"face_id": "0"}]}],
    "kling-custom-voice": [{"voice_name": "ada", "video_id": "1"}],
    "kling-v2-6": [{"prompt": "rise", "sound": "on", "cfg_scale": 0.5}],
    "kling-v2-5-turbo": [{"prompt": "rise", "duration": "10"}],
    "a-model-without-an-entry": [{}, {"anything": [1]}],
}


@pytest.mark.parametrize(
    ("model", "payload"), [(model, payload) for model, payloads in GOOD.items() for payload in payloads]
)
def test_what_the_vendor_documents_passes(model: str, payload: dict[str, Any]) -> None:
    assert payload_problems(model, payload) == []


BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (OMNI, {"aspect_ratio": "1:1"}, ["`prompt` is missing"]),
    (OMNI, {"prompt": "rise"}, ["`aspect_ratio` is missing"]),
    (OMNI, PLAIN | {"mode": "4k"}, ["`mode`", "'4k'", "std, pro"]),
    (OMNI, PLAIN | {"duration": "16"}, ["`duration`", "16", "3 to 15"]),
    (OMNI, PLAIN | {"sound": "loud"}, ["`sound`", "'loud'", "on or off"]),
    (OMNI, PLAIN | {"prompt": "x" * 2501}, ["`prompt`", "2501", "2500"]),
    (OMNI, PLAIN | {"image_list": [{"image_url": URL}] * 8}, ["8 and 0", "7"]),
    (OMNI, PLAIN | {"image_list": "text"}, ["`image_list`", "'text'", "list"]),
    (OMNI, PLAIN | {"image_list": [URL]}, ["`image_list` is no list of objects"]),
    (OMNI, PLAIN | {"image_list": [{"image_url": URL, "type": "style"}]}, ["image_list.0.type", "'style'"]),
    (OMNI, PLAIN | {"element_list": [{}]}, ["element_list.0.element_id"]),
    (OMNI, PLAIN | {"video_list": [{"video_url": URL}] * 2}, ["2 videos", "1"]),
    (OMNI, PLAIN | {"video_list": [{"video_url": URL, "refer_type": "x"}]}, ["refer_type", "'x'", "base"]),
    (OMNI, PLAIN | {"video_list": [{"video_url": URL}], "sound": "on"}, ["`sound`", "'on'", "off"]),
    (OMNI, PLAIN | {"multi_shot": True}, ["`multi_prompt` is no list of shots"]),
    (OMNI, PLAIN | {"multi_prompt": [SHOT]}, ["without `multi_shot`"]),
    (OMNI, PLAIN | {"multi_shot": True, "multi_prompt": [SHOT] * 7}, ["7 shots", "1 to 6"]),
    (OMNI, PLAIN | {"multi_shot": True, "multi_prompt": [SHOT, SHOT]}, ["10 s", "5", "equal"]),
    (OMNI, PLAIN | {"multi_shot": True, "multi_prompt": [SHOT | {"duration": "0"}]}, ["'0'", "1 or more"]),
    (OMNI, PLAIN | {"prompt": "<<<video_1>>>"}, ["video_1", "0 entries"]),
    ("kling-v3-image-to-video", {"prompt": "rise"}, ["`image` is missing"]),
    ("kling-create-element", {"element_name": "x" * 21}, ["21", "20", "`element_description` is missing"]),
    ("kling-identify-face", {}, ["exactly one of `video_url` and `video_id`"]),
    ("kling-custom-voice", {"voice_name": "a", "video_id": "1", "voice_url": URL}, ["exactly one of"]),
    ("kling-3-motion-control", {"image_url": URL, "video_url": URL}, ["`mode` is missing"]),
    ("kling-lip-sync", {"session_id": "1", "face_choose": "0"}, ["`face_choose`", "'0'", "list"]),
    ("kling-v2-6", {"prompt": "rise", "cfg_scale": 2}, ["`cfg_scale`", "2", "0 to 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "payload", "words"), BAD)
def test_what_it_forbids_is_named_with_field_value_and_limit(
    model: str, payload: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        refuse_payload(model, payload)
    assert caught.value.money is Money.UNSPENT
    for word in [model, *words]:
        assert word in str(caught.value)


def test_every_model_has_a_good_payload_here() -> None:
    assert set(GOOD) >= set(MODELS)


@given(
    st.sampled_from(sorted(MODELS)),
    st.dictionaries(
        st.sampled_from(["prompt", "image_list", "element_list", "video_list", "multi_shot", "multi_prompt"])
        | st.sampled_from(["mode", "duration", "sound", "refer_images", "face_choose", "cfg_scale"]),
        json_values,
    ),
)
def test_no_payload_is_too_odd(model: str, payload: dict[str, Any]) -> None:
    assert all(isinstance(problem, str) for problem in payload_problems(model, payload))
