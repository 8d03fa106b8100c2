"""Clips played in place: whole, in parts, from any store, in constant memory."""

from __future__ import annotations

import hashlib
import http.client
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.airflow_app import as_user, serving
from tests.gallery.sidecars import store_clip
from tests.s3 import S3

SIZE = 3_000_000
CLIP = bytes(range(256)) * (SIZE // 256 + 1)
CLIP = CLIP[:SIZE]


@pytest.fixture(params=["file", "s3"])
def address(request: pytest.FixtureRequest, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a clip of 3 MB in a gallery of each kind."""
    store_clip(gallery, "r/rocket.mp4", 1, data=CLIP, poster={"uri": "x", "sha256": "a" * 64, "bytes": 4})
    (gallery / "r/rocket.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    home = gallery.as_uri()
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        bucket = server.bucket()
        for file in gallery.rglob("*.*"):
            server.put(bucket, f"all/{file.relative_to(gallery)}", file.read_bytes())
        home = f"s3://{S3.conn_id}@{bucket}/all"
        monkeypatch.setenv("AIRFLOW__KLING__GALLERY", home)
    reindex(open_gallery(home))
    gallery_app._indexes.clear()
    (entry,) = Index(open_gallery(home)).entries()
    yield f"/kling/media/{entry.id}/clip"
    gallery_app._indexes.clear()


def test_the_whole_clip(client: TestClient, address: str) -> None:
    answer = client.get(address, headers=as_user("alice"))
    assert answer.status_code == 200
    assert answer.content == CLIP
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-", 0, SIZE),
        ("bytes=0-0", 0, 1),
        ("bytes=1000000-1999999", 1_000_000, 2_000_000),
        ("bytes=2999990-9999999", 2_999_990, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        ("bytes=-9999999", 0, SIZE),
    ],
)
def test_a_part_of_the_clip(client: TestClient, address: str, asked: str, first: int, end: int) -> None:
    answer = client.get(address, headers=as_user("alice") | {"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - first)
    assert answer.content == CLIP[first:end]


def test_what_cannot_be_satisfied_and_what_is_no_range(client: TestClient, address: str) -> None:
    behind = client.get(address, headers=as_user("alice") | {"Range": f"bytes={SIZE}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{SIZE}")
    for odd in ("bytes=9-3", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b"):
        assert client.get(address, headers=as_user("alice") | {"Range": odd}).status_code == 200


def test_a_browser_that_has_the_clip_gets_it_confirmed(client: TestClient, address: str) -> None:
    head = client.head(address, headers=as_user("alice"))
    tag = head.headers["etag"]
    assert head.status_code == 200
    assert head.content == b""
    again = client.get(address, headers=as_user("alice") | {"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert "no-cache" in again.headers["cache-control"]
    part = {"Range": "bytes=0-9", "If-Range": tag}
    assert client.get(address, headers=as_user("alice") | part).status_code == 206
    assert client.get(address, headers=as_user("alice") | part | {"If-Range": '"other"'}).status_code == 200


def test_the_poster(client: TestClient, address: str) -> None:
    answer = client.get(address.replace("/clip", "/poster"), headers=as_user("alice"))
    assert (answer.status_code, answer.content) == (200, b"\xff\xd8\xff\xd9")
    assert answer.headers["content-type"] == "image/jpeg"


def test_a_large_clip_needs_no_memory(client: TestClient, gallery: Path) -> None:
    block = hashlib.sha256(b"x").digest() * 32768  # 1 MB
    store_clip(gallery, "r/large.mp4", 1, data=b"")
    with (gallery / "r/large.mp4").open("wb") as file:
        for _ in range(200):
            file.write(block)
    text = (gallery / "r/large.json").read_text()
    (gallery / "r/large.json").write_text(text.replace('"bytes": 0', f'"bytes": {200 * len(block)}'))
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    (entry,) = Index(open_gallery(gallery.as_uri())).entries()
    with serving(client.app) as port:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", f"/kling/media/{entry.id}/clip", headers=as_user("alice"))
        answer, size = connection.getresponse(), 0
        while data := answer.read(1 << 20):
            size += len(data)
        assert size == 200 * len(block)
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 50_000_000
