"""The notifier, over the other providers' own notifiers, against servers on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest
from packaging.version import Version

from kling_airflow import exceptions
from kling_airflow.errors import Rejected
from kling_airflow.notifications import notifier as module
from kling_airflow.notifications.notifier import KlingNotifier
from tests import airflow_versions
from tests.airflow_context import context
from tests.airflow_versions import AIRFLOW
from tests.dag_runs import run_dag
from tests.notifications.servers import mail_server, webhook
from tests.s3 import s3 as s3
from tests.task_fixtures import frames as frames
from tests.task_fixtures import queue as queue
from tests.task_fixtures import rocket as rocket
from tests.task_fixtures import stepping as stepping

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator
    from tests.s3 import S3

POSTER = b"\xff\xd8\xff poster"


@pytest.fixture
def landed(s3: S3) -> dict[str, Any]:
    """Return the context of a landing's callback; the poster is in S3."""
    bucket = s3.bucket()
    poster = s3.put(bucket, "a.jpg", POSTER)
    given = context()
    given["dag"] = airflow_versions.DAG("dag", schedule=None)
    given["ti"].xcoms.update(
        {
            "return_value": {
                "uri": f"s3://{bucket}/a.mp4",
                "poster_uri": poster,
                "sidecar_uri": f"s3://{bucket}/a.json",
                "request_id": "r-1",
                "cost_usd": 0.84,
            },
            "clip_link": "https://store/a.mp4",
        }
    )
    return given


def test_a_mail_shows_the_poster_itself(
    landed: dict[str, Any], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.smtp")
    with mail_server() as (port, mails):
        connection = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
        KlingNotifier(smtp="mail", to=["team@example.com"], picture_conn_id=s3.conn_id)(landed)
    (mail,) = mails
    assert mail["subject"] == "A clip landed"
    assert mail["to"] == "team@example.com"
    parts = {part.get_content_type(): part for part in mail.walk()}
    html = parts["text/html"].get_content()
    assert "$0.84" in html
    assert 'href="https://store/a.mp4"' in html
    assert 'src="cid:picture.jpg"' in html
    picture = next(part for part in mail.walk() if part["content-id"] == "<picture.jpg>")
    assert picture.get_payload(decode=True) == POSTER


def test_a_picture_that_is_gone_is_left_out(
    landed: dict[str, Any], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.smtp")
    landed["ti"].xcoms["return_value"]["poster_uri"] = f"s3://{s3.bucket()}/none.jpg"
    with mail_server() as (port, mails):
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
        KlingNotifier(smtp="mail", to="team@example.com", picture_conn_id=s3.conn_id)(landed)
    assert "<img" not in str(mails[0])


def test_a_teams_card_has_an_address_that_teams_can_read(
    landed: dict[str, Any], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.http")
    with webhook() as (url, posts):
        monkeypatch.setenv("AIRFLOW_CONN_TEAMS", json.dumps({"conn_type": "http", "host": f"{url}/workflow"}))
        KlingNotifier(teams="teams", picture_conn_id=s3.conn_id)(landed)
    body = posts[0]["attachments"][0]["content"]["body"]
    assert body[0]["text"] == "A clip landed"
    (image,) = [part["url"] for part in body if part["type"] == "Image"]
    with urlopen(image) as answer:
        assert answer.read() == POSTER


def test_a_slack_message_has_blocks_and_a_text(
    landed: dict[str, Any], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.slack")
    with webhook() as (url, posts):
        connection = {"conn_type": "slackwebhook", "host": url, "password": "/services/T/B/x"}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK", json.dumps(connection))
        KlingNotifier(slack="slack", picture_conn_id=s3.conn_id)(landed)
        KlingNotifier(slack="slack", picture=False)(landed | {"exception": Rejected("Refused.")})
    success, failure = posts
    assert success["text"].startswith("A clip landed\nCost: $0.84")
    assert [block["type"] for block in success["blocks"]] == ["header", "section", "section", "image"]
    assert failure["text"].startswith("dag.submit failed\nRefused.\nNo money was spent.")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "needs one of"),
        ({"slack": "a", "teams": "b"}, "needs one of"),
        ({"smtp": "a"}, "needs `to`"),
        ({"teams": "a", "to": "b"}, "needs `to`"),
    ],
)
def test_a_wrong_notifier_is_said_at_parse(given: dict[str, Any], words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        KlingNotifier(**given)


def test_a_provider_that_is_missing_is_named_at_parse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_installed", lambda name: name != "airflow.providers.slack")
    with pytest.raises(exceptions.InvalidArgument, match="pip install apache-airflow-providers-slack"):
        KlingNotifier(slack="slack")


DAG = """
from kling_airflow.notifications.notifier import KlingNotifier
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from tests.airflow_versions import DAG

with DAG("notified"):
    KlingImageToVideoOperator(
        task_id="clip", image="IMAGE", prompt="rise", duration=3, label="launch", poll_interval=1,
        wait_for_completion=True, on_success_callback=KlingNotifier(teams="teams"),
    )
    KlingImageToVideoOperator(
        task_id="refused", image="IMAGE", prompt="rise", gmi_conn_id="nowhere",
        on_failure_callback=KlingNotifier(teams="teams"),
    )
"""


def test_airflow_calls_it(
    queue: Simulator, rocket: str, dags_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.http")
    with webhook() as (url, posts):
        monkeypatch.setenv("AIRFLOW_CONN_TEAMS", json.dumps({"conn_type": "http", "host": url}))
        run = run_dag(dags_folder, "notified", DAG.replace("IMAGE", rocket))
    assert run.states == {"clip": "success", "refused": "failed"}
    cards = [post["attachments"][0]["content"] for post in posts]
    texts = {card["body"][0]["text"]: card for card in cards}
    assert set(texts) == {"The clip `launch` is there", "notified.refused failed"}
    clip = texts["The clip `launch` is there"]
    (image,) = [part["url"] for part in clip["body"] if part["type"] == "Image"]
    assert image.startswith(queue.base_url), "the queue's own thumbnail"
    assert {"Clip", "Request"} <= {action["title"] for action in clip["actions"]}
    # Before 3.3, `dag.test()` does not tell every callback the exception.
    refused = json.dumps(texts["notified.refused failed"])
    assert "No money was spent." in refused or (
        Version("3.3") > AIRFLOW and "The task's log has it" in refused
    )
