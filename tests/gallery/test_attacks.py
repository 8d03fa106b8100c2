"""What a user without rights on a DAG learns of its clips: nothing, by whatever address, method or header."""

from __future__ import annotations

import http.client
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery.entry import GalleryEntry
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.airflow_app import as_user, serving
from tests.gallery.pictures import asked, frame, picture
from tests.gallery.sidecars import store_clip
from tests.gallery.test_pages import EVIL, Tags

SECRET = b"what only the readers of boats may see " * 50
OWN = "?dag_id=rockets&run_id=manual__1"


@pytest.fixture
def boat(gallery: Path) -> GalleryEntry:
    """A clip of the DAG boats, with poster and frame, and one of rockets, which Alice may read."""
    by_boats = {"dag_id": "boats", "run_id": "manual__1", "task_id": "land", "map_index": -1}
    (gallery / "b").mkdir()
    (gallery / "b/boat.jpg").write_bytes(picture("blue", (320, 180), "JPEG"))
    poster = {"uri": "x", "sha256": "a" * 64, "bytes": 1}
    store_clip(
        gallery,
        "b/boat.mp4",
        2,
        data=SECRET,
        landed_by=by_boats,
        poster=poster,
        asked=asked(frame(gallery / "b/secret-start.png")) | {"prompt": "A secret regatta."},
        cost_usd=77.77,
    )
    store_clip(gallery, "r/rocket.mp4", 1)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    return next(entry for entry in Index(open_gallery(gallery.as_uri())).entries() if entry.dag_id == "boats")


def told(content: bytes) -> list[bytes]:
    """What an answer tells of the clip that it must not tell."""
    words = (b"regatta", b"77.77", b"boats", b"secret-start", b"b/boat", SECRET[:30], b"request-00002</code")
    return [word for word in words if word in content]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?text=regatta",
        "?text=request-00002",
        "?dag=boats",
        "?dag=boats&dag=rockets",
        "?dag=BOATS",
        "?kind=clip&state=as+asked",
        "?since=2000-01-01&until=2100-01-01",
        "?page=0",
        "?page=999999",
        "?page=2",
        "?text=%00&dag=%27%20OR%201=1",
    ],
)
def test_list_search_and_chart_leave_the_clip_out(client: TestClient, boat: GalleryEntry, query: str) -> None:
    for user in ("alice", "dave"):
        answer = client.get(f"/kling/{query}", headers=as_user(user))
        assert answer.status_code == 200
        # What is searched for comes back in the form's own fields, as the person wrote it.
        page = re.sub(r'value="[^"]*"|page=\d+&[^"]*', "", answer.text).encode()
        assert told(page) == [], (user, query)
        assert boat.id.encode() not in page
    assert b"regatta" in client.get("/kling/", headers=as_user("bob")).content


