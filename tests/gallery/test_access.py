"""Airflow authenticates no plugin's app: no login, a wrong role, a forged id, addresses that climb out."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import jwt
import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery.app import create_app
from kling_airflow.gallery.entry import INDEX, GalleryEntry
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.airflow_app import SECRET, as_user, serving, token
from tests.gallery.sidecars import store_clip


def by(dag_id: str) -> dict[str, object]:
    return {"dag_id": dag_id, "run_id": "manual__1", "task_id": "land", "map_index": -1}


@pytest.fixture
def clips(gallery: Path) -> dict[str, GalleryEntry]:
    """A clip of each of two DAGs, and one that no DAG has landed."""
    store_clip(gallery, "r/rocket.mp4", 1, landed_by=by("rockets"))
    store_clip(gallery, "b/boat.mp4", 2, landed_by=by("boats"))
    store_clip(gallery, "x/stray.mp4", 3, landed_by=None)
    folder = open_gallery(gallery.as_uri())
    reindex(folder)
    gallery_app._indexes.clear()
    return {entry.dag_id or "nobody": entry for entry in Index(folder).entries()}


def addresses(entry: GalleryEntry) -> list[str]:
    return [
        "/kling/",
        f"/kling/requests/{entry.request_id}",
        f"/kling/media/{entry.id}/clip",
        f"/kling/media/{entry.id}/poster",
        f"/kling/media/{entry.id}/.vtt",
        f"/kling/frames/{entry.id}/0",
        "/kling/task?dag_id=rockets&run_id=manual__1&task_id=land&map_index=-1",
        "/kling/static/gallery.css",
        "/kling/static/gallery.js",
        "/kling/static/icon.svg",
        "/kling/no/such/page",
    ]


def test_every_route_demands_a_login(client: TestClient, clips: dict[str, GalleryEntry]) -> None:
    for address in addresses(clips["rockets"]):
        for method in ("GET", "HEAD"):
            assert client.request(method, address).status_code == 401, address
    browser = client.get("/kling/", headers={"Accept": "text/html"})
    assert browser.status_code == 401
    assert "Log in to Airflow" in browser.text
    assert "rocket" not in browser.text.lower().replace("rockets", "")


def test_each_route_of_the_app_is_among_those_that_were_asked() -> None:
    paths = {getattr(route, "path", "?") for route in create_app().routes}
    assert paths == {
        "/",
        "/requests/{request_id}",
        "/media/{entry_id}/{name}",
        "/frames/{entry_id}/{number}",
        "/task",
        "/static/{name}",
        "/{rest:path}",
    }


def test_a_forged_or_expired_token_is_no_login(client: TestClient, clips: dict[str, GalleryEntry]) -> None:
    good = token("alice")
    claims = jwt.decode(good, options={"verify_signature": False})
    forged = jwt.encode(claims | {"sub": "carol"}, f"not {SECRET}", "HS512")
    unsigned = jwt.encode(claims, None, "none")
    old = jwt.encode(claims | {"exp": time.time() - 9000}, SECRET, "HS512")
    for address in addresses(clips["rockets"])[:8]:
        for bad in (forged, unsigned, old, "x", ""):
            for headers in ({"Cookie": f"_token={bad}"}, {"Authorization": f"Bearer {bad}"}):
                assert client.get(address, headers=headers).status_code in (401, 403), (address, headers)
    assert client.get("/kling/", headers={"Authorization": f"Bearer {good}"}).status_code == 200


def test_a_user_sees_the_clips_of_the_dags_that_the_user_may_read(
    client: TestClient, clips: dict[str, GalleryEntry]
) -> None:
    shown = {
        user: {
            dag
            for dag, entry in clips.items()
            if entry.id in client.get("/kling/", headers=as_user(user)).text
        }
        for user in ("alice", "bob", "carol", "dave")
    }
    assert shown == {"alice": {"rockets"}, "bob": {"boats"}, "carol": {"rockets", "boats"}, "dave": set()}
    page = client.get("/kling/", headers=as_user("alice")).text
    assert "boats" not in page  # in the list of DAGs and in the chart neither
    assert "1 landing" in page


def test_a_wrong_role_is_refused_everything_of_the_clip(
    client: TestClient, clips: dict[str, GalleryEntry]
) -> None:
    boat = clips["boats"]
    for address in (f"/kling/media/{boat.id}/clip", f"/kling/media/{boat.id}/poster"):
        assert client.get(address, headers=as_user("alice")).status_code == 403
        assert client.get(address, headers=as_user("dave")).status_code == 403
    assert client.get(f"/kling/media/{boat.id}/clip", headers=as_user("bob")).status_code == 200
    page = f"/kling/requests/{boat.request_id}"
    assert client.get(page, headers=as_user("alice")).status_code == 403
    # Another DAG's name in the address opens nothing.
    assert client.get(f"{page}?dag_id=rockets&run_id=manual__1", headers=as_user("alice")).status_code == 403
    assert client.get(page, headers=as_user("bob")).status_code == 200
    assert client.get("/kling/?dag=boats", headers=as_user("alice")).text.count("<video") == 0


def test_what_no_dag_has_landed_is_shown_to_no_user(
    client: TestClient, clips: dict[str, GalleryEntry]
) -> None:
    stray = clips["nobody"]
    for user in ("carol", "alice"):
        assert client.get(f"/kling/media/{stray.id}/clip", headers=as_user(user)).status_code == 403
        assert client.get(f"/kling/requests/{stray.request_id}", headers=as_user(user)).status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "/kling/media/000000000000000000000000/clip",
        "/kling/media/..%2f..%2fsecret/clip",
        "/kling/media/r%2Frocket/clip",
        "/kling/media/{id}/..%2Fclip",
        "/kling/media/{id}/%2e%2e%2fsecret.mp4",
        "/kling/media/{id}/.json",
        "/kling/media/{id}/.mp4",
        "/kling/media/{id}/clip.mp4",
        "/kling/media/{id}/s3:%2F%2Fother%2Fx.mp4",
        "/kling/static/..%2Fapp.py",
        "/kling/static/%2e%2e%2fplugin.py",
        "/kling/static/gallery.css%00",
        "/kling/requests/no-such-request",
        "/kling/requests/..%2F..%2Fx",
        "/kling//etc/passwd",
    ],
)
def test_an_address_that_names_nothing_is_not_found(
    client: TestClient, clips: dict[str, GalleryEntry], gallery: Path, address: str
) -> None:
    (gallery.parent / "secret.mp4").write_bytes(b"secret of the machine")
    answer = client.get(address.replace("{id}", clips["rockets"].id), headers=as_user("alice"))
    assert answer.status_code == 404, answer.text[:300]
    assert b"secret" not in answer.content


@pytest.mark.parametrize(
    "address",
    [
        "/kling/media/../../../../etc/passwd",
        "/kling/static/../app.py",
        "/kling/media/{id}/../../../secret.mp4",
    ],
)
def test_dots_that_no_client_has_folded_lead_nowhere(
    client: TestClient, clips: dict[str, GalleryEntry], gallery: Path, address: str
) -> None:
    (gallery.parent / "secret.mp4").write_bytes(b"secret of the machine")
    with serving(client.app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", address.replace("{id}", clips["rockets"].id), headers=as_user("alice"))
        answer = connection.getresponse()
        assert answer.status == 404
        assert b"secret" not in answer.read()


def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    client: TestClient, gallery: Path, clips: dict[str, GalleryEntry]
) -> None:
    secret = gallery.parent / "secret.mp4"
    secret.write_bytes((gallery / "r/rocket.mp4").read_bytes())
    (gallery / "r/rocket.mp4").unlink()
    (gallery / "r/rocket.mp4").symlink_to(secret)
    address = f"/kling/media/{clips['rockets'].id}/clip"
    assert client.get(address, headers=as_user("alice")).status_code == 404


def test_a_folder_that_leads_out_is_not_followed_either(
    client: TestClient, gallery: Path, clips: dict[str, GalleryEntry]
) -> None:
    (gallery / "r").rename(gallery.parent / "outside")
    (gallery / "r").symlink_to(gallery.parent / "outside")
    address = f"/kling/media/{clips['rockets'].id}/clip"
    assert client.get(address, headers=as_user("alice")).status_code == 404


def test_another_file_in_the_place_of_the_clip_is_not_served(
    client: TestClient, gallery: Path, clips: dict[str, GalleryEntry]
) -> None:
    """Its landing may be another DAG's, whose index entry is not read yet."""
    (gallery / "r/rocket.mp4").write_bytes(b"the clip of another DAG")
    address = f"/kling/media/{clips['rockets'].id}/clip"
    assert client.get(address, headers=as_user("alice")).status_code == 404


def test_the_index_itself_is_not_served(
    client: TestClient, gallery: Path, clips: dict[str, GalleryEntry]
) -> None:
    (file,) = (gallery / INDEX / "1/segments").iterdir()
    for name in (f"{INDEX}/1/segments/{file.name}", f"static/{file.name}", f"media/{INDEX}/clip"):
        assert client.get(f"/kling/{name}", headers=as_user("carol")).status_code == 404


def test_no_route_changes_anything(client: TestClient, clips: dict[str, GalleryEntry]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for address in addresses(clips["rockets"]):
            assert client.request(method, address, headers=as_user("carol")).status_code == 405
