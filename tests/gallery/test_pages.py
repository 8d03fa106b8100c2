"""The pages: what they show, that a hostile prompt stays text, and that nothing comes from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.airflow_app import as_user
from tests.gallery.sidecars import film_sidecar, store_clip

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' {{ 7 * 7 }} javascript:alert(3) \u202e"
STATIC = Path(gallery_app.__file__).parent / "static"


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def fill(gallery: Path) -> None:
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()


def get(client: TestClient, address: str, user: str = "carol") -> str:
    answer = client.get(address, headers=as_user(user) | {"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_card_says_what_a_person_wants_to_know(client: TestClient, gallery: Path) -> None:
    store_clip(gallery, "rocket.mp4", 7)
    fill(gallery)
    page = get(client, "/kling/")
    for text in (
        "Rocket 7 lifts off.",
        "as asked",
        "$1.26",
        "2026-11-27 12:07",
        "kling-v3-image-to-video",
        "1280 x 720, sound",
        "rockets · land",
        "5.0 s",
        "/dags/rockets/runs/manual__1/tasks/land",
        "/kling/requests/request-00007",
    ):
        assert text in page, text


def test_an_empty_gallery_names_its_folder_and_how_older_clips_get_in(
    client: TestClient, gallery: Path
) -> None:
    page = get(client, "/kling/")
    assert f"<code>{gallery.as_uri()}</code>" in page
    assert "kling-airflow gallery reindex" in page
    assert "reindex" not in get(client, "/kling/?text=rocket"), (
        "a search that finds nothing is no empty folder"
    )
    store_clip(gallery, "rocket.mp4", 7)
    fill(gallery)
    assert "reindex" not in get(client, "/kling/")


def test_pages_of_clips_the_newest_first(client: TestClient, gallery: Path) -> None:
    for number in range(30):
        store_clip(gallery, f"{number:02d}.mp4", number)
    fill(gallery)
    first, second = get(client, "/kling/"), get(client, "/kling/?page=2")
    shown = [int(number) for number in re.findall(r"Rocket (\d+) lifts off.</a>", first + second)]
    assert shown == list(range(29, -1, -1))
    assert "Page 1 of 2" in first
    assert 'rel="next"' in first
    assert 'rel="next"' not in second
    assert "Page 2 of 2" in get(client, "/kling/?page=99")


def test_a_search_by_text_dag_day_state_and_kind(client: TestClient, gallery: Path) -> None:
    store_clip(gallery, "a.mp4", 1)
    store_clip(
        gallery, "b.mp4", 2, landed_by={"dag_id": "boats", "run_id": "r", "task_id": "t", "map_index": 4}
    )
    store_clip(gallery, "c.mp4", 3, checks={"duration": "x", "sound": "silent, though sound was asked for"})
    store_clip(gallery, "d.mp4", 4, landed_at="2026-11-20T00:00:00+00:00")
    film = film_sidecar()
    (gallery / "film.mp4").write_bytes(b"film")
    film["clip"] |= {"bytes": 4, "sha256": "ab" * 32}
    (gallery / "film.json").write_text(json.dumps(film))
    fill(gallery)

    def found(query: str) -> set[str]:
        page = get(client, f"/kling/?{query}")
        return set(re.findall(r"/kling/requests/([\w-]+)\"", page))

    name = "request-0000"
    assert found("text=rocket+2") == {f"{name}2"}
    assert found("text=ROCKET+4+LIFTS") == {f"{name}4"}
    assert found("dag=boats") == {f"{name}2"}
    assert found("until=2026-11-20") == {f"{name}4"}
    assert f"{name}4" not in found("since=2026-11-21")
    assert found("state=differs") == {f"{name}3"}
    assert found("kind=film") == {film["request_id"]}
    assert found("text=no+such+thing") == set()
    assert "fits the search" in get(client, "/kling/?text=no+such+thing")
    # What makes no sense is no filter and no error.
    assert len(found("since=never&state=x&kind=%00&page=-1")) == 5


def test_a_request_has_a_page_of_its_own(client: TestClient, gallery: Path) -> None:
    store_clip(gallery, "rocket.mp4", 7)
    fill(gallery)
    page = get(client, "/kling/requests/request-00007")
    for text in (
        "Rocket 7 lifts off.",
        "has sound, as asked for",
        "5.04 s, asked for 5 s",
        "s3://frames/start.png",
        "The queue has the request",
        "The queue has made the clip",
        "Checked and stored",
        "+2 min",
        "+60 s",
    ):
        assert text in page, text


def test_a_film_shows_its_clips_and_its_files(client: TestClient, gallery: Path) -> None:
    film = film_sidecar()
    (gallery / "film.mp4").write_bytes(b"film")
    (gallery / "film.vtt").write_text("WEBVTT\n")
    film["clip"] |= {"bytes": 4, "sha256": "ab" * 32}
    film["files"][0]["bytes"] = 7
    (gallery / "film.json").write_text(json.dumps(film))
    fill(gallery)
    page = get(client, f"/kling/requests/{film['request_id']}")
    assert "It flies." in page
    assert "/kling/requests/request-00001" in page
    (address,) = set(re.findall(r'href="(/kling/media/\w+/\.vtt)"', page))
    answer = client.get(address, headers=as_user("carol"))
    assert (answer.status_code, answer.text) == (200, "WEBVTT\n")
    assert client.get(address.replace(".vtt", ".srt"), headers=as_user("carol")).status_code == 404


def test_a_hostile_sidecar_stays_text(client: TestClient, gallery: Path) -> None:
    store_clip(
        gallery,
        "x' onload=alert(4) .mp4",
        7,
        model=EVIL,
        asked={
            "prompt": EVIL,
            "duration": 5,
            "sound": True,
            "frames": [{"uri": f"https://x/{EVIL}", "sha256": EVIL}],
        },
        checks={EVIL: EVIL, "sound": EVIL},
        landed_by={"dag_id": "rockets", "run_id": EVIL, "task_id": EVIL, "map_index": 0},
    )
    fill(gallery)
    for address in ("/kling/", "/kling/requests/request-00007", f"/kling/?text={EVIL.replace(' ', '+')}"):
        page = get(client, address)
        tags = Tags(page).found
        scripts = [attributes for tag, attributes in tags if tag == "script"]
        assert scripts == [{"src": "/kling/static/gallery.js", "defer": None}]
        assert "img" not in [tag for tag, _ in tags]
        for tag, attributes in tags:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (
                tag,
                attributes,
            )
            for name in ("href", "src", "action", "poster"):
                assert str(attributes.get(name) or "/").startswith(("/kling/", "/dags/", "/")), attributes
        assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", page)


def test_nothing_comes_from_elsewhere(client: TestClient, gallery: Path) -> None:
    store_clip(gallery, "rocket.mp4", 7)
    fill(gallery)
    for address in ("/kling/", "/kling/requests/request-00007"):
        answer = client.get(address, headers=as_user("carol"))
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "frame-ancestors 'self'" in policy
        for _, attributes in Tags(answer.text).found:
            for name in ("href", "src", "poster", "action"):
                if (value := attributes.get(name)) is not None:
                    assert value.startswith("/")
                    assert not value.startswith("//")
    for file in STATIC.iterdir():
        assert not re.findall(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", file.read_text()), (
            file.name
        )


def test_no_secret_is_in_a_page(client: TestClient, gallery: Path) -> None:
    uri = "https://user:secret1@x.example/start.png?X-Amz-Signature=secret2"
    store_clip(gallery, "rocket.mp4", 7, asked={"prompt": "p", "frames": [{"uri": uri, "sha256": None}]})
    fill(gallery)
    page = get(client, "/kling/requests/request-00007")
    assert "start.png" in page
    assert "secret" not in page
    assert str(gallery) not in page


def test_a_gallery_that_is_not_configured_says_how(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__KLING__GALLERY", raising=False)
    assert "AIRFLOW__KLING__GALLERY" in get(client, "/kling/")


@pytest.mark.parametrize("address", ["s3://user:pass@x/y", "nothing", "s3://not_a_connection@clips/x"])
def test_a_setting_that_is_wrong_is_named(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", address)
    answer = client.get("/kling/", headers=as_user("carol"))
    assert answer.status_code == 503
    assert "[kling] gallery" in answer.text
    assert "pass" not in answer.text.replace("password", "")


def test_a_gallery_under_a_path_links_to_itself(client: TestClient, gallery: Path) -> None:
    """Airflow behind a proxy has a root path, which ASGI hands on."""
    store_clip(gallery, "rocket.mp4", 7)
    fill(gallery)
    behind: Any = TestClient(client.app, base_url="http://airflow.test", root_path="/company/airflow")
    page = behind.get("/company/airflow/kling/", headers=as_user("carol")).text
    assert 'href="/company/airflow/kling/static/gallery.css"' in page
    assert 'href="/company/airflow/dags/rockets/' in page
