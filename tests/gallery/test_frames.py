"""The frames of a clip as thumbnails: which are served, to whom, and what stands in for the others."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery import frames as frames_module
from kling_airflow.gallery.frames import CHANGED, GONE, TOO_LARGE, UNREADABLE, ClipFrame
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.recent import Recent
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.airflow_app import as_user
from tests.gallery.pictures import asked, frame, picture
from tests.gallery.sidecars import store_clip
from tests.s3 import S3


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test makes its thumbnails itself."""
    monkeypatch.setattr(frames_module, "_thumbnails", Recent(60.0, 128))


def shown(client: TestClient, gallery: Path, *frames: Any, user: str = "alice") -> list[Any]:
    """The answers for a clip's frames, in order."""
    store_clip(gallery, "rocket.mp4", 1, asked=asked(*frames))
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    (entry,) = Index(open_gallery(gallery.as_uri())).entries()
    return [
        client.get(f"/kling/frames/{entry.id}/{number}", headers=as_user(user))
        for number in range(len(frames))
    ]


def test_the_start_and_the_end_frame_are_small_pictures(client: TestClient, gallery: Path) -> None:
    start = frame(gallery / "frames/start.png", picture("red"))
    end = frame(gallery / "frames/end frame.webp", picture("blue", (600, 900), "WEBP"))
    answers = shown(client, gallery, start, end)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.headers["content-type"] for answer in answers} == {"image/jpeg"}
    pictures = [Image.open(io.BytesIO(answer.content)) for answer in answers]
    assert [each.size for each in pictures] == [(480, 270), (320, 480)]
    red, blue = (each.getpixel((10, 10)) for each in pictures)
    assert red[0] > 200 > 60 > red[2]
    assert blue[2] > 200 > 60 > blue[0]
    page = client.get("/kling/requests/request-00001", headers=as_user("alice")).text
    assert re.findall(r'<img src="(/kling/frames/[0-9a-f]{24}/\d)"', page) == [
        str(answer.url.path) for answer in answers
    ]
    again = client.get(
        answers[0].url.path, headers=as_user("alice") | {"If-None-Match": answers[0].headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_frame_is_for_those_who_may_see_the_clip(client: TestClient, gallery: Path) -> None:
    (answer,) = shown(client, gallery, frame(gallery / "start.png"))
    path = answer.url.path
    assert client.get(path).status_code == 401
    for user, status in {"alice": 200, "carol": 200, "bob": 403, "dave": 403}.items():
        assert client.get(path, headers=as_user(user)).status_code == status, user
    assert client.head(path, headers=as_user("alice")).status_code == 200
    assert client.head(path, headers=as_user("bob")).status_code == 403


@pytest.mark.parametrize(
    "number", ["1", "-1", "00000", "0x0", "%D9%A0", "..%2F0", "0%00", "%2e%2e", "start.png"]
)
def test_a_number_that_the_clip_has_no_frame_of(client: TestClient, gallery: Path, number: str) -> None:
    (answer,) = shown(client, gallery, frame(gallery / "start.png"))
    address = answer.url.path.rpartition("/")[0]
    answer = client.get(f"{address}/{number}", headers=as_user("alice"))
    assert answer.status_code == 404
    assert "image" not in answer.headers["content-type"]


def test_a_frame_that_is_gone_or_another_one_has_a_placeholder(client: TestClient, gallery: Path) -> None:
    gone, changed, text, torn, heavy = (
        frame(gallery / f"{name}.png") for name in ("gone", "changed", "text", "torn", "heavy")
    )
    (gallery / "gone.png").unlink()
    (gallery / "changed.png").write_bytes(picture("green"))
    text = frame(gallery / "text.png", b"AWS_SECRET_ACCESS_KEY=not a picture")
    torn = frame(gallery / "torn.png", picture()[:1000])
    with (gallery / "heavy.png").open("wb") as file:
        file.truncate(frames_module.MAX_BYTES + 1)
    answers = shown(client, gallery, gone, changed, text, torn, heavy)
    for answer, why in zip(answers, (GONE, CHANGED, UNREADABLE, UNREADABLE, TOO_LARGE), strict=True):
        assert (answer.status_code, answer.headers["content-type"]) == (404, "image/svg+xml")
        assert why.replace("'", "&#x27;") in answer.text
        assert "SECRET" not in answer.text


def test_places_that_the_gallery_may_not_read(
    client: TestClient, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a sidecar names is data: it opens no door of the API server's machine or network."""
    outside = frame(tmp_path / "outside.png")
    link = frame(gallery / "real.png")
    (gallery / "link.png").symlink_to(tmp_path / "outside.png")
    climbing = {"uri": f"{gallery.as_uri()}/../outside.png", "sha256": None}
    hostile = [
        outside,
        climbing,
        link | {"uri": f"{gallery.as_uri()}/link.png"},
        {"uri": f"{gallery.as_uri()}/%2e%2e/outside.png"},
        {"uri": f"{gallery.as_uri()}/.kling-gallery/1/x.png"},
        {"uri": "/etc/passwd"},
        {"uri": "file:///etc/passwd"},
        {"uri": "http://169.254.169.254/latest/meta-data/"},
        {"uri": "https://user:secret@x.example/a.png?X-Amz-Signature=secret"},
        {"uri": "simplecache::file:///etc/passwd"},
        {"uri": "data:image/png;base64,AAAA"},
        {"uri": "s3://another_connection@bucket/x.png"},
        {"uri": ""},
        {},
    ]
    answers = shown(client, gallery, *hostile)
    assert {(answer.status_code, answer.headers["content-type"]) for answer in answers} == {
        (404, "image/svg+xml")
    }
    page = client.get("/kling/requests/request-00001", headers=as_user("alice")).text
    assert page.count("Not shown: ") == len(hostile)
    assert "secret" not in page
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", tmp_path.as_uri())
    (answer,) = shown(client, gallery, outside)
    assert answer.status_code == 200


def test_a_hostile_list_of_frames_breaks_no_page(client: TestClient, gallery: Path) -> None:
    for frames in ("text", {"uri": "x"}, [None, 7, ["x"]], None):
        store_clip(gallery, "rocket.mp4", 1, asked={"prompt": "p", "frames": frames})
        reindex(open_gallery(gallery.as_uri()))
        gallery_app._indexes.clear()
        assert client.get("/kling/requests/request-00001", headers=as_user("alice")).status_code == 200


@pytest.fixture
def in_s3(s3: S3, monkeypatch: pytest.MonkeyPatch) -> tuple[S3, str, str]:
    """A gallery in a bucket, and a second bucket; the default connection reads both."""
    clips, stills = s3.bucket(), s3.bucket()
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", f"s3://{S3.conn_id}@{clips}/all")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3.connection)
    return s3, clips, stills


def test_a_frame_in_another_bucket(
    client: TestClient, in_s3: tuple[S3, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3, clips, stills = in_s3
    s3.put(stills, "start.png", picture("red"))
    s3.put(clips, "all/end.png", picture("blue"))
    folder = open_gallery(f"s3://{S3.conn_id}@{clips}/all")
    address = f"s3://{S3.conn_id}@{clips}/all"
    start, end = ClipFrame(f"s3://{stills}/start.png"), ClipFrame(f"s3://{clips}/all/end.png")
    for each in (start, end):
        assert frames_module.thumbnail(address, folder, each)[:3] == b"\xff\xd8\xff"
    with pytest.raises(frames_module.NoThumbnail, match=GONE):
        frames_module.thumbnail(address, folder, ClipFrame(f"s3://{stills}/no.png"))
    with pytest.raises(frames_module.NoThumbnail, match=UNREADABLE):
        frames_module.thumbnail(address, folder, ClipFrame("s3://no-such-bucket-at-all/no.png"))
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", f"s3://{clips}")
    assert "allowed_sources" in start.kept_from(address)
    assert end.kept_from(address) == ""
