"""What a message says of each of the package's tasks, and how each channel shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.utils.state import TaskInstanceState

from kling_airflow.errors import Money, Rejected
from kling_airflow.notifications.formats import email_html, slack_blocks, teams_card
from kling_airflow.notifications.message import Message, message_of
from tests.airflow_context import context

LANDED = {
    "uri": "s3://clips/a.mp4",
    "sha256": "00",
    "bytes": 1,
    "duration_seconds": 5.04,
    "poster_uri": "s3://clips/a.jpg",
    "sidecar_uri": "s3://clips/a.json",
    "request_id": "r-1",
}
RESULTS: dict[str, tuple[Any, str, str | None]] = {
    "clip": (
        {"video_url": "https://m/a.mp4", "label": "launch", "thumbnail_url": "https://m/a.jpg"},
        "The clip `launch` is there",
        "https://m/a.jpg",
    ),
    "landing": (LANDED, "A clip landed", "s3://clips/a.jpg"),
    "film": (
        LANDED | {"clips": 3, "timeline_uri": "s3://clips/a.otio"},
        "A film of 3 clips was made",
        "s3://clips/a.jpg",
    ),
    "takes": (
        {"takes": [{}, {}], "good": ["s3://a"], "sheet_uri": "s3://clips/sheet.jpg"},
        "1 of 2 takes look right",
        "s3://clips/sheet.jpg",
    ),
    "storyboard": (
        {
            "clips": 2,
            "landed": 1,
            "report_uri": "s3://clips/report.json",
            "shots": [{"name": "a", "poster_uri": "s3://clips/a.jpg"}, {"name": "b", "error": "refused"}],
        },
        "1 of 2 clips of the storyboard landed",
        "s3://clips/a.jpg",
    ),
    "sheet": ("s3://clips/contact-sheet.jpg", "dag.submit succeeded", "s3://clips/contact-sheet.jpg"),
    "request id": ("r-1", "dag.submit succeeded", None),
}


def told(result: Any, **more: Any) -> Message:
    given = context()
    given["ti"].xcoms.update({"return_value": result, "request_link": "https://q", "gallery_link": "/kling/"})
    return message_of(given | more)


@pytest.mark.parametrize("name", RESULTS)
def test_each_result_has_its_title_and_picture(name: str) -> None:
    result, title, picture = RESULTS[name]
    message = told(result)
    assert (message.title, message.picture) == (title, picture)
    assert message.links == (("Request", "https://q"),), "a path is no address for a message"


def test_cost_length_and_place_are_facts() -> None:
    facts = dict(told(LANDED | {"cost_usd": 0.84}).facts)
    assert facts == {
        "Cost": "$0.84",
        "Length": "5.04 s",
        "Place": "s3://clips/a.mp4",
        "Request": "r-1",
        "Run": "run",
    }


def test_a_storyboard_names_the_shots_that_failed() -> None:
    assert told(RESULTS["storyboard"][0]).lines == ("b: refused",)


def test_a_failure_says_the_money_and_what_to_do() -> None:
    error = Rejected("The prompt is refused.", todo="Change the prompt.")
    message = told(None, exception=error)
    assert message.title == "dag.submit failed"
    assert message.lines == ("The prompt is refused.", Money.UNSPENT.value, "Change the prompt.")
    assert told(None, exception=ValueError("mine")).lines == ("mine",)


NASTY = Message(
    title="<b>&",
    lines=("a < b & c",),
    facts=(("Cost", "$1 <script>"),),
    links=(("Clip", "https://a/?x=1&y=2"),),
)


@pytest.mark.parametrize("state", [TaskInstanceState.FAILED, TaskInstanceState.UP_FOR_RETRY, "failed"])
def test_a_failure_without_an_error_is_no_success(state: str) -> None:
    given = context()
    given["ti"].state = state
    message = message_of(given)
    assert message.title.endswith("failed")
    assert "The task's log has it" in message.text()


def test_no_text_is_markup() -> None:
    slack = json.dumps(slack_blocks(NASTY)[1:])
    assert "<script>" not in slack
    assert "a &lt; b &amp; c" in slack
    assert "<https://a/?x=1&amp;y=2|Clip>" in slack
    html = email_html(NASTY, "cid:a.jpg")
    assert "<script>" not in html
    assert 'href="https://a/?x=1&amp;y=2"' in html
    assert 'src="cid:a.jpg"' in html


def test_a_long_text_stays_within_slacks_limits() -> None:
    blocks = slack_blocks(
        Message(
            title="t" * 500, lines=("x" * 9000,), facts=tuple((str(n), "v") for n in range(30)), links=()
        ),
        "https://p",
    )
    assert len(blocks[0]["text"]["text"]) <= 150
    assert len(blocks[1]["text"]["text"]) <= 3000
    assert len(blocks[2]["fields"]) <= 10
    assert blocks[-1]["image_url"] == "https://p"


def test_a_card_has_the_picture_the_facts_and_the_links() -> None:
    (attachment,) = teams_card(NASTY, "https://p")["attachments"]
    card = attachment["content"]
    assert [part["type"] for part in card["body"]] == ["TextBlock", "TextBlock", "Image", "FactSet"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Clip", "url": "https://a/?x=1&y=2"}]
