"""The models of the simulated queue.

What the vendor documents of each stands in the vendor's pages for its model; what is assumed here: the prices
of `kling-v3-text-to-video`, `kling-v2-6`, `kling-v2-5-turbo`, `kling-lip-sync`, `kling-custom-voice` and the
speech model; that `kling-create-element` is free and `kling-identify-face` costs $0.05 (one user each); the
prices of `kling-3-motion-control` (one user); and that a clip that follows an input video is billed as the
longest video that the model takes.
"""

from __future__ import annotations

from typing import Any

from kling_airflow.simulator.queue import inputs, rules
from kling_airflow.simulator.queue.catalog import Model, Parameter

DURATIONS = tuple(str(seconds) for seconds in range(3, 16))
_PROMPT = Parameter("prompt", "string", required=True, max_length=2500)
_OPTIONAL_PROMPT = Parameter("prompt", "string", max_length=2500)
_NEGATIVE = Parameter("negative_prompt", "string", max_length=2500)
_DURATION = Parameter("duration", "enum", default="5", options=DURATIONS)
_SOUND = Parameter("sound", "enum", default="off", options=("on", "off"))
_ASPECT = Parameter("aspect_ratio", "enum", default="16:9", options=("16:9", "9:16", "1:1"))
_RESOLUTION = Parameter("resolution", "enum", default="720p", options=("720p", "1080p"))
_TURBO: dict[str, Any] = {
    "price": 112_000,
    "priced_by": ("resolution",),
    "prices": {("1080p",): 140_000},
    "details": "$0.112 per second, $0.14 at 1080p",
}
_KLING_V3: dict[str, Any] = {
    "price": 168_000,
    "priced_by": ("sound",),
    "prices": {("on",): 252_000},
    "details": "$0.168 per second, $0.252 with sound",
}
_SHORT = Parameter("duration", "enum", default="5", options=("5", "10"))
_PRO = Parameter("mode", "enum", default="pro", options=("pro",))
_SCALE = Parameter("cfg_scale", "float", default=0.5, min_value=0.0, max_value=1.0)
_IMAGE = Parameter("image", "image")
_FROM_IMAGE = (("text", "image"), ("video",))

