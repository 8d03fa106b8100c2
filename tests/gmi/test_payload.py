from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.errors import InvalidPayload, Money
from kling_airflow.gmi.payload import ClipOptions, ImageToVideo

URL = "https://stills.example/rocket.jpg"


def make(**fields: Any) -> ImageToVideo:
    return ImageToVideo.of(**({"prompt": "rise", "image": URL} | fields))


def test_the_payload_sends_strings() -> None:
    payload = make(image_tail=URL, negative_prompt="rain", duration=7, sound=True)
    assert payload.to_json() == {
        "prompt": "rise",
        "image": URL,
        "image_tail": URL,
        "negative_prompt": "rain",
        "duration": "7",
        "sound": "on",
    }


def test_absent_fields_are_left_out() -> None:
    assert make().to_json() == {"prompt": "rise", "image": URL, "duration": "5", "sound": "off"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": ""}, ["prompt", "empty"]),
        ({"prompt": "  \n"}, ["prompt", "empty"]),
        ({"prompt": "x" * 2501}, ["prompt", "2501", "2500"]),
        ({"negative_prompt": "x" * 2501}, ["negative_prompt", "2501", "2500"]),
        ({"duration": 2}, ["duration", "2", "3 to 15"]),
        ({"duration": "16"}, ["duration", "16", "3 to 15"]),
        ({"duration": "five"}, ["duration", "'five'", "whole number of seconds"]),
        ({"duration": 5.5}, ["duration", "5.5", "whole number"]),
        ({"duration": True}, ["duration", "True", "whole number"]),
        ({"duration": None}, ["duration", "None", "whole number"]),
        ({"sound": "loud"}, ["sound", "'loud'", "true or false"]),
        ({"image": "ftp://host/frame.png"}, ["image", "ftp://", "https://"]),
        ({"image": "s3://bucket/frame.png"}, ["image", "s3://", "https://"]),
        ({"image": "data:image/png;base64,AAAA"}, ["image", "data:", "prefix"]),
        ({"image_tail": "DATA:image/png;base64,AAAA"}, ["image_tail", "data:"]),
        ({"image": "not base64!"}, ["image", "neither a URL nor Base64"]),
        ({"image": ""}, ["image"]),
        ({"image": None}, ["image"]),
        ({"cfg_scale": 0.5}, ["cfg_scale", "not a field"]),
    ],
)
def test_bad_input_names_field_value_and_limit(fields: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        make(**fields)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.money is Money.UNSPENT


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(InvalidPayload, match=r"(?s)prompt.*duration"):
        make(prompt="", duration=99)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidPayload, match="`image` is missing"):
        ImageToVideo.of(prompt="rise")


def test_a_frame_in_an_error_is_shortened() -> None:
    with pytest.raises(InvalidPayload) as caught:
        make(image="!" * 100_000)
    assert len(str(caught.value)) < 400


@given(duration=st.integers(3, 15), sound=st.booleans())
def test_what_templates_render_is_what_people_wrote(duration: int, *, sound: bool) -> None:
    assert make(duration=str(duration), sound=str(sound)) == make(duration=duration, sound=sound)


@given(st.integers())
def test_a_duration_is_taken_exactly_when_the_service_takes_it(duration: int) -> None:
    if 3 <= duration <= 15:
        assert make(duration=duration).to_json()["duration"] == str(duration)
    else:
        with pytest.raises(InvalidPayload):
            make(duration=duration)


@given(st.binary(min_size=1, max_size=300))
def test_raw_base64_is_taken(data: bytes) -> None:
    import base64

    text = base64.b64encode(data).decode()
    assert make(image=text).image == text


@pytest.mark.parametrize(
    ("duration", "sound", "price"),
    [(5, False, 0.84), (5, True, 1.26), (15, True, 3.78), (3, False, 0.504)],
)
def test_the_price_is_the_vendors(duration: int, sound: bool, price: float) -> None:
    assert ClipOptions.of(prompt="rise", duration=duration, sound=sound).price_usd == pytest.approx(price)
