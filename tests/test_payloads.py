from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument, Money
from kling_airflow.models import IMAGE_TO_VIDEO, TEXT_TO_VIDEO, TURBO_IMAGE_TO_VIDEO
from kling_airflow.payloads import ClipOptions

URL = "https://stills.example/rocket.jpg"


def make(**fields: Any) -> dict[str, str]:
    """Return the payload of Kling v3 with these options and frames."""
    given = {"prompt": "rise", "image": URL} | fields
    frames = {name: given.pop(name) for name in ("image", "image_tail") if name in given}
    return ClipOptions.of(IMAGE_TO_VIDEO, **given).payload(frames)


def test_the_payload_sends_strings() -> None:
    payload = make(image_tail=URL, negative_prompt="rain", duration=7, sound=True)
    assert payload == {
        "prompt": "rise",
        "image": URL,
        "image_tail": URL,
        "negative_prompt": "rain",
        "duration": "7",
        "sound": "on",
    }


def test_absent_fields_are_left_out() -> None:
    assert make() == {"prompt": "rise", "image": URL, "duration": "5", "sound": "off"}


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
        ({"sound": "loud"}, ["sound", "'loud'", "true or false"]),
        ({"image": "ftp://host/frame.png"}, ["image", "ftp://", "https://"]),
        ({"image": "s3://bucket/frame.png"}, ["image", "s3://", "https://"]),
        ({"image": "data:image/png;base64,AAAA"}, ["image", "data:", "prefix"]),
        ({"image_tail": "DATA:image/png;base64,AAAA"}, ["image_tail", "data:"]),
        ({"image": "not base64!"}, ["image", "neither a URL nor Base64"]),
        ({"image": ""}, ["image"]),
        ({"image": None}, ["image"]),
        ({"cfg_scale": 0.5}, ["cfg_scale", "no such argument", "prompt, negative_prompt, duration, sound"]),
    ],
)
def test_bad_input_names_field_value_and_limit(fields: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make(**fields)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.money is Money.UNSPENT


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(InvalidArgument, match=r"(?s)prompt.*duration"):
        make(prompt="", duration=99)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidArgument, match="`image` is missing"):
        ClipOptions.of(IMAGE_TO_VIDEO, prompt="rise").payload({})


def test_a_frame_in_an_error_is_shortened() -> None:
    with pytest.raises(InvalidArgument) as caught:
        make(image="!" * 100_000)
    assert len(str(caught.value)) < 400


@given(duration=st.integers(3, 15), sound=st.booleans())
def test_rendered_text_is_read_as_the_value_that_was_written(duration: int, *, sound: bool) -> None:
    assert make(duration=str(duration), sound=str(sound)) == make(duration=duration, sound=sound)


@given(st.integers())
def test_a_duration_is_taken_exactly_when_the_service_takes_it(duration: int) -> None:
    if 3 <= duration <= 15:
        assert make(duration=duration)["duration"] == str(duration)
    else:
        with pytest.raises(InvalidArgument):
            make(duration=duration)


@given(st.binary(min_size=1, max_size=300))
def test_raw_base64_is_taken(data: bytes) -> None:
    import base64

    text = base64.b64encode(data).decode()
    assert make(image=text)["image"] == text


@pytest.mark.parametrize(
    ("duration", "sound", "price"),
    [(5, False, 0.84), (5, True, 1.26), (15, True, 3.78), (3, False, 0.504)],
)
def test_the_price_is_the_vendors(duration: int, sound: bool, price: float) -> None:
    assert ClipOptions.of(
        IMAGE_TO_VIDEO, prompt="rise", duration=duration, sound=sound
    ).price_usd == pytest.approx(price)


def test_an_option_that_is_none_takes_its_default() -> None:
    given = {"duration": None, "sound": None, "negative_prompt": None}
    assert make(**given) == make()


class TestKling3Turbo:
    def test_its_payload(self) -> None:
        options = ClipOptions.of(TURBO_IMAGE_TO_VIDEO, prompt="rise", resolution="1080p")
        assert options.payload({"first_frame": URL}) == {
            "prompt": "rise",
            "duration": "5",
            "resolution": "1080p",
            "first_frame": URL,
        }
        assert options.price_usd == pytest.approx(0.7)

    def test_it_needs_no_prompt(self) -> None:
        assert "prompt" not in ClipOptions.of(TURBO_IMAGE_TO_VIDEO).to_json()

    @pytest.mark.parametrize("given", [{"sound": True}, {"negative_prompt": "rain"}, {"aspect_ratio": "1:1"}])
    def test_an_argument_it_lacks_is_refused_with_those_it_has(self, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgument, match="it has image, prompt, duration, resolution"):
            ClipOptions.of(TURBO_IMAGE_TO_VIDEO, **given)

    def test_an_unknown_resolution_is_named(self) -> None:
        with pytest.raises(InvalidArgument, match="`resolution` is '4k': it must be one of 720p, 1080p"):
            ClipOptions.of(TURBO_IMAGE_TO_VIDEO, resolution="4k")


def test_a_model_without_an_entry_is_named_with_those_that_have_one() -> None:
    with pytest.raises(InvalidArgument, match=f"'kling-v9'.*{IMAGE_TO_VIDEO}, {TEXT_TO_VIDEO}"):
        ClipOptions.of("kling-v9", prompt="rise")
