"""The table of models: one entry each, read by payloads, prices, operators, the wait, and the docs.

How well a fact is known stands beside it: *documented* by the vendor, *seen* by two or more users of the live
service, *once* by one, or *assumed*. A price that no source has is None: the queue's catalog says it then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kling_airflow.models import omni, sources
from kling_airflow.models.entry import (
    Address,
    Choice,
    Items,
    Json,
    ModelSpec,
    Number,
    Option,
    Seconds,
    Switch,
    Text,
)
from kling_airflow.models.ids import (
    CREATE_ELEMENT,
    CUSTOM_VOICE,
    IDENTIFY_FACE,
    IMAGE_TO_VIDEO,
    LIP_SYNC,
    MOTION_CONTROL,
    OMNI,
    TEXT_TO_VIDEO,
    TURBO_IMAGE_TO_VIDEO,
    TURBO_TEXT_TO_VIDEO,
)
from kling_airflow.models.price import ABSENT, GIVEN, Longest, Price

_PROMPTS: Final[Mapping[str, Option]] = {"prompt": Text(required=True), "negative_prompt": Text()}
_SHAPES: Final = ("16:9", "9:16", "1:1")
_TURBO_PRICE: Final = Price(
    {("720p",): 0.112, ("1080p",): 0.14}, by={"resolution": "720p"}, base=("720p",), seconds=5
)
_V2_OPTIONS: Final[Mapping[str, Option]] = {
    "duration": Choice(("5", "10"), default="5"),
    "mode": Choice(("pro",), default="pro"),
    "cfg_scale": Number(0.0, 1.0),
}

SPECS: Final = (
    # Fields, limits and the price with sound: documented. The silent price: seen by three users.
    ModelSpec(
        IMAGE_TO_VIDEO,
        options={**_PROMPTS, "duration": Seconds(), "sound": Switch()},
        start_frame="image",
        end_frame="image_tail",
        price=Price({("off",): 0.168, ("on",): 0.252}, by={"sound": None}, base=("off",)),
    ),
    # The three shapes and their default: documented. The price is in the queue's catalog only.
    ModelSpec(
        TEXT_TO_VIDEO,
        options={
            **_PROMPTS,
            "duration": Seconds(),
            "sound": Switch(),
            "aspect_ratio": Choice(_SHAPES, default="16:9"),
        },
    ),
    # The optional prompt, the frame's field, the resolutions, the durations and both prices: documented.
    ModelSpec(
        TURBO_IMAGE_TO_VIDEO,
        options={
            "prompt": Text(),
            "duration": Seconds(),
            "resolution": Choice(("720p", "1080p"), default="720p"),
        },
        start_frame="first_frame",
        price=_TURBO_PRICE,
    ),
    # All of it: documented.
    ModelSpec(
        TURBO_TEXT_TO_VIDEO,
        options={
            "prompt": Text(required=True),
            "duration": Seconds(),
            "resolution": Choice(("720p", "1080p"), default="720p"),
            "aspect_ratio": Choice(_SHAPES, default="16:9"),
        },
        price=_TURBO_PRICE,
    ),
    # Fields, rules and the six prices: documented; sound beside a video is refused. A clip that is an edited
    # video lasts as long as that video, so the longest one counts.
    ModelSpec(
        OMNI,
        options={
            "prompt": Text(),
            "mode": Choice(("std", "pro"), default="pro"),
            "duration": Seconds(),
            "sound": Switch(),
            "aspect_ratio": Choice(_SHAPES),
            "image_list": Items(),
            "element_list": Items(),
            "video_list": Items(),
            "multi_shot": Json(),
            "shot_type": Choice(("customize", "intelligence")),
            "multi_prompt": Items(),
            "watermark_info": Json(),
        },
        price=Price(
            {
                ("std", "off", ABSENT): 0.084,
                ("std", "on", ABSENT): 0.112,
                ("std", "off", GIVEN): 0.126,
                ("pro", "off", ABSENT): 0.112,
                ("pro", "on", ABSENT): 0.14,
                ("pro", "off", GIVEN): 0.168,
            },
            by={"mode": "pro", "sound": "off", "video_list": ABSENT},
            base=("pro", "off", ABSENT),
            seconds=5,
            longest=(Longest("video_list.0.refer_type", omni.EDIT, omni.VIDEO_SECONDS[1]),),
        ),
        rules=omni.problems,
    ),
    # Name, description and pictures: documented. That it is free: one live price list. The two kinds of
    # reference: one client, and the upstream vendor's page.
    ModelSpec(
        CREATE_ELEMENT,
        options={
            "element_name": Text(most=20, required=True),
            "element_description": Text(most=100, required=True),
            "reference_type": Choice(("image_refer", "video_refer"), default="image_refer"),
            "frontal_image": Address(),
            "refer_images": Items(),
            "refer_video": Address(),
            "tag_list": Items(),
        },
        price=Price({(): 0.0}, unit="request"),
        rules=sources.element_problems,
        makes_clip=False,
        answers=("element_id",),
    ),
    # Fields: documented. Both prices: once. The clip lasts as long as the video that is followed.
    ModelSpec(
        MOTION_CONTROL,
        options={
            "prompt": Text(),
            "image_url": Address(required=True),
            "video_url": Address(required=True),
            "character_orientation": Choice(("video", "image"), required=True),
            "mode": Choice(("std", "pro"), required=True),
            "keep_original_sound": Choice(("yes", "no")),
        },
        price=Price(
            {("std",): 0.126, ("pro",): 0.168},
            by={"mode": None},
            base=("std",),
            longest=(
                Longest("character_orientation", "image", 10),
                Longest("character_orientation", "video", 30),
            ),
        ),
        answers=("video_url", "thumbnail_image_url"),
    ),
    # What it answers: documented. That it takes `video_url` or `video_id`: the upstream vendor's page. The
    # charge of one user, $0.05 a request: once.
    ModelSpec(
        IDENTIFY_FACE,
        options={"video_url": Address(), "video_id": Text()},
        price=Price({(): 0.05}, unit="request"),
        rules=sources.video_problems,
        makes_clip=False,
        answers=("data.session_id", "data.face_data"),
    ),
    # Both fields: documented. No source has a price.
    ModelSpec(
        LIP_SYNC,
        options={"session_id": Text(required=True), "face_choose": Items(required=True)},
    ),
    # Fields and what it answers: documented. No source has a price.
    ModelSpec(
        CUSTOM_VOICE,
        options={"voice_name": Text(most=20, required=True), "voice_url": Address(), "video_id": Text()},
        rules=sources.voice_problems,
        makes_clip=False,
        answers=("voices",),
    ),
    # Fields and limits: documented, apart from the words of `sound` (the page has yes and no in its table, on
    # in its example). No source has a price of this queue.
    ModelSpec(
        "kling-v2-6",
        options={
            "prompt": Text(required=True),
            "image": Address(),
            **_V2_OPTIONS,
            "sound": Choice(("on", "off", "yes", "no")),
        },
    ),
    # Fields and limits: documented. No source has a price of this queue.
    ModelSpec("kling-v2-5-turbo", options={**_PROMPTS, "image": Address(), **_V2_OPTIONS}),
)

MODELS: Final[Mapping[str, ModelSpec]] = {spec.id: spec for spec in SPECS}
"""Every model with an entry, by its id."""
