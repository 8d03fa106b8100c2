"""What is wrong in the literals of a DAG file is said when the DAG is parsed, in mapped rows as well."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.operators.check_takes import CheckTakesOperator
from kling_airflow.operators.create_element import KlingCreateElementOperator
from kling_airflow.operators.extract_frame import ExtractFrameOperator
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.operators.omni import KlingOmniOperator
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.task.literals import ChecksLiterals
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests import test_yaml_habits
from tests.airflow_versions import AIRFLOW, DAG, task
from tests.package_operators import package_operators

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOT = {"name": "a", "frame": "s3://a/b.png", "prompt": "Rise."}
NEEDED: dict[type[Any], dict[str, Any]] = {
    **test_yaml_habits.NEEDED,
    KlingOmniOperator: {"prompt": "rise", "aspect_ratio": "1:1", "image": "s3://a/b.png"},
    KlingCreateElementOperator: {
        "element_name": "hero",
        "element_description": "an astronaut",
        "frontal_image": "s3://a/b.png",
        "refer_images": ["s3://a/c.png"],
    },
    JoinClipsOperator: {"clips": ["s3://a/c.mp4"], "destination": "s3://a/b.mp4"},
    ExtractFrameOperator: {"clip": "s3://a/c.mp4", "destination": "s3://a/b.png"},
    CheckTakesOperator: {"clips": ["s3://a/c.mp4"], "destination": "s3://a/b.png"},
    KlingStoryboardOperator: {"storyboard": [SHOT], "destination": "s3://a/clips"},
}
BUYS = [
    ({"take": 0}, "`take` is 0"),
    ({"take": "two"}, "`take` is 'two'"),
    ({"timeout": "soon"}, "`timeout` is 'soon'"),
    ({"unreachable_after": -1}, "`unreachable_after` is -1"),
    ({"submit_timeout": "-5"}, "`submit_timeout` is '-5'"),
    ({"max_resubmissions": 1.5}, "`max_resubmissions` is 1.5"),
    ({"on_unresolved": "retry"}, "`on_unresolved`.*'retry'"),
    ({"on_clear": "forget"}, "`on_clear` is 'forget'"),
    ({"on_changed_request": "ignore"}, "`on_changed_request` is 'ignore'"),
    ({"resubmit_on": "failure"}, "`resubmit_on` is 'failure'"),
    ({"adopt_mismatch": "yes"}, "`adopt_mismatch` is 'yes'"),
    (
        {"execution_timeout": timedelta(seconds=60)},
        "`execution_timeout` is 60 s; a submission may take 180 s",
    ),
    ({"label": {"a": 1}}, "`label` is {'a': 1}; it must be a text"),
    ({"label": "a\0b"}, "`label` has a NUL character at position 1"),
    ({"durable": "maybe"}, "`durable` is 'maybe'; it must be True or False"),
]
CLIP = [
    ({"prompt": ""}, "`prompt` is '': it must not be empty"),
    ({"prompt": " \n"}, "`prompt` .* must not be empty"),
    ({"prompt": "x" * 2501}, "2501 characters; the limit is 2500"),
    ({"prompt": ["rise"]}, "`prompt` is .* it must be a text"),
    ({"prompt": "null"}, "`prompt` is 'null'; it must be a text"),
    ({"prompt": "a\ud800"}, "`prompt` .* half a surrogate pair"),
    ({"negative_prompt": "x" * 2501}, "2501 characters"),
    ({"duration": 20}, "`duration` is 20; it must be 3 to 15 seconds"),
    ({"duration": "2"}, "3 to 15 seconds"),
    ({"duration": 4.5}, "`duration` is 4.5: it must be a whole number of seconds"),
    ({"duration": timedelta(seconds=20)}, "3 to 15 seconds"),
    ({"sound": "loud"}, "`sound` is 'loud'"),
    ({"max_cost_usd": "a dollar"}, "`max_cost_usd` is 'a dollar'"),
    ({"max_cost_usd": -1}, "`max_cost_usd` is -1"),
]
FILES = [
    ({"destination": "b.mp4"}, "without a scheme"),
    ({"destination": None}, "`destination` is"),
    ({"max_bytes": 0}, "`max_bytes` is 0"),
    ({"max_pixels": "many"}, "`max_pixels` is 'many'"),
    ({"source_conn_id": True}, "`source_conn_id` is True"),
    ({"destination_conn_id": ["a"]}, "`destination_conn_id` is"),
    ({"overwrite": "perhaps"}, "`overwrite` is 'perhaps'"),
]
MISTAKES: dict[type[Any], list[tuple[dict[str, Any], str]]] = {
    PrepareFrameOperator: [
        ({"source": "rocket.jpg"}, "`source` is 'rocket.jpg', without a scheme"),
        ({"source": None}, "`source` is None"),
        ({"destination": "s3://bucket/"}, "the file name is missing"),
        ({"destination": "s3://bucket/frame.gif"}, "its name must end in"),
        ({"format": "gif"}, "`format` is 'gif'"),
        ({"aspect_ratio": "4:3"}, "`aspect_ratio` is '4:3'"),
        ({"fit": "crop"}, "`fit` is 'crop'"),
        ({"gravity": "north"}, "`gravity` is 'north'"),
        ({"background": "#12"}, "`background` is '#12'"),
        ({"background": "#gg0000"}, "`background` is '#gg0000'"),
        ({"short_side": 100}, "432 to 2160"),
        ({"short_side": "tall"}, "`short_side` is 'tall'"),
        ({"quality": 39}, "`quality` is 39; it must be from 40 to 100"),
        ({"quality": "101"}, "`quality` is 101"),
        ({"max_bytes": 0}, "`max_bytes` is 0"),
        ({"max_pixels": "many"}, "`max_pixels` is 'many'"),
    ],
    KlingStoryboardOperator: [
        *(wrong for wrong in BUYS if not wrong[0].keys() & {"take", "label", "adopt_request_id"}),
        ({"storyboard": []}, "no shots"),
        ({"storyboard": [SHOT, SHOT]}, "name"),
        ({"storyboard": [SHOT | {"lens": 5}]}, "lens"),
        ({"storyboard": {"shots": [SHOT | {"takes": 0}]}}, "takes"),
        ({"storyboard": [SHOT | {"duration": float("nan")}]}, "duration"),
        ({"storyboard": [{"name": "a", "prompt": "Rise.", "continues": True}]}, "continues"),
        ({"destination": "clips"}, "without a scheme"),
        ({"destination": "s3://clips/a.mp4"}, "`destination` is .* it must be a folder"),
        ({"destination": None}, "`destination` is"),
        ({"max_in_flight": 0}, "`max_in_flight` is 0"),
        ({"max_in_flight": "many"}, "`max_in_flight` is 'many'"),
        ({"on_shot_failure": "stop"}, "`on_shot_failure` is 'stop'"),
        ({"max_cost_usd": "a dollar"}, "`max_cost_usd` is 'a dollar'"),
        ({"budget_usd": 0}, "`budget_usd` is 0: nothing could be bought"),
        ({"budget_usd": "0.00"}, "`budget_usd` is 0: nothing could be bought"),
        ({"budget_usd": -1}, "`budget_usd` is -1"),
        ({"budget_usd": "ten"}, "`budget_usd` is 'ten'"),
        ({"budget_usd": ""}, "`budget_usd` is ''"),
        ({"budget_usd": float("nan")}, "`budget_usd` is nan"),
        ({"budget_usd": float("inf")}, "`budget_usd` is inf"),
        ({"aspect_ratio": "4:3"}, "`aspect_ratio` is '4:3'"),
        ({"fit": "crop"}, "`fit` is 'crop'"),
        ({"image_delivery": "mail"}, "`image_delivery` is 'mail'"),
        ({"image_conn_id": True}, "`image_conn_id` is True"),
        ({"signing_conn_id": True}, "`signing_conn_id` is True"),
        ({"adopt_request_ids": ["r"]}, "`adopt_request_ids` is list; it must be a dict"),
        ({"land_every": "soon"}, "`land_every` is 'soon'"),
        ({"on_mismatch": "ignore"}, "`on_mismatch` is 'ignore'"),
        ({"overwrite": "perhaps"}, "`overwrite` is 'perhaps'"),
        ({"poster": "big"}, "`poster` is 'big'"),
        ({"object_options": "secret"}, "`object_options` is"),
    ],
    KlingImageToVideoOperator: [
        *CLIP,
        *BUYS,
        ({"image": "rocket.jpg"}, "`image` is .rocket.jpg., which has no scheme"),
        ({"image": None}, "`image` is None"),
        ({"image": ""}, "`image` is"),
        ({"image": "s3:///rocket.jpg"}, "the bucket is missing"),
        ({"image": "data:image/png;base64,AAAA"}, "`image` is a `data:` URL"),
        ({"image": {"sha256": "a"}}, "`image` is a dict without a `uri`"),
        ({"image": 5}, "`image` is 5; it must be an address"),
        ({"image_tail": "end.jpg"}, "`image_tail` is .end.jpg., which has no scheme"),
        ({"image_delivery": "mail"}, "`image_delivery` is 'mail'"),
        ({"model": "kling-v3"}, "`model` is 'kling-v3'"),
        ({"model": "kling-v3-text-to-video"}, "`model` is"),
        ({"model": "kling-3.0-turbo-i2v", "sound": True}, "`sound` is given"),
        ({"model": "kling-3.0-turbo-i2v", "image_tail": "s3://a/b.png"}, "`image_tail` is given"),
        ({"model": "kling-3.0-turbo-i2v", "resolution": "4k"}, "`resolution` is '4k'"),
        ({"max_cost_usd": 0.5}, r"`max_cost_usd` is 0\.5, and this clip \(5 s\) costs \$0\.84"),
        ({"max_cost_usd": "1", "sound": True}, r"costs \$1\.26"),
    ],
    KlingTextToVideoOperator: [
        *CLIP,
        *BUYS,
        ({"aspect_ratio": "4:3"}, "`aspect_ratio` is '4:3': it must be one of"),
    ],
    GMICloudRequestOperator: [
        *BUYS,
        ({"model": ""}, "`model` is ''"),
        ({"model": None}, "`model` is None"),
        ({"payload": {}}, "`payload` is a dict; it must be a filled dict"),
        ({"payload": "rise"}, "`payload` is a str"),
        ({"payload": None}, "`payload` is a NoneType"),
        ({"payload": {"a": {"b": ["x\0"]}}}, r"`payload\.a\.b\.0` has a NUL"),
        ({"payload": {"a\ud800": 1}}, "`payload` has half a surrogate pair"),
        ({"payload": {"a": {1, 2}}}, r"`payload\.a` is .*, which has no JSON"),
        ({"max_cost_usd": "much"}, "`max_cost_usd` is 'much'"),
        (
            {
                "model": "kling-v3-image-to-video",
                "payload": {"duration": "10", "sound": "on"},
                "max_cost_usd": 1,
            },
            r"costs \$2\.52",
        ),
    ],
    GMICloudRequestSensor: [
        ({"request_id": ""}, "`request_id` is ''"),
        ({"request_id": None}, "`request_id` is None"),
        ({"request_id": ["a", "b"]}, "`request_id` holds 2 requests"),
        ({"request_id": "{broken"}, "`request_id` begins with a brace"),
        ({"label": [1]}, "`label` is"),
        ({"poll_interval": "often"}, "`poll_interval` is 'often'"),
        ({"poke_interval": -1}, "`poke_interval` is -1"),
        ({"timeout": timedelta(seconds=-1)}, "`timeout`"),
        ({"unreachable_after": "never"}, "`unreachable_after` is 'never'"),
        ({"deferrable": "perhaps"}, "`deferrable` is 'perhaps'"),
        ({"soft_fail": "perhaps"}, "`soft_fail` is 'perhaps'"),
    ],
    ClipToObjectStorageOperator: [
        ({"clip": 5}, "`clip` is int"),
        ({"clip": None}, "`clip`"),
        ({"clip": "not a request"}, "`clip` is 'not a request'"),
        ({"clip": {"video_url": "http://h/x"}}, "`clip` has no request_id"),
        ({"destination": "clip.mp4"}, "without a scheme"),
        ({"destination": None}, "`destination` is"),
        ({"destination": "s3://a/b.mov"}, r"it must end in \.mp4"),
        ({"duration": "five"}, "`duration` is 'five'"),
        ({"sound": "loud"}, "`sound` is 'loud'"),
        ({"poster": "big"}, "`poster` is 'big'"),
        ({"overwrite": "perhaps"}, "`overwrite` is 'perhaps'"),
        ({"max_bytes": 1.5}, r"`max_bytes` is 1\.5"),
        ({"max_pixels": "0"}, "`max_pixels` is '0'"),
        ({"download_timeout": "soon"}, "`download_timeout` is 'soon'"),
        ({"on_mismatch": "ignore"}, "`on_mismatch` is 'ignore'"),
        ({"frames": ["s3://a/b.png"]}, "`frames` holds 's3://a/b.png'"),
        ({"object_options": ["ACL"]}, "`object_options` is"),
        ({"signing_conn_id": True}, "`signing_conn_id` is True"),
    ],
    KlingOmniOperator: [
        *BUYS,
        ({"prompt": "x" * 2501}, "2501 characters"),
        ({"prompt": "null"}, "`prompt` is 'null'; it must be a text"),
        ({"prompt": "<<<image_3>>> rises"}, "image_3"),
        ({"prompt": None}, "`prompt` is missing"),
        ({"mode": "4k"}, "`mode` is '4k'"),
        ({"duration": 16}, "`duration` is 16"),
        ({"sound": "loud"}, "`sound` is 'loud'"),
        ({"aspect_ratio": "4:3"}, "`aspect_ratio` is '4:3'"),
        ({"image": "rocket.jpg"}, "`image` is .rocket.jpg., which has no scheme"),
        ({"image_tail": {"sha256": "a"}}, "`image_tail` is a dict without a `uri`"),
        ({"references": ["s3://a/b.png", "end.jpg"]}, r"`references\.1` is .end.jpg., which has no scheme"),
        ({"elements": [{"x": 1}]}, r"`elements\.0` is"),
        ({"shots": [{"prompt": "rise"}]}, r"`shots\.0\.duration` is None"),
        ({"shots": [{"prompt": "x" * 513, "duration": 5}]}, "513 characters"),
        ({"shots": [{"prompt": "rise", "duration": 4}], "duration": 5}, "lasts 4 s in all"),
        ({"video": {"a": 1}}, "`video` is a dict without `uri` and `video_url`"),
        ({"video": "s3://a/b.mp4", "video_role": "copy"}, "`video_role` is 'copy'"),
        ({"image_delivery": "mail"}, "`image_delivery` is 'mail'"),
        ({"image_conn_id": True}, "`image_conn_id` is True"),
        ({"max_cost_usd": "cheap"}, "`max_cost_usd` is 'cheap'"),
        ({"max_cost_usd": 0.5}, r"`max_cost_usd` is 0\.5, and .* costs \$0\.56"),
    ],
    KlingCreateElementOperator: [
        *BUYS,
        ({"element_name": "x" * 21}, "`element_name` .*21 characters"),
        ({"element_name": "null"}, "`element_name` is 'null'"),
        ({"element_description": " "}, "`element_description` .*empty"),
        ({"frontal_image": "hero.png"}, "`frontal_image` is .hero.png., which has no scheme"),
        ({"frontal_image": None}, "`frontal_image` is missing"),
        ({"refer_images": ["hero.png"]}, r"`refer_images\.0` is .hero.png., which has no scheme"),
        ({"refer_images": ["s3://a/b.png"] * 4}, "4 entries"),
        ({"image_delivery": "mail"}, "`image_delivery` is 'mail'"),
        ({"max_cost_usd": ""}, "`max_cost_usd` is ''"),
    ],
    JoinClipsOperator: [
        *FILES,
        ({"clips": "none"}, "`clips` is 'None'; it must be a list"),
        ({"clips": []}, "`clips` is empty"),
        ({"clips": ["s3://a/c.mp4", None]}, "`clips` has nothing at position 2 of 2"),
        ({"clips": ["s3://a/c.mp4", {"model": "x"}]}, r"`clips\[1\]` is None"),
        ({"destination": "s3://a/b.mov"}, r"it must end in \.mp4"),
        ({"shape": "2:1"}, "`shape` is '2:1'"),
        ({"fit": "stretch"}, "`fit` is 'stretch'"),
        ({"transition": "spin"}, "`transition` is 'spin'"),
        ({"transition_seconds": 3}, "`transition_seconds` is 3; it must be from 0 to 2"),
        ({"preset": "fastest"}, "`preset` is 'fastest'"),
        ({"crf": 52}, "`crf` is 52; it must be from 0 to 51"),
        ({"crf": 18.5}, r"`crf` is 18\.5; it must be a whole number"),
        ({"loudness": -4}, "`loudness` is -4; it must be from -70 to -5"),
        ({"music": {"model": "x"}}, "`music` is"),
        ({"music_volume": "loud"}, "`music_volume` is 'loud'"),
        ({"ducking": "some"}, "`ducking` is 'some'"),
        ({"fade_out": "slowly"}, "`fade_out` is 'slowly'"),
        ({"chapters": "two"}, "`chapters` is 'two'"),
        ({"captions": 5}, "`captions` is int; it must be an address"),
        ({"variants": ["2:1"]}, "`variants` holds '2:1'"),
        ({"variants": {"a": 1}}, "`variants` is .* it must be a list"),
        ({"poster": "big"}, "`poster` is 'big'"),
        ({"preview": "avi"}, "`preview` is 'avi'"),
        ({"timeline": "long"}, "`timeline` is 'long'"),
        ({"signing_conn_id": True}, "`signing_conn_id` is True"),
    ],
    ExtractFrameOperator: [
        *FILES,
        ({"clip": None}, "`clip` is None"),
        ({"clip": {"model": "x"}}, "`clip` is None"),
        ({"destination": "s3://a/b.jpg"}, r"ends in \.png"),
        ({"at": "middle"}, "`at` is 'middle'; it must be `first`, `last` or a number"),
        ({"every": 0}, "`every` is 0; it must be a number of seconds above 0"),
    ],
    CheckTakesOperator: [
        *FILES,
        ({"clips": []}, "`clips` is empty"),
        ({"destination": "s3://a/b.gif"}, r"ends in \.jpg, \.jpeg, \.png"),
        ({"sound": "loud"}, "`sound` is 'loud'"),
        ({"likeness": "much"}, "`likeness` is 'much'"),
        ({"columns": 0}, "`columns` is 0; it must be a whole number, 1 or more"),
        ({"rows": "two"}, "`rows` is 'two'"),
    ],
}
if Version("3.1") <= AIRFLOW:  # the first with a human in the loop
    from kling_airflow.operators.approve_takes import ApproveTakesOperator

    NEEDED[ApproveTakesOperator] = {"takes": [{"uri": "s3://a/c.mp4"}]}
    MISTAKES[ApproveTakesOperator] = [
        ({"takes": "good"}, "`takes` is 'good'; it must be what CheckTakesOperator returned"),
        ({"next_usd": "much"}, "`next_usd` is 'much'"),
        ({"sheet_conn_id": True}, "`sheet_conn_id` is True"),
        ({"skip_review": "perhaps"}, "`skip_review` is 'perhaps'"),
    ]
ALL = [
    pytest.param(kind, wrong, words, id=f"{kind.__name__}-{number}-{'-'.join(wrong)}")
    for kind, mistakes in MISTAKES.items()
    for number, (wrong, words) in enumerate(mistakes)
]
MAPPED = {
    kind: {
        name: value.replace("/b.", "/{{ ti.map_index }}.").replace("/c.", "/{{ ti.map_index }}.")
        if name == "destination"
        else value
        for name, value in needed.items()
    }
    for kind, needed in NEEDED.items()
}
NOT_MAPPED = ("execution_timeout",)
"""Airflow itself refuses to map it."""


@pytest.fixture(autouse=True)
def dag() -> Iterator[DAG]:
    with DAG("literals", schedule=None) as made, warnings.catch_warnings():
        warnings.simplefilter("error")
        yield made


@task
def rows() -> list[dict[str, Any]]:
    return []


def test_every_operator_of_the_package_checks_its_literals_and_is_tested_here() -> None:
    found = package_operators()
    tested = {kind.__name__ for kind in MISTAKES} | {"ApproveTakesOperator"}
    assert tested == found.keys()
    for name, kind in found.items():
        assert issubclass(kind, ChecksLiterals), name
        assert kind.check_literals.__func__ is not ChecksLiterals.check_literals.__func__, name


@pytest.mark.parametrize(("kind", "wrong", "words"), ALL)
def test_in_a_task(kind: type[Any], wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        kind(task_id="task", **(NEEDED[kind] | wrong))


@pytest.mark.parametrize(("kind", "wrong", "words"), ALL)
def test_in_a_row(kind: type[Any], wrong: dict[str, Any], words: str) -> None:
    if wrong.keys() & set(NOT_MAPPED):
        with pytest.raises(InvalidArgument, match=words):
            kind.partial(task_id="task", **wrong).expand_kwargs(rows())
        return
    with pytest.raises(InvalidArgument, match=words):
        kind.partial(task_id="task").expand_kwargs([MAPPED[kind] | wrong])


@pytest.mark.parametrize(("kind", "wrong", "words"), ALL)
def test_in_expand_or_in_partial(kind: type[Any], wrong: dict[str, Any], words: str) -> None:
    partial = {name: value for name, value in MAPPED[kind].items() if name not in wrong}
    name, value = next(iter(wrong.items()))
    others = {key: each for key, each in wrong.items() if key != name}
    if name in NOT_MAPPED:
        return
    with pytest.raises(InvalidArgument, match=words):
        kind.partial(task_id="task", **partial, **others).expand(**{name: [value]})


@pytest.mark.parametrize("kind", NEEDED)
def test_good_ones_pass(kind: type[Any]) -> None:
    kind(task_id="one", **NEEDED[kind])
    kind.partial(task_id="two").expand_kwargs([NEEDED[kind]])
    kind.partial(task_id="three").expand_kwargs(rows())
    name, *others = MAPPED[kind]
    kind.partial(task_id="four", **{other: MAPPED[kind][other] for other in others}).expand(
        **{name: [MAPPED[kind][name]]}
    )


def test_defaults_of_the_dag_count() -> None:
    with DAG("defaults", schedule=None, default_args={"duration": 3, "prompt": "rise", "max_cost_usd": 0.6}):
        KlingImageToVideoOperator(task_id="plain", image="s3://a/b.png")
        KlingImageToVideoOperator.partial(task_id="mapped").expand(image=["s3://a/b.png"])
        with pytest.raises(InvalidArgument, match=r"`max_cost_usd` is 0\.6, and this clip \(4 s\)"):
            KlingImageToVideoOperator.partial(task_id="dear").expand_kwargs(
                [{"image": "s3://a/b.png", "duration": 4}]
            )


def test_a_price_is_checked_for_each_row() -> None:
    cheap, dear = {"duration": 3}, {"duration": 15}
    partial = {"task_id": "task", "prompt": "rise", "image": "s3://a/b.png", "max_cost_usd": 1}
    KlingImageToVideoOperator.partial(**partial).expand_kwargs([cheap])
    with pytest.raises(InvalidArgument, match=r"\(15 s\) costs \$2\.52"):
        KlingImageToVideoOperator.partial(**(partial | {"task_id": "two"})).expand_kwargs([cheap, dear])


def test_what_only_the_run_knows_is_left_for_the_run() -> None:
    KlingImageToVideoOperator.partial(
        task_id="task", duration="{{ params.x }}", max_cost_usd=0.01, label="{% raw %}a{% endraw %}"
    ).expand_kwargs([{"image": rows(), "prompt": "{{ params.p }}"}, rows()])
    KlingImageToVideoOperator.partial(task_id="two", prompt="{# later #}").expand(image=rows())


def test_other_marks_of_templates_are_templates() -> None:
    marks = {"variable_start_string": "<<", "variable_end_string": ">>"}
    with DAG("marks", schedule=None, jinja_environment_kwargs=marks):
        KlingTextToVideoOperator(task_id="plain", prompt="rise", duration="<< params.duration >>")
        KlingTextToVideoOperator.partial(task_id="rows").expand_kwargs(
            [{"prompt": "rise", "duration": "<< params.duration >>"}]
        )
        with pytest.raises(InvalidArgument, match="`duration` is 20"):
            KlingTextToVideoOperator(task_id="wrong", prompt="rise", duration=20)


class Short(KlingTextToVideoOperator):
    """A subclass whose constructor makes the package's arguments of its own."""

    def __init__(self, *, prompt: str, duration: str = "short", **kwargs: Any) -> None:
        super().__init__(prompt=prompt or "rise", duration={"short": 3}[duration], **kwargs)


def test_a_subclass_may_read_its_arguments_otherwise() -> None:
    Short(task_id="one", prompt="")
    Short.partial(task_id="two").expand_kwargs([{"prompt": "", "duration": "short"}])
    with pytest.raises(InvalidArgument, match="`take` is 0"):
        Short(task_id="three", prompt="", take=0)
