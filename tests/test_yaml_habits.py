"""What PyYAML makes of text without quotes is named in the error of each argument that can't take it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from kling_airflow.yaml_habits import range_hint, yaml_hint

NEEDED: dict[type[Any], dict[str, Any]] = {
    PrepareFrameOperator: {"source": "s3://a/b.jpg", "destination": "s3://a/c.jpg"},
    KlingImageToVideoOperator: {"image": "s3://a/b.jpg", "prompt": "rise"},
    KlingTextToVideoOperator: {"prompt": "rise"},
    GMICloudRequestOperator: {"model": "any", "payload": {"prompt": "rise"}},
    GMICloudRequestSensor: {"request_id": "a"},
    ClipToObjectStorageOperator: {"clip": "a", "destination": "s3://a/b.mp4"},
}
STORES = ("source_conn_id", "destination_conn_id")
BUYS = {
    "texts": ("label", "gmi_conn_id", "adopt_request_id", "ledger", "on_unresolved", "on_clear"),
    "numbers": ("take", "timeout", "poll_interval", "unreachable_after", "submit_timeout", "resubmit_delay"),
    "switches": ("durable", "wait_for_completion", "deferrable", "cancel_on_kill", "cancel_on_timeout"),
}
ARGUMENTS: dict[type[Any], dict[str, tuple[str, ...]]] = {
    PrepareFrameOperator: {
        "texts": ("source", "destination", "aspect_ratio", "fit", "gravity", "background", "format", *STORES),
        "numbers": ("short_side", "quality", "max_bytes", "max_pixels"),
        "switches": (),
    },
    KlingImageToVideoOperator: {
        "texts": (
            "image",
            "prompt",
            "model",
            "image_tail",
            "negative_prompt",
            "image_delivery",
            *BUYS["texts"],
        ),
        "numbers": ("duration", "max_cost_usd", *BUYS["numbers"]),
        "switches": ("sound", *BUYS["switches"]),
    },
    KlingTextToVideoOperator: {
        "texts": ("prompt", "negative_prompt", "aspect_ratio", *BUYS["texts"]),
        "numbers": ("duration", "max_cost_usd", *BUYS["numbers"]),
        "switches": ("sound", *BUYS["switches"]),
    },
    GMICloudRequestOperator: {
        "texts": ("model", *BUYS["texts"]),
        "numbers": ("max_cost_usd", *BUYS["numbers"]),
        "switches": ("check_payload", *BUYS["switches"]),
    },
    GMICloudRequestSensor: {
        "texts": ("request_id", "model", "gmi_conn_id", "label"),
        "numbers": ("poll_interval", "poke_interval", "timeout", "unreachable_after"),
        "switches": ("deferrable", "soft_fail"),
    },
    ClipToObjectStorageOperator: {
        "texts": ("clip", "destination", "destination_conn_id", "gmi_conn_id", "prompt", "on_mismatch"),
        "numbers": ("duration", "max_bytes", "max_pixels", "download_timeout"),
        "switches": ("sound", "poster", "overwrite"),
    },
}


def arguments(*kinds: str) -> list[Any]:
    return [
        pytest.param(operator, name, id=f"{operator.__name__}-{name}")
        for operator, groups in ARGUMENTS.items()
        for kind in kinds
        for name in groups[kind]
    ]


def refused(operator: type[Any], name: str, written: str) -> str:
    value = yaml.safe_load(f"value: {written}")["value"]
    with pytest.raises(InvalidArgument) as caught:
        operator(task_id="task", **(NEEDED[operator] | {name: value}))
    assert f"`{name}" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("operator", "name"), arguments("texts"))
@pytest.mark.parametrize(("written", "seen"), [("no", "`no`, `off`"), ("on", "`on`"), ("Off", "`off`")])
def test_a_switch_where_a_text_belongs(operator: type[Any], name: str, written: str, seen: str) -> None:
    message = refused(operator, name, written)
    assert seen in message
    assert "put quotes around the text" in message


@pytest.mark.parametrize(("operator", "name"), arguments("texts", "numbers", "switches"))
@pytest.mark.parametrize("written", ["2026-11-27", "2026-11-27 10:00:00"])
def test_a_date(operator: type[Any], name: str, written: str) -> None:
    assert "YAML reads a date without quotes" in refused(operator, name, written)


@pytest.mark.parametrize(("operator", "name"), arguments("numbers"))
@pytest.mark.parametrize("written", ["yes", "no"])
def test_a_switch_where_a_number_belongs(operator: type[Any], name: str, written: str) -> None:
    message = refused(operator, name, written)
    assert f"`{written}`" in message
    assert "quotes around" not in message


@pytest.mark.parametrize(("operator", "name"), arguments("numbers"))
@pytest.mark.parametrize("written", ["0o20", "0x1f", "'0b11'"])
def test_a_number_of_another_base(operator: type[Any], name: str, written: str) -> None:
    if yaml.safe_load(written) == 0x1F:
        return  # PyYAML reads it as the number that is meant
    assert "Write the number with decimal digits" in refused(operator, name, written)


@pytest.mark.parametrize("operator", [PrepareFrameOperator, KlingTextToVideoOperator])
@pytest.mark.parametrize("written", ["16:9", "9:16", "1:1", "4:3", "21:9"])
def test_a_shape(operator: type[Any], written: str) -> None:
    number = yaml.safe_load(written)
    assert isinstance(number, int)
    message = refused(operator, "aspect_ratio", written)
    assert f"YAML reads `{written}` without quotes as the number {number}: put quotes around" in message


@pytest.mark.parametrize("text", ["969", "556", "61"])
def test_a_shape_that_a_template_renders(text: str) -> None:
    with pytest.raises(InvalidArgument, match=f"as the number {text}: put quotes"):
        KlingTextToVideoOperator(task_id="task", prompt="rise", aspect_ratio=text)


@pytest.mark.parametrize("written", ["000000", "112233", "007"])
def test_a_color_or_a_name_of_digits(written: str) -> None:
    assert "YAML reads digits without quotes as a number" in refused(
        PrepareFrameOperator, "background", written
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{on: rise}", "has the key True; each key must be a text. YAML reads `yes`, `on`"),
        ("{nested: {no: 1}}", "`payload.nested` has the key False"),
        ("{when: 2026-11-27}", "`payload.when` is datetime.date"),
        ("{list: [rise, 2026-11-27]}", "`payload.list.1` is datetime.date"),
    ],
)
def test_a_payload(written: str, words: str) -> None:
    assert words in refused(GMICloudRequestOperator, "payload", written)


@pytest.mark.parametrize(
    ("operator", "name", "written", "words"),
    [
        (KlingTextToVideoOperator, "duration", "12:30", "is 750; it must be 3 to 15 seconds. If `12:30`"),
        (
            KlingTextToVideoOperator,
            "duration",
            "1:00",
            "If `1:00` stands in the YAML file: YAML reads that as 60",
        ),
        (KlingTextToVideoOperator, "duration", "1:00:05", "If `1:00:05` stands in the YAML file"),
        (KlingImageToVideoOperator, "duration", "1:5", "If `1:05` stands in the YAML file"),
        (PrepareFrameOperator, "quality", "045", "If `045` stands in the YAML file: YAML reads that as 37"),
        (
            PrepareFrameOperator,
            "quality",
            "2:00",
            "If `2:00` stands in the YAML file: YAML reads that as 120",
        ),
        (
            PrepareFrameOperator,
            "short_side",
            "0640",
            "If `0640` stands in the YAML file: YAML reads that as 416",
        ),
        (PrepareFrameOperator, "short_side", "1:00:00", "If `1:00:00` stands in the YAML file"),
    ],
)
def test_a_number_that_yaml_counted_in_sixties_or_eights(
    operator: type[Any], name: str, written: str, words: str
) -> None:
    assert words in refused(operator, name, written)


@pytest.mark.parametrize("written", ["5", "16", "2", "-750", "3.5"])
def test_a_number_that_no_habit_explains(written: str) -> None:
    assert range_hint(yaml.safe_load(written), 3, 15) == ""


@pytest.mark.parametrize(("operator", "name"), arguments("numbers"))
@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("0:10", "Write one number, without colons"),
        ("00:10:00", "Write one number, without colons"),
        ("'12:30'", "Write one number, without colons"),
        ("5s", "Write the number without a unit"),
        ("10 min", "Write the number without a unit"),
        ("PT10M", "Write the number without a unit"),
        ("2 USD", "Write the number without a unit"),
    ],
)
def test_a_time_or_a_unit_where_a_number_belongs(
    operator: type[Any], name: str, written: str, words: str
) -> None:
    assert words in refused(operator, name, written)


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("duration", "1_0", 10),
        ("duration", "010", 8),
        ("duration", "5.0", 5),
        ("duration", "'5'", 5),
        ("sound", "no", False),
        ("sound", "'on'", True),
        ("sound", "Yes", True),
    ],
)
def test_what_is_unmistakable_is_read(name: str, written: str, value: object) -> None:
    given = yaml.safe_load(f"{name}: {written}")
    made = KlingTextToVideoOperator(task_id="task", prompt="rise", **given)
    assert made._asked()[name] == value


@pytest.mark.parametrize(("operator", "name"), arguments("switches"))
@pytest.mark.parametrize("written", ["no", "'no'", "'False'", "on", "'true'"])
def test_a_switch_is_read_as_text_too(operator: type[Any], name: str, written: str) -> None:
    value = yaml.safe_load(written)
    made = operator(task_id="task", **(NEEDED[operator] | {name: value}))
    attribute = {"soft_fail": "skip_on_timeout"}.get(name, name)
    if name in ("sound", "poster", "overwrite"):
        return  # rendered first, and read when the task runs
    assert getattr(made, attribute) is (written in ("on", "'true'"))


@given(st.integers(60, 60**3 - 1))
def test_any_pair_is_read_back(number: int) -> None:
    hint = yaml_hint(number, ("16:9",))
    pair = hint.split("`")[1]
    assert yaml.safe_load(pair) == number or ":0" in pair or pair.endswith(tuple(f":{n}" for n in range(10)))


@given(st.one_of(st.text(), st.none(), st.integers(), st.floats(), st.booleans(), st.dates()))
def test_a_hint_is_a_sentence_or_nothing(value: Any) -> None:
    for text in (True, False):
        hint = yaml_hint(value, ("16:9", "source"), text=text)
        assert hint == "" or (hint[0] == " " and hint.endswith("."))


@given(st.integers(60, 60**3 - 1))
def test_any_time_is_read_back(number: int) -> None:
    hint = range_hint(number, 0, 1)
    assert yaml.safe_load(hint.split("`")[1]) == number


@given(st.integers(8, 10**6))
def test_any_number_with_a_leading_zero_is_read_back(number: int) -> None:
    meant = int(f"{number:o}")
    assert yaml.safe_load(range_hint(number, meant, meant).split("`")[1]) == number


@pytest.mark.parametrize("digits", ["fff", "1a2b3c", "ABCD", "'112233'"])
def test_a_color_without_its_sign(digits: str) -> None:
    """Behind a blank, YAML takes `#` for a comment, so that people leave it out."""
    assert f"Write '#{yaml.safe_load(digits)}'" in refused(PrepareFrameOperator, "background", digits)


NO_LENGTHS: dict[str, int | Decimal] = {
    "long": 10**5000,
    "long, below zero": -(10**5000),
    "a fraction": Decimal("5.5"),
    "NaN": Decimal("NaN"),
    "infinite": Decimal("Infinity"),
}


@pytest.mark.parametrize("name", NO_LENGTHS)
def test_a_number_that_is_no_length_is_refused_in_short(name: str) -> None:
    with pytest.raises(InvalidArgument, match="`duration") as caught:
        KlingTextToVideoOperator(task_id="task", prompt="rise", duration=NO_LENGTHS[name])
    assert len(str(caught.value)) < 400


def test_the_decimal_of_a_database_is_a_number() -> None:
    made = KlingTextToVideoOperator(
        task_id="task",
        prompt="rise",
        duration=Decimal(5),
        max_cost_usd=Decimal("2.50"),
        timeout=Decimal(60),
    )
    assert made._asked()["duration"] == 5