_MODELS = (
    Model(
        "kling-v3-image-to-video",
        "Kling v3: a still frame, and optionally an end frame, turned into a clip.",
        (
            _PROMPT,
            Parameter("image", "image", required=True),
            Parameter("image_tail", "image"),
            _NEGATIVE,
            _DURATION,
            _SOUND,
        ),
        **_KLING_V3,
        inputs=inputs.frames("image", "image_tail"),
        modalities=_FROM_IMAGE,
    ),
    Model(
        "kling-v3-text-to-video",
        "Kling v3: a clip from a prompt, without a frame.",
        (_PROMPT, _NEGATIVE, _ASPECT, _DURATION, _SOUND),
        **_KLING_V3,
    ),
    Model(
        "kling-3.0-turbo-i2v",
        "Kling 3.0 Turbo: a first frame turned into a clip, in less time.",
        (_OPTIONAL_PROMPT, Parameter("first_frame", "image", required=True), _RESOLUTION, _DURATION),
        **_TURBO,
        inputs=inputs.frames("first_frame"),
        modalities=_FROM_IMAGE,
    ),
    Model(
        "kling-3.0-turbo-t2v",
        "Kling 3.0 Turbo: a clip from a prompt, in less time.",
        (_PROMPT, _RESOLUTION, _ASPECT, _DURATION),
        **_TURBO,
    ),
    Model(
        "kling-v3-omni",
        "Kling v3 Omni: a clip of prompt, shots, frames, reference images, elements, or a video.",
        (
            _OPTIONAL_PROMPT,
            Parameter("mode", "enum", default="pro", options=("std", "pro")),
            _DURATION,
            Parameter("aspect_ratio", "enum", options=("16:9", "9:16", "1:1")),
            _SOUND,
            Parameter("image_list", "json"),
            Parameter("element_list", "json"),
            Parameter("video_list", "json"),
            Parameter("multi_shot", "json"),
            Parameter("shot_type", "enum", options=("customize", "intelligence")),
            Parameter("multi_prompt", "json"),
            Parameter("watermark_info", "json"),
        ),
        price=112_000,
        priced_by=("mode", "sound", "video_list"),
        prices={
            ("std", "off", "absent"): 84_000,
            ("std", "on", "absent"): 112_000,
            ("std", "off", "given"): 126_000,
            ("pro", "off", "absent"): 112_000,
            ("pro", "on", "absent"): 140_000,
            ("pro", "off", "given"): 168_000,
        },
        details=(
            "$0.112 per second, $0.14 with sound, $0.168 with a video;"
            " at std $0.084, $0.112 with sound, $0.126 with a video"
        ),
        rules=rules.omni,
        inputs=inputs.omni,
        video_seconds=inputs.omni_video_seconds,
        modalities=(("text", "image", "video"), ("video",)),
    ),
    Model(
        "kling-create-element",
        "Kling Create Element: a character or an object, made of pictures or a video, for Kling v3 Omni.",
        (
            Parameter("element_name", "string", required=True, max_length=20),
            Parameter("element_description", "string", required=True, max_length=100),
            Parameter(
                "reference_type", "enum", default="image_refer", options=("image_refer", "video_refer")
            ),
            Parameter("frontal_image", "image"),
            Parameter("refer_images", "json"),
            Parameter("refer_video", "video"),
            Parameter("tag_list", "json"),
        ),
        price=0,
        unit="request",
        model_type="utility",
        rules=rules.element,
        inputs=inputs.element,
        result="element",
        modalities=(("image", "video", "text"), ("text",)),
    ),
    Model(
        "kling-3-motion-control",
        "Kling 3 Motion Control: the motion of a video, made by the character of a picture.",
        (
            Parameter("image_url", "image", required=True),
            Parameter("video_url", "video", required=True),
            Parameter("character_orientation", "enum", required=True, options=("video", "image")),
            Parameter("mode", "enum", required=True, options=("std", "pro")),
            Parameter("keep_original_sound", "enum", default="yes", options=("yes", "no")),
            _OPTIONAL_PROMPT,
        ),
        price=126_000,
        priced_by=("mode",),
        prices={("std",): 126_000, ("pro",): 168_000},
        details="$0.126 per second, $0.168 at pro",
        inputs=inputs.motion,
        video_seconds=inputs.motion_video_seconds,
        shape="video_url",
        modalities=(("image", "video", "text"), ("video",)),
    ),
    Model(
        "kling-identify-face",
        "Kling Identify Face: the faces in a video; answered at once.",
        (Parameter("video_url", "video"), Parameter("video_id", "string")),
        price=50_000,
        unit="request",
        model_type="utility",
        delivery_mode="sync",
        rules=rules.exactly_one("video_url", "video_id"),
        inputs=inputs.video("video_url"),
        result="faces",
        modalities=(("video",), ("text",)),
    ),
    Model(
        "kling-lip-sync",
        "Kling Advanced Lip Sync: a video whose face speaks another sound.",
        (
            Parameter("session_id", "string", required=True),
            Parameter("face_choose", "json", required=True),
        ),
        price=50_000,
        unit="request",
        rules=rules.lip_sync,
        modalities=(("video", "audio"), ("video",)),
    ),
    Model(
        "kling-custom-voice",
        "Kling Custom Voice: a voice, made of a sample.",
        (
            Parameter("voice_name", "string", required=True, max_length=20),
            Parameter("voice_url", "video"),
            Parameter("video_id", "string"),
        ),
        price=50_000,
        unit="request",
        model_type="audio",
        rules=rules.exactly_one("voice_url", "video_id"),
        result="voice",
        modalities=(("audio",), ("text",)),
    ),
    Model(
        "kling-v2-6",
        "Kling v2.6: a clip from a prompt, or from a frame.",
        (
            _PROMPT,
            _IMAGE,
            Parameter("sound", "enum", default="off", options=("on", "off", "yes", "no")),
            _SHORT,
            _PRO,
            _SCALE,
        ),
        price=70_000,
        priced_by=("sound",),
        prices={("on",): 140_000, ("yes",): 140_000},
        details="$0.07 per second, $0.14 with sound",
        inputs=inputs.frames("image"),
        modalities=_FROM_IMAGE,
    ),
    Model(
        "kling-v2-5-turbo",
        "Kling v2.5 Turbo: a clip from a prompt, or from a frame.",
        (_PROMPT, _IMAGE, _NEGATIVE, _SHORT, _PRO, _SCALE),
        price=70_000,
        inputs=inputs.frames("image"),
        modalities=_FROM_IMAGE,
    ),
    Model(
        "inworld-tts-1.5-max",
        "Speech from text; answered at once.",
        (
            Parameter("text", "string", required=True, max_length=2000),
            Parameter("voice_id", "string", default="Alex"),
        ),
        price=10_000,
        unit="request",
        model_type="audio",
        delivery_mode="sync",
        provider="Inworld",
        result="audio",
        modalities=(("text",), ("audio",)),
    ),
)

MODELS: dict[str, Model] = {model.id: model for model in _MODELS}
