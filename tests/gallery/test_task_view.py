"""The tab of a task instance, Airflow 3.4 and later: a page that loads nothing, with the task's requests."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from kling_airflow.gallery.task_view import MOST
from tests.gallery.airflow_app import as_user
from tests.gallery.pictures import picture
from tests.gallery.sidecars import store_clip
from tests.gallery.test_pages import EVIL, Tags
from tests.gallery.xcoms import xcom

POSTER = picture("red", (320, 180), "JPEG")


def address(**changes: Any) -> str:
    task = {"dag_id": "rockets", "run_id": "manual__1", "task_id": "land", "map_index": "{MAP_INDEX}"}
    return f"/kling/task?{urlencode(task | changes)}"


def store(gallery: Path, name: str, number: int, poster: bytes | None = POSTER, **changes: Any) -> None:
    if poster is not None:
        (gallery / f"{name}.jpg").write_bytes(poster)
        changes["poster"] = {"uri": "x", "sha256": "a" * 64, "bytes": len(poster)}
    store_clip(gallery, f"{name}.mp4", number, **changes)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()


def test_a_task_that_has_landed_shows_its_clip(client: TestClient, gallery: Path) -> None:
    store(gallery, "rocket", 1)
    store(gallery, "other", 2, landed_by={"dag_id": "rockets", "run_id": "manual__2", "task_id": "land"})
    answer = client.get(address(), headers=as_user("alice"))
    assert answer.status_code == 200
    for text in ("request-00001", "Rocket 1 lifts off.", "as asked", "$1.26", "Checked and stored"):
        assert text in answer.text, text
    assert "request-00002" not in answer.text
    assert f"data:image/jpeg;base64,{base64.b64encode(POSTER).decode()}" in answer.text


def test_the_page_loads_nothing_and_its_policy_knows_its_style(client: TestClient, gallery: Path) -> None:
    """The frame may run no script, and what it loads the browser asks for without the login."""
    store(gallery, "rocket", 1, asked={"prompt": EVIL})
    answer = client.get(address(), headers=as_user("alice"))
    tags = Tags(answer.text).found
    assert not {tag for tag, _ in tags} & {"script", "link", "video", "a", "iframe", "form", "svg"}
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        if "src" in attributes:
            assert str(attributes["src"]).startswith("data:image/jpeg;base64,")
    style = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize("poster", [None, b"<svg onload=alert(1)>", b"\xff\xd8" + b"x" * 500_000])
def test_a_poster_that_is_none(client: TestClient, gallery: Path, poster: bytes | None) -> None:
    store(gallery, "rocket", 1, poster)
    page = client.get(address(), headers=as_user("alice")).text
    assert "no poster" in page
    assert "data:" not in page


def test_a_task_that_waits_shows_where_its_request_stands(client: TestClient, gallery: Path) -> None:
    gallery_app._indexes.clear()
    handed = {"request_id": "waiting-1", "gmi_conn_id": "no_such_connection", "task_id": "submit"}
    with xcom("rockets", "manual__1", "submit", "request", handed, map_index=2):
        page = client.get(address(task_id="submit", map_index="2"), headers=as_user("alice")).text
        assert "waiting-1" in page
        assert "The queue could not be asked: The connection `no_such_connection` is not defined." in page
        for other in ({"map_index": "3"}, {"map_index": ""}, {"task_id": "wait"}, {"run_id": "x"}):
            asked = {"task_id": "submit", "map_index": "2"} | other
            assert "No request yet" in client.get(address(**asked), headers=as_user("alice")).text


@pytest.mark.parametrize("value", [None, 7, [], {}, "", "{", "x" * 300, "a b", {"request_id": ["x"]}, "../x"])
def test_an_xcom_of_another_meaning_is_no_request(client: TestClient, gallery: Path, value: Any) -> None:
    gallery_app._indexes.clear()
    with xcom("rockets", "manual__1", "submit", "request", value):
        answer = client.get(address(task_id="submit"), headers=as_user("alice"))
    assert answer.status_code == 200
    assert "No request yet" in answer.text


def test_an_xcom_opens_no_clip_of_another_dag(client: TestClient, gallery: Path) -> None:
    store(gallery, "boat", 2, landed_by={"dag_id": "boats", "run_id": "manual__1", "task_id": "land"})
    with xcom("rockets", "manual__1", "land", "request_id", "request-00002"):
        page = client.get(address(), headers=as_user("alice"))
        assert page.status_code == 200
        assert "No request yet" in page.text
        shown = client.get("/kling/requests/request-00002?dag_id=rockets&run_id=manual__1")
        assert shown.status_code == 401
        of_alice = client.get(
            "/kling/requests/request-00002?dag_id=rockets&run_id=manual__1", headers=as_user("alice")
        )
        assert of_alice.status_code == 403


def test_only_for_those_who_may_see_the_task_instances(client: TestClient, gallery: Path) -> None:
    store(gallery, "rocket", 1)
    assert client.get(address()).status_code == 401
    for user, status in {"alice": 200, "bob": 403, "carol": 403, "dave": 403}.items():
        assert client.get(address(), headers=as_user(user)).status_code == status, user
    for nothing in ("/kling/task", address(dag_id=""), address(dag_id="no such dag")):
        assert client.get(nothing, headers=as_user("alice")).status_code == 403


def test_a_task_with_many_clips_shows_the_first(client: TestClient, gallery: Path) -> None:
    for number in range(MOST + 3):
        store_clip(gallery, f"{number}.mp4", number)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    page = client.get(address(), headers=as_user("alice")).text
    assert page.count("<article") == MOST
    assert "3 more requests" in page