ROUTES = [
    "/kling/media/{id}/clip",
    "/kling/media/{id}/poster",
    "/kling/media/{id}/.vtt",
    "/kling/media/{id}/.json",
    "/kling/frames/{id}/0",
    "/kling/requests/request-00002",
    f"/kling/requests/request-00002{OWN}",
    "/kling/requests/request-00002?dag_id=rockets&dag_id=boats&run_id=manual__1",
    "/kling/task?dag_id=boats&run_id=manual__1&task_id=land&map_index=-1",
    "/kling/task?dag_id=rockets&dag_id=boats&run_id=manual__1&task_id=land",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE", "PROPFIND"])
def test_no_method_of_a_route_tells_of_it(
    client: TestClient, boat: GalleryEntry, route: str, method: str
) -> None:
    address = route.replace("{id}", boat.id)
    for user in ("alice", "dave", None):
        for extra in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=99999-"}, {"If-None-Match": "*"}):
            headers = extra | (as_user(user) if user else {})
            answer = client.request(method, address, headers=headers)
            expected = (401, 403, 404) if method in ("GET", "HEAD") else (401, 403, 404, 405)
            assert answer.status_code in expected, (user, extra, answer.status_code)
            assert told(answer.content) == []
            assert not {"etag", "content-range", "accept-ranges"} & set(answer.headers)
    if method == "GET" and user is None:
        allowed = client.get(f"/kling/media/{boat.id}/clip", headers=as_user("bob"))
        assert allowed.content == SECRET


@pytest.mark.parametrize(
    "path",
    [
        "/kling//media/{id}/clip",
        "/kling/media//{id}/clip",
        "/kling/media/{id}//clip",
        "/kling/media/{id}/clip/",
        "/kling/media/{ID}/clip",
        "/kling/media/{id}%20/clip",
        "/kling/media/{id}%00/clip",
        "/kling/media/{id};x/clip",
        "/kling/media/./{id}/clip",
        "/kling/./media/{id}/clip",
        "/kling/%2e/media/{id}/clip",
        "/kling/media/%2e%2e/media/{id}/clip",
        "/kling/static/%2e%2e/media/{id}/clip",
        "/kling/static/..%2f..%2f..%2fgallery%2fb%2fboat.mp4",
        "/kling/static/%252e%252e%252fapp.py",
        "/kling/static/..%5c..%5capp.py",
        "/kling/media/..%2f..%2f..%2fb%2fboat/clip",
        "/kling/media/b%2fboat.mp4/clip",
        "/kling/media/{id}/%2e%2e%2f%2e%2e%2fclip",
        "/kling/frames/{id}/%2e%2e%2f0",
        "/kling/frames/{id}//0",
        "/kling/frames/b%2fsecret-start.png/0",
        "/kling/%2fetc%2fpasswd",
        "/kling/.kling-gallery/1/segments/",
        "/kling/media/.kling-gallery%2f1%2fsegments/clip",
        "/kling/index.json",
        "//kling/media/{id}/clip",
        "/kling/../kling/media/{id}/clip",
        "/plugins/kling/media/{id}/clip",
    ],
)
def test_an_address_as_a_client_of_an_attacker_sends_it(
    client: TestClient, boat: GalleryEntry, path: str
) -> None:
    """A browser folds dots and slashes; this client sends what it is given."""
    address = path.replace("{id}", boat.id).replace("{ID}", boat.id.upper())
    with serving(client.app) as port:
        for user in ("alice", None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", address, headers=as_user(user) if user else {})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            # An address outside of /kling is Airflow's: its own page, which knows no clip.
            assert told(content) == [], (user, answer.status)
            assert not content.startswith((SECRET[:9], b"\xff\xd8"))
            if address.startswith("/kling/") and ".." not in address:
                assert answer.status in (401, 403, 404), user


@pytest.mark.parametrize(
    "forged", ["0" * 24, "f" * 24, "0x" + "0" * 22, "1", "-1", "null", "%D9%A0" * 24, "a" * 9000]
)
def test_a_forged_id_is_the_id_of_nothing(client: TestClient, boat: GalleryEntry, forged: str) -> None:
    for place in (
        f"media/{forged}/clip",
        f"media/{forged}/poster",
        f"frames/{forged}/0",
        f"requests/{forged}",
    ):
        answer = client.get(f"/kling/{place}", headers=as_user("alice"))
        assert answer.status_code == 404
        assert told(answer.content) == []


HOSTILE = [
    EVIL,
    "<svg/onload=alert(1)>" * 100,
    "</textarea></title></style><script>alert(1)</script>",
    '" autofocus onfocus=alert(1) x="',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e\u2066 gnp.exe \u0000 \U0001f680 \u05d0\u05d1\u05d2 \u0627\u0644",
    "half of a pair: \ud83d",
    "W" * 2500,
    "a b " * 625,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_place_stays_text(client: TestClient, gallery: Path, text: str) -> None:
    name = re.sub(r"[^\w <>\"'&=()]", "_", text)[:80]
    film_shot = {"start": 0, "seconds": 1, "label": text, "prompt": text, "request_id": text, "cost_usd": 1}
    content: dict[str, Any] = {
        "asked": asked({"uri": f"s3://x/{text}", "sha256": text}) | {"prompt": text},
        "checks": {text: text, "sound": text, "duration": text},
        "model": text,
        "landed_by": {"dag_id": "rockets", "run_id": text, "task_id": text, "map_index": 3},
        "shots": [film_shot],
        "files": [{"kind": text, "name": ".vtt", "bytes": 1}, {"kind": "x", "name": text, "bytes": 1}],
    }
    store_clip(gallery, f"{name}.mp4", 1, **content)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    plain = text.encode(errors="replace").decode()
    search, run = {"text": plain[:300], "dag": plain, "state": plain}, plain[:500]
    pages = [
        client.get("/kling/", headers=as_user("alice")),
        client.get("/kling/", params=search, headers=as_user("alice")),
        client.get("/kling/requests/request-00001", headers=as_user("alice")),
        client.get(
            "/kling/task",
            params={"dag_id": "rockets", "run_id": run, "task_id": run, "map_index": "3"},
            headers=as_user("alice"),
        ),
        client.get(f"/kling/requests/x{OWN}", headers=as_user("alice") | {"Accept": "text/html"}),
    ]
    assert [page.status_code for page in pages] == [200, 200, 200, 200, 404]
    assert "request-00001" in pages[3].text
    for page in pages:
        for tag, attributes in Tags(page.text).found:
            assert tag not in {"svg", "textarea", "iframe", "object"} or page is pages[0]
            assert not [
                each for each in attributes if each.startswith("on") or each in {"style", "autofocus"}
            ]
            if tag == "script":
                assert attributes == {"src": "/kling/static/gallery.js", "defer": None}
            for where in ("href", "src", "action", "poster"):
                value = str(attributes.get(where) or "/")
                assert value.startswith(("/kling/", "/dags/", "data:image/jpeg")) or value == "/", value
